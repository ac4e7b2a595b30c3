//! A server elsewhere, over Streamable HTTP: the SDK's client, but for answers to our questions, which
//! come through whole.

use std::{collections::HashMap, io, sync::Arc};

use futures_util::{Stream, StreamExt, future, stream::BoxStream};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use reqwest::Body;
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage, RequestId},
    transport::streamable_http_client::{
        AuthRequiredError, HttpStatusError, StreamableHttpClient, StreamableHttpError,
        StreamableHttpPostResponse, StreamableHttpResponseLimits,
    },
};
use serde::Deserialize;
use serde_json::Value;
use sse_stream::{Error as SseError, Sse, SseStream};

use super::{
    MOST_BYTES, attending::Attending, common::Common, handler::ELICIT, progress::Progress,
    refusal::lacks, whole,
};

pub(super) type Failed = StreamableHttpError<reqwest::Error>;
type Events = BoxStream<'static, Result<Sse, SseError>>;

const SESSION: &str = "mcp-session-id";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

#[derive(Clone)]
pub(super) struct Http {
    pub(super) client: reqwest::Client,
    pub(super) progress: Progress,
    pub(super) common: Common,
    pub(super) attending: Attending,
}

impl StreamableHttpClient for Http {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        authorization: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let limits = StreamableHttpResponseLimits::default();
        self.post_message_with_response_limits(
            uri,
            message,
            session,
            authorization,
            headers,
            limits,
        )
        .await
    }

    async fn post_message_with_response_limits(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        authorization: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
        limits: StreamableHttpResponseLimits,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        if session.is_some() {
            self.common.expected();
        }
        let question = match &message {
            JsonRpcMessage::Request(asked) => {
                let is_ours = matches!(asked.request, ClientRequest::CustomRequest(_));
                is_ours.then(|| asked.id.clone())
            }
            _ => None,
        };
        let Some(question) = question else {
            let client = &self.client;
            return client
                .post_message_with_response_limits(
                    uri,
                    message,
                    session,
                    authorization,
                    headers,
                    limits,
                )
                .await;
        };
        let mut request = self
            .client
            .post(uri.as_ref())
            .header(header::ACCEPT, format!("{EVENTS}, {JSON}"))
            .headers(headers.into_iter().collect())
            .json(&message);
        if let Some(session) = &session {
            request = request.header(SESSION, session.as_ref());
        }
        let heard = Hearing {
            progress: self.progress.clone(),
            of: Some((self.attending.clone(), question)),
        };
        answered(request.send().await?.into(), (session.is_some(), heard)).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        authorization: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failed> {
        self.client
            .delete_session(uri, session, authorization, headers)
            .await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        authorization: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Events, Failed> {
        let events = self
            .client
            .get_stream(uri, session, last_event, authorization, headers)
            .await;
        self.common.answered();
        let events = events?;
        let progress = self.progress.clone();
        Ok(heard(events, Hearing { progress, of: None }))
    }
}

/// What comes back to a question.
pub(super) enum Reply {
    /// One message of so many bytes.
    Message(Value, usize),
    Events(BoxStream<'static, Result<bytes::Bytes, io::Error>>),
}

/// The answer to a question, for the SDK.
async fn answered(
    response: Response<Body>,
    (in_session, hearing): (bool, Hearing),
) -> Result<StreamableHttpPostResponse, Failed> {
    let (reply, session) = reply(response, in_session).await?;
    Ok(match reply {
        Reply::Message(message, bytes) => {
            let message = whole::apart(bytes, move || whole::message(message));
            StreamableHttpPostResponse::Json(message.await??, session)
        }
        Reply::Events(bytes) => {
            let events = heard(SseStream::from_bytes_stream(bytes), hearing);
            StreamableHttpPostResponse::Sse(events, session)
        }
    })
}

/// What comes back, with the session that it names.
pub(super) async fn reply(
    response: Response<Body>,
    in_session: bool,
) -> Result<(Reply, Option<String>), Failed> {
    let status = response.status();
    let header = |name: &str| response.headers().get(name)?.to_str().ok();
    let asked = header(header::WWW_AUTHENTICATE.as_str()).unwrap_or_default();
    // Of those that forbid it, only one that wants more access is worth asking again.
    let wants_more = status == StatusCode::FORBIDDEN && lacks(asked).is_some();
    if status == StatusCode::UNAUTHORIZED || wants_more {
        return Err(StreamableHttpError::AuthRequired(AuthRequiredError::new(
            asked.to_owned(),
        )));
    }
    if status == StatusCode::NOT_FOUND && in_session {
        return Err(StreamableHttpError::SessionExpired);
    }
    let session = header(SESSION).map(str::to_owned);
    let sort = header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let sort = sort.split(';').next().unwrap_or_default().trim();
    if sort.eq_ignore_ascii_case(JSON) {
        let body = whole_of(response.into_body()).await?;
        let bytes = body.len();
        let read = whole::apart(bytes, move || whole::read(&body));
        let message = read.await??;
        // Only an error may come with a status that is one. One that names no question answers ours by it.
        let answers = message.get("id").is_some_and(|id| !id.is_null());
        if status.is_success() || (answers && message.get("error").is_some()) {
            return Ok((Reply::Message(message, bytes), session));
        }
    } else if sort.eq_ignore_ascii_case(EVENTS) && status.is_success() {
        return Ok((Reply::Events(bounded(response.into_body())), session));
    }
    Err(HttpStatusError::new(status.as_u16(), None).into())
}

/// The body, unless it is larger than a message may be. What counts is its size once unpacked.
async fn whole_of(mut body: Body) -> Result<Vec<u8>, Failed> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame?.into_data() else {
            continue;
        };
        if whole.len() + chunk.len() > MOST_BYTES {
            let max_size = MOST_BYTES;
            return Err(StreamableHttpError::ResponseBodyTooLarge { max_size });
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

/// The body as it comes, until it is larger than one answer may be.
fn bounded(body: Body) -> BoxStream<'static, Result<bytes::Bytes, io::Error>> {
    let stream = body.into_data_stream().scan(0_usize, |size, chunk| {
        let chunk = chunk.map_err(io::Error::other);
        *size += chunk.as_ref().map_or(0, bytes::Bytes::len);
        let fits = *size <= MOST_BYTES;
        future::ready(Some(chunk.and_then(|chunk| {
            fits.then_some(chunk)
                .ok_or_else(|| io::Error::other("its answer is too large"))
        })))
    });
    stream.boxed()
}

/// Events whose results come through the SDK as they are. What is no message stays as it is, for the SDK
/// to refuse; how far a call has come is told on the way.
fn heard(
    events: impl Stream<Item = Result<Sse, SseError>> + Send + 'static,
    hearing: Hearing,
) -> Events {
    let each = move |event: Result<Sse, SseError>| {
        let hearing = hearing.clone();
        async move {
            let event = event?;
            let bytes = event.data.as_ref().map_or(0, String::len);
            let kept = whole::apart(bytes, move || kept(event, &hearing)).await;
            kept.map_err(|error| SseError::Body(Box::new(error)))
        }
    };
    events.then(each).boxed()
}

/// What is heard on the way of a stream: how far calls have come, and questions that belong to this one.
#[derive(Clone)]
struct Hearing {
    progress: Progress,
    of: Option<(Attending, RequestId)>,
}

fn kept(mut event: Sse, hearing: &Hearing) -> Sse {
    let message = event
        .data
        .as_deref()
        .map(|data| whole::read(data.as_bytes()));
    if matches!(&message, Some(Err(_))) {
        // The SDK reads no further into what is none.
        event.data = Some("no message".to_owned());
    }
    if let (Some(Ok(message)), Some((attending, call))) = (&message, &hearing.of)
        && message.get("method").is_some_and(|method| method == ELICIT)
        && let Some(Ok(question)) = message.get("id").map(RequestId::deserialize)
    {
        attending.came(question, call.clone());
    }
    if let Some(Ok(message)) = message
        && !hearing.progress.take(&message)
        && message.get("result").is_some()
        && let Ok(message) = whole::message(message)
    {
        event.data = serde_json::to_string(&message).ok();
    }
    event
}
