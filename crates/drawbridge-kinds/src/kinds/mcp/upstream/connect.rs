//! From the file to a running connection: a program is started, or a server reached, and greeted.

mod secrets;
mod spawned;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use drawbridge_core::{
    answer::Failure,
    credential::{Admission, admitted},
    secret::Secret,
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, OptionFuture},
};
use rmcp::{
    RoleClient,
    model::ProtocolVersion,
    service::{
        ClientInitializeError, ClientLifecycleMode, ClientServiceExt,
        RunningServiceCancellationToken,
    },
    transport::{
        IntoTransport, StreamableHttpClientTransport,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    Link, MOST_BYTES, Shared, Told, Why,
    attending::Attending,
    common::Common,
    direct::Direct,
    handler::Handler,
    http::Http,
    locked,
    pipe::Era,
    program::Program,
    progress::Progress,
    refusal::{self, MORE},
    veil::Veil,
};
use spawned::spawned;

/// How long a connection may take to be made.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a program may think about the question of the newer era. One of the older may never answer it.
const ERA_WITHIN: Duration = Duration::from_secs(30);
/// How long a server may take to hear that it is left.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// How many questions one connection over HTTP carries at a time.
const AT_A_TIME: usize = 64;
/// Revisions spoken to servers without a handshake.
const MODERN: [ProtocolVersion; 1] = [ProtocolVersion::V_2026_07_28];

/// What a connection rests on; kept by the task that stays with it.
pub(super) struct Held {
    /// The SDK's own task, until it has ended.
    served: Option<BoxFuture<'static, ()>>,
    stop: RunningServiceCancellationToken,
    program: Option<Program>,
    why: Why,
    closed: CancellationToken,
}

impl Held {
    /// Returns when it ended by itself: why, for people.
    pub(super) async fn ended(&mut self) -> String {
        let program = self.program.as_ref();
        let quits = async {
            match program {
                Some(program) => program.started.ended().await,
                None => std::future::pending().await,
            }
        };
        let served = self.served.as_mut();
        let (fallback, left) = tokio::select! {
            () = quits => ("its program ended", false),
            () = self.closed.cancelled() => ("its server ended the connection", false),
            () = OptionFuture::from(served).map(drop) => ("its server ended the connection", true),
        };
        if left {
            self.served = None;
        }
        self.why.said().unwrap_or_else(|| fallback.to_owned())
    }

    /// Ends the connection and the program.
    pub(super) async fn end(self) {
        self.stop.cancel();
        if let Some(served) = self.served {
            let _ = tokio::time::timeout(LEAVE_WITHIN, served).await;
        }
        if let Some(program) = self.program {
            let _ = program.started.end().await;
        }
    }
}

type Connected = (Arc<Link>, Held);

/// What a connection needs beside the SDK.
enum Rest {
    Here(Box<Program>),
    Elsewhere(Box<Direct>),
}

/// Connects, as the file says, with the newest secret that the server lets in.
pub(super) async fn connect(shared: &Shared) -> Result<Connected, Told> {
    let Some(credential) = &shared.context.credential else {
        return once(shared, None).await.map_err(|(_, told)| told);
    };
    // A secret that cannot be had is no fault of the server, which is not left alone for it.
    let tried = AtomicBool::new(false);
    let connecting = || {
        admitted(&**credential, |secret| async {
            tried.store(true, Ordering::Relaxed);
            match once(shared, Some(secret)).await {
                Ok(connected) => Admission::LetIn(connected),
                Err((true, told)) => Admission::Refused(told.into()),
                Err((false, told)) => Admission::Failed(told.into()),
            }
        })
    };
    let mut connected = connecting().await;
    let lacks = locked(&shared.lacks).take();
    if let Some(challenge) = &lacks {
        credential.lacking(challenge).await;
        connected = connecting().await;
    }
    connected.map_err(|failure: Failure| Told {
        at_once: lacks.is_some() || !tried.load(Ordering::Relaxed),
        ..failure.into()
    })
}

/// A try; where it fails, whether it was the secret that was refused.
async fn once(shared: &Shared, secret: Option<Secret<String>>) -> Result<Connected, (bool, Told)> {
    match &shared.own.system.url {
        Some(url) => reached(shared, url, secret).await,
        None => program(shared, secret).await.map_err(|told| (false, told)),
    }
}

/// What asks a server at this address.
fn client(url: &str) -> Result<(reqwest::Client, reqwest::Url), Told> {
    let told = |detail: String| Told {
        detail,
        ..Told::unavailable("no connection can be made")
    };
    // A redirect would take the secret to wherever the server likes.
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_WITHIN)
        .tcp_nodelay(true)
        .build();
    let client = client.map_err(|error| told(error.to_string()))?;
    let url = url
        .parse()
        .map_err(|_| told("its address is none".to_owned()))?;
    Ok((client, url))
}

/// A server elsewhere.
async fn reached(
    shared: &Shared,
    url: &str,
    secret: Option<Secret<String>>,
) -> Result<Connected, (bool, Told)> {
    let system = &shared.own.system;
    let veil = secrets::veil(system, secret.as_ref());
    let headers = secrets::headers(system, secret).map_err(|told| (false, told))?;
    let (client, address) = client(url).map_err(|told| (false, told))?;
    let progress = Progress::default();
    let common = Common::default();
    let attending = Attending::default();
    let http = Http {
        client,
        progress: progress.clone(),
        common: common.clone(),
        attending: attending.clone(),
    };
    let transport = || {
        let config = StreamableHttpClientTransportConfig::with_uri(url)
            .custom_headers(headers.clone())
            .max_concurrent_requests(AT_A_TIME)
            .max_sse_event_size(MOST_BYTES)
            .max_json_response_size(MOST_BYTES);
        StreamableHttpClientTransport::with_client(http.clone(), config)
    };
    let mode = ClientLifecycleMode::Auto {
        preferred_versions: MODERN.to_vec(),
        legacy_version: Some(ProtocolVersion::V_2025_11_25),
    };
    let told = || {
        (
            Why::default(),
            veil.clone(),
            (progress.clone(), attending.clone()),
        )
    };
    let reached = || {
        let headers = headers.clone().into_iter().collect();
        let address = (address.clone(), headers);
        Rest::Elsewhere(Box::new(Direct::new(http.clone(), address, AT_A_TIME)))
    };
    let mut connected = served(shared, (transport(), mode), reached(), told()).await;
    // One of the older era may answer anything to the question of the newer.
    if let Err(ClientInitializeError::ExpectedInitResult(_)) = &connected {
        let mode = ClientLifecycleMode::Initialize;
        connected = served(shared, (transport(), mode), reached(), told()).await;
    }
    if connected.is_ok() {
        common.open().await;
    }
    connected.map_err(|error| not_reached(shared, &error, &veil))
}

/// Why a server elsewhere did not let us in, and whether it was the secret that it refused.
fn not_reached(shared: &Shared, error: &ClientInitializeError, veil: &Veil) -> (bool, Told) {
    let challenge = error.auth_challenge();
    let lacks = challenge.and_then(refusal::lacks);
    let refused = challenge.is_some() && lacks.is_none();
    let told = if lacks.is_some() {
        *locked(&shared.lacks) = lacks;
        MORE
    } else if refused {
        "its server refuses the connector's credential, or asks for one; tell whoever keeps the connector"
    } else {
        "its server cannot be reached, or does not speak MCP"
    };
    let detail = veil.text(&error.to_string()).into_owned();
    (
        refused,
        Told {
            detail,
            ..Told::unavailable(told)
        },
    )
}

/// A program that is started here. One that ends on the question of the newer era is started once more,
/// and greeted as the older.
async fn program(shared: &Shared, secret: Option<Secret<String>>) -> Result<Connected, Told> {
    let known = locked(&shared.state).era;
    let veil = secrets::veil(&shared.own.system, secret.as_ref());
    let progress = Progress::default();
    let (mut pipe, mut program, why) = spawned(shared, secret.as_ref(), &progress)?;
    let era = match known {
        Some(era) => era,
        None => match tokio::time::timeout(ERA_WITHIN, pipe.era()).await {
            Err(_) => Era::Legacy,
            Ok(Ok(Some(era))) => era,
            Ok(Ok(None)) => {
                if let Some(told) = program.not_started().await {
                    return Err(told);
                }
                let _ = program.started.end().await;
                let again = spawned(shared, secret.as_ref(), &progress)?;
                (pipe, program) = (again.0, again.1);
                Era::Legacy
            }
            Ok(Err(error)) => return Err(program.told(error.to_string()).await),
        },
    };
    let mode = match era {
        Era::Modern => ClientLifecycleMode::Discover {
            preferred_versions: MODERN.to_vec(),
        },
        Era::Legacy => ClientLifecycleMode::Initialize,
    };
    let said = program.said.clone();
    match served(
        shared,
        (pipe, mode),
        Rest::Here(Box::new(program)),
        (why.clone(), veil.clone(), (progress, Attending::default())),
    )
    .await
    {
        Ok(connected) => {
            locked(&shared.state).era = Some(era);
            Ok(connected)
        }
        Err(error) => {
            // It may be another program by now than the one of which the era is known.
            locked(&shared.state).era = None;
            let told = why
                .said()
                .unwrap_or_else(|| "its program ended, or does not speak MCP".to_owned());
            let detail = format!("{error}; it said: {}", said.whole().await);
            let detail = veil.text(&detail).into_owned();
            Err(Told {
                detail,
                ..Told::unavailable(told)
            })
        }
    }
}

/// Greets the server.
async fn served<T, E, A>(
    shared: &Shared,
    (transport, mode): (T, ClientLifecycleMode),
    rest: Rest,
    (why, veil, (progress, attending)): (Why, Veil, (Progress, Attending)),
) -> Result<Connected, ClientInitializeError>
where
    T: IntoTransport<RoleClient, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let handler = Handler::new(
        shared.changes.clone(),
        shared.asked.clone(),
        (&shared.own.scope.asks, attending),
        veil.clone(),
    );
    let service = handler
        .clone()
        .serve_with_lifecycle(transport, mode)
        .await?;
    let closed = CancellationToken::new();
    let version = service
        .peer()
        .peer_info()
        .map(|info| info.protocol_version.clone());
    let is_modern = version.is_some_and(|version| MODERN.contains(&version));
    let (program, direct) = match rest {
        Rest::Here(program) => (Some(*program), None),
        Rest::Elsewhere(direct) => (None, is_modern.then_some(*direct)),
    };
    let link = Link::new(
        (service.peer().clone(), direct),
        (handler, progress),
        (shared.context.clock.clone(), shared.tasks.clone()),
        (closed.clone(), why.clone(), veil),
    );
    let held = Held {
        stop: service.cancellation_token(),
        served: Some(async move { drop(service.waiting().await) }.boxed()),
        program,
        why,
        closed,
    };
    Ok((Arc::new(link), held))
}
