//! The least code that answers an MCP call: its CPU per call is the unit U of the goals. It also says
//! what it offers, so that it can be put behind a gateway.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, header, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

#[derive(Deserialize)]
struct Asked {
    id: Value,
    method: String,
    params: Params,
}

#[derive(Deserialize)]
struct Params {
    arguments: Option<Arguments>,
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

/// What it says of its tool.
pub(crate) fn definition() -> Value {
    let input =
        json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]});
    json!({"name": "echo", "description": "Says the text again.", "inputSchema": input})
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
    let result = match (asked.method.as_str(), asked.params.arguments) {
        ("tools/call", Some(arguments)) => {
            let content = json!([{"type": "text", "text": arguments.text}]);
            json!({"content": content, "resultType": "complete"})
        }
        ("tools/list", _) => json!({
            "tools": [definition()], "ttlMs": 60_000, "cacheScope": "public", "resultType": "complete",
        }),
        _ => json!({
            "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "ttlMs": 60_000,
            "cacheScope": "public", "resultType": "complete",
        }),
    };
    let reply = json!({"jsonrpc": "2.0", "id": asked.id, "result": result});
    let mut response = Response::new(Full::from(reply.to_string()));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    Ok(response)
}
