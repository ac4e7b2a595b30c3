//! What is known of a call whose answer was lost: whether it was sent at all, and whether it takes the
//! connection with it.

use std::{error::Error, io};

use drawbridge_core::answer::{Failure, Status};
use rmcp::{
    model::ErrorCode, service::ServiceError, transport::streamable_http_client::StreamableHttpError,
};

use super::{Trouble, post, veil::Veil};
use crate::kinds::mcp::{asks, doubts::visible};

/// The longest text that a server may say of wrong arguments, in characters.
const MOST_WORDS: usize = 500;

type OverHttp = StreamableHttpError<reqwest::Error>;

/// How it was lost.
pub(super) enum Lost {
    /// The server never had it. The connection is of no use.
    Unsent,
    /// The server refused it with this status: it did nothing, by its word.
    Refused(u16),
    /// The server failed with this status, and whatever it did.
    Failed(u16),
    /// The answer alone: others come by exchanges of their own.
    Answer,
    /// The connection, with all that still waits for answers.
    Connection,
}

impl Lost {
    pub(super) fn of(error: &ServiceError) -> Self {
        let ServiceError::TransportSend(sent) = error else {
            return match error {
                ServiceError::TransportClosed => Self::Answer,
                _ => Self::Connection,
            };
        };
        let sent: &(dyn Error + 'static) = sent.error.as_ref();
        // A program's input was closed before the end of the line: no whole message was read.
        if sent.is::<io::Error>() {
            return Self::Unsent;
        }
        match sent.downcast_ref::<OverHttp>() {
            Some(OverHttp::Client(error)) if error.is_connect() => Self::Unsent,
            Some(OverHttp::Io(error)) if post::is_unsent(error) => Self::Unsent,
            Some(
                OverHttp::AuthRequired(_)
                | OverHttp::InsufficientScope(_)
                | OverHttp::SessionExpired
                | OverHttp::ReinitializationFailed(_),
            ) => Self::Unsent,
            // It gave up on it, found something in its way, or was left: it may have begun.
            Some(OverHttp::HttpStatus(answer)) if [408, 409, 499].contains(&answer.status) => {
                Self::Failed(answer.status)
            }
            Some(OverHttp::HttpStatus(answer)) if (300..500).contains(&answer.status) => {
                Self::Refused(answer.status)
            }
            Some(OverHttp::HttpStatus(answer)) => Self::Failed(answer.status),
            Some(OverHttp::TransportChannelClosed | OverHttp::SessionRecoveryTimeout) | None => {
                Self::Connection
            }
            Some(_) => Self::Answer,
        }
    }
}

/// A JSON-RPC error: the server did nothing where the error is one of those that come before anything is
/// begun. What it says may hold anything, a secret too, and is for the operator alone; but for what is
/// wrong with the arguments, which the caller can mend.
pub(super) fn refused(error: &rmcp::ErrorData, veil: &Veil) -> Trouble {
    let failure = told(error, veil);
    match error.code {
        ErrorCode::PARSE_ERROR
        | ErrorCode::INVALID_REQUEST
        | ErrorCode::METHOD_NOT_FOUND
        | ErrorCode::INVALID_PARAMS
        | ErrorCode::HEADER_MISMATCH
        | ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY
        | ErrorCode::UNSUPPORTED_PROTOCOL_VERSION => Trouble::Refused(failure),
        ErrorCode::RESOURCE_NOT_FOUND => Trouble::Failed(failure),
        _ => Trouble::Halted(failure),
    }
}

fn told(error: &rmcp::ErrorData, veil: &Veil) -> Failure {
    let (status, told) = match error.code.0 {
        -32602 => (
            Status::Invalid,
            "its server refuses the arguments".to_owned(),
        ),
        -32601 => (
            Status::Failed,
            "its server does not know this request".to_owned(),
        ),
        code => (
            Status::Failed,
            format!("its server answers with the error {code}"),
        ),
    };
    let said = veil.text(&error.message);
    let mut failure = Failure::new(status, told).with_source(said.clone().into_owned());
    if error.code == ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY {
        failure.asks = asks::needs(error.data.as_ref()).map(Box::new);
    }
    if status != Status::Invalid {
        return failure;
    }
    let words: String = said.chars().take(MOST_WORDS).collect();
    failure.with_words(visible(&words))
}
