//! The server behind a connector: started or reached when it is first needed, watched, and left alone
//! for a while when it fails.

mod asked;
mod attending;
mod common;
mod connect;
mod direct;
mod given_up;
mod handler;
mod http;
mod link;
mod lost;
mod pipe;
mod post;
mod program;
mod progress;
mod question;
mod refusal;
mod standing;
mod told;
mod trouble;
mod used;
mod veil;
mod whole;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use drawbridge_core::{
    answer::Failure,
    connector::{Changed, Context},
    exchange::Asking,
};
use serde_json::{Map, Value};
use tokio::sync::{Mutex as Turns, broadcast, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::part::Own;
use asked::Asked;
pub(super) use attending::{Asks, Elicited};
pub(super) use link::{InUse, Link, Listing};
pub(super) use question::Beside;
pub(super) use standing::Seen;
use standing::{Standing, State};
pub(super) use told::once;
use told::{Told, Why};
pub(super) use trouble::Trouble;

/// The largest message that a server may send, in bytes.
const MOST_BYTES: usize = 16 << 20;
/// How long a server may take to start and to say what it offers.
const START_WITHIN: Duration = Duration::from_secs(60);
/// How long one call may take, unless the file's `limits.timeout` ends it sooner.
const CALL_WITHIN: Duration = Duration::from_secs(600);
/// How many changes wait for who is told of them; of more, the later are enough.
const MOST_CHANGES: usize = 16;
/// How long closing waits for what is still going on.
const CLOSE_WITHIN: Duration = Duration::from_secs(8);

/// The server, whether it runs or not.
#[derive(Clone)]
pub(super) struct Upstream {
    shared: Arc<Shared>,
}

/// What the server's own task needs.
struct Shared {
    own: Arc<Own>,
    context: Context,
    state: Mutex<State>,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// What the server says that it changed.
    changes: broadcast::Sender<Changed>,
    /// What it asked for by requests of its own.
    asked: Asked,
    /// What it said when it wanted more access than its secret gives.
    lacks: Mutex<Option<String>>,
    /// Held from the start of a program until it is gone: there is never more than one.
    alone: Turns<()>,
}

/// What a lock protects is whole even where its last holder died.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upstream {
    pub(super) fn new(own: Arc<Own>, context: Context) -> Self {
        Self {
            shared: Arc::new(Shared {
                own,
                context,
                state: Mutex::new(State::new()),
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
                changes: broadcast::Sender::new(MOST_CHANGES),
                asked: Asked::default(),
                lacks: Mutex::default(),
                alone: Turns::new(()),
            }),
        }
    }

    /// The server, started if it does not run, for as long as it is held.
    pub(super) async fn link(&self) -> Result<InUse, Failure> {
        loop {
            let mut starting = match self.shared.turn()? {
                Turn::Up(link) => return Ok(link),
                Turn::Starting(starting) => starting,
            };
            let done = starting.wait_for(Option::is_some).await;
            let done = done.ok().and_then(|done| done.clone());
            let gone = || Told::unavailable("the connector is being closed");
            let link = done.unwrap_or_else(|| Err(gone()))?;
            // It may be over again by now, if whoever asks was slow.
            if let Some(link) = link.enter() {
                return Ok(link);
            }
        }
    }

    /// Asks the server for something.
    pub(super) async fn ask(
        &self,
        method: &str,
        params: Map<String, Value>,
        beside: &Beside,
    ) -> Result<Value, Trouble> {
        let link = self.link().await.map_err(Trouble::Before)?;
        // Only where there is a secret can it be refused, and the question be asked again.
        let secret = self.shared.context.credential.is_some();
        let again = secret.then(|| params.clone());
        match (link.ask(method, params, beside).await, again) {
            (Err(trouble), Some(params)) => {
                let link = self.another(&link, trouble).await?;
                link.ask(method, params, beside).await
            }
            (done, _) => done,
        }
    }

    /// What the server offers.
    pub(super) async fn listing(&self) -> Result<Arc<Listing>, Trouble> {
        let link = self.link().await.map_err(Trouble::Before)?;
        match link.listing().await {
            Err(trouble) => self.another(&link, trouble).await?.listing().await,
            done => done,
        }
    }

    /// All pages of a list, of which the answers have what is listed under a key.
    pub(super) async fn listed(&self, method: &str, key: &str) -> Result<Vec<Value>, Trouble> {
        let link = self.link().await.map_err(Trouble::Before)?;
        match link.listed(method, key).await {
            Err(trouble) => {
                let link = self.another(&link, trouble).await?;
                link.listed(method, key).await
            }
            done => done,
        }
    }

    /// Another connection, where the server no longer lets in the secret of this one, and may let in a
    /// newer one. Else the trouble stays.
    async fn another(&self, link: &Link, trouble: Trouble) -> Result<InUse, Trouble> {
        let credential = self.shared.context.credential.as_ref();
        match trouble {
            Trouble::Before(_) if link.refusal.is_so() => {
                if let (Some(challenge), Some(credential)) = (link.refusal.lacks(), credential) {
                    credential.lacking(&challenge).await;
                }
                self.link().await.map_err(Trouble::Before)
            }
            other => Err(other),
        }
    }

    /// Returns when the server says that it changed what it offers.
    pub(super) async fn changed(&self) -> Changed {
        let mut changes = self.shared.changes.subscribe();
        loop {
            match changes.recv().await {
                Ok(changed) => return changed,
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Does something later, unless the connector is closed before.
    pub(super) fn later(&self, wait: Duration, work: impl FnOnce() + Send + 'static) {
        let stop = self.shared.stop.clone();
        self.shared.tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
            work();
        });
    }

    /// What it asked for so far by requests of its own, which are not passed on.
    pub(super) fn asked(&self) -> BTreeSet<Asking> {
        self.shared.asked.all()
    }

    /// How it stands, without starting it.
    pub(super) fn seen(&self) -> Seen {
        match &locked(&self.shared.state).standing {
            _ if self.shared.stop.is_cancelled() => Seen::Closed,
            Standing::Idle => Seen::Idle,
            Standing::Starting(_) => Seen::Starting,
            Standing::Up(link) => Seen::Up(link.clone()),
            Standing::Resting(_, told) => Seen::Resting(told.clone()),
        }
    }

    /// Ends the server; the next call starts it again. It does not wait.
    pub(super) fn rest(&self) {
        let state = locked(&self.shared.state);
        if let Standing::Up(link) = &state.standing {
            link.bar();
        }
        state.stop.cancel();
    }

    /// Ends the server, without waiting for it.
    pub(super) fn stop(&self) {
        self.shared.stop.cancel();
    }

    /// Ends the server, and whatever still waits for it.
    pub(super) async fn close(&self) {
        self.stop();
        self.shared.tasks.close();
        let _ = tokio::time::timeout(CLOSE_WITHIN, self.shared.tasks.wait()).await;
    }
}

enum Turn {
    Up(InUse),
    Starting(watch::Receiver<Option<Result<Arc<Link>, Told>>>),
}

impl Shared {
    fn now(&self) -> Duration {
        self.context.clock.monotonic()
    }

    /// The server, or the start that all who ask wait for.
    fn turn(self: &Arc<Self>) -> Result<Turn, Told> {
        let mut state = locked(&self.state);
        match &state.standing {
            Standing::Up(link) => match link.enter() {
                Some(used) if !link.is_closed() => return Ok(Turn::Up(used)),
                // Another secret may be let in.
                Some(_) if link.refusal.is_so() => {}
                // It failed a moment ago, and its own task has not noticed yet.
                Some(_) => return Err(self.rest_after(&link.clone(), &mut state)),
                None => {}
            },
            Standing::Starting(starting) => return Ok(Turn::Starting(starting.clone())),
            Standing::Resting(until, told) if self.now() < *until => return Err(told.clone()),
            Standing::Idle | Standing::Resting(..) => {}
        }
        if self.stop.is_cancelled() {
            return Err(Told::unavailable("the connector is closed"));
        }
        let (tell, starting) = watch::channel(None);
        state.standing = Standing::Starting(starting.clone());
        let stop = self.stop.child_token();
        state.stop = stop.clone();
        // It goes on when the one who asked first gives up: a program that is fetched before it starts
        // may take longer than a call may.
        self.tasks.spawn(self.clone().run(tell, stop));
        Ok(Turn::Starting(starting))
    }

    /// Starts the server, and stays with it until it ends.
    async fn run(
        self: Arc<Self>,
        tell: watch::Sender<Option<Result<Arc<Link>, Told>>>,
        stop: CancellationToken,
    ) {
        let is_program = self.own.system.url.is_none();
        let start = async {
            let alone = match is_program {
                true => Some(self.alone.lock().await),
                false => None,
            };
            let started = tokio::time::timeout(START_WITHIN, connect::connect(&self)).await;
            let started = started.unwrap_or_else(|_| {
                let within = START_WITHIN.as_secs();
                let fetches = if is_program && !self.own.system.network {
                    "; one that is fetched first, as by `npx` or `uvx`, needs `network: true`"
                } else {
                    ""
                };
                let told = format!("its server did not start within {within} s{fetches}");
                Err(Told::unavailable(told))
            });
            started.map(|started| (started, alone))
        };
        let started = tokio::select! {
            started = start => started,
            () = stop.cancelled() => {
                locked(&self.state).standing = Standing::Idle;
                let _ = tell.send(Some(Err(Told::unavailable("the connector was stopped"))));
                return;
            }
        };
        let ((link, mut held), _alone) = match started {
            Ok(started) => started,
            Err(told) => {
                let mut state = locked(&self.state);
                let told = if told.at_once {
                    state.standing = Standing::Idle;
                    told
                } else {
                    self.rest(told, &mut state)
                };
                drop(state);
                let _ = tell.send(Some(Err(told)));
                return;
            }
        };
        locked(&self.state).standing = Standing::Up(link.clone());
        let _ = tell.send(Some(Ok(link.clone())));
        let failed = tokio::select! {
            why = held.ended() => Some(why),
            () = link.hears() => None,
            () = self.unused(&link) => None,
            () = stop.cancelled() => None,
        };
        link.close();
        self.down(&link, failed);
        held.end().await;
    }

    /// A server that ran does so no more.
    fn down(&self, link: &Arc<Link>, failed: Option<String>) {
        let mut state = locked(&self.state);
        // A call may have noticed it before, and another server may be starting by now.
        if !matches!(&state.standing, Standing::Up(up) if Arc::ptr_eq(up, link)) {
            return;
        }
        match failed {
            Some(why) => {
                link.say(why);
                self.rest_after(link, &mut state);
            }
            None => {
                state.standing = Standing::Idle;
                state.failures = 0;
            }
        }
    }

    /// Returns when nobody asked anything for as long as the file says, or nothing more is to be asked,
    /// and nobody can any more.
    async fn unused(&self, link: &Link) {
        let look = Duration::from_millis(100);
        loop {
            if link.refusal.is_so() {
                // What was asked before may be answered still.
                if link.leave(Duration::ZERO).is_none() {
                    return;
                }
                tokio::time::sleep(look).await;
                continue;
            }
            let Some(rest) = link.leave(self.own.system.idle.duration()) else {
                return;
            };
            tokio::select! {
                () = tokio::time::sleep(rest.max(look)) => {}
                () = link.refusal.comes() => {}
            }
        }
    }
}
