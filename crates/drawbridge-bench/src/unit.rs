//! The least code that answers an MCP call: its CPU per call is the unit U of the goals.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, header, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

#[derive(Deserialize)]
struct Asked {
    id: u64,
    params: Params,
}

#[derive(Deserialize)]
struct Params {
    arguments: Arguments,
}

#[derive(Deserialize)]
struct Arguments {
    text: String,
}

/// Serves on a free port, whose address is the first line of the output, until it is killed.
pub(crate) fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("http://{}/mcp", listener.local_addr()?);
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            connections.spawn(async move {
                let serving = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(echo));
                // A client that hangs up ends its connection, and nothing else.
                let _ = serving.await;
            });
        }
    })
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    Ok(answer(&body).unwrap_or_else(|never| match never {}))
}

fn answer(body: &[u8]) -> Result<Response<Full<Bytes>>, Infallible> {
    let Ok(asked) = serde_json::from_slice::<Asked>(body) else {
        let mut wrong = Response::new(Full::default());
        *wrong.status_mut() = hyper::StatusCode::BAD_REQUEST;
        return Ok(wrong);
    };
    let content = json!([{"type": "text", "text": asked.params.arguments.text}]);
    let reply = json!({"jsonrpc": "2.0", "id": asked.id, "result": {"content": content, "resultType": "complete"}});
    let mut response = Response::new(Full::from(reply.to_string()));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    Ok(response)
}
