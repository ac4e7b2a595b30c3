//! `mcp`: any other MCP server, over stdio or Streamable HTTP: its tools as they were reviewed, with
//! powers, limits and plans that it does not know of itself.
//!
//! The file holds what the server said of each tool when a person reviewed it. That is what AI clients
//! are shown; a tool of which the server says anything else by now is withheld.

mod actions;
mod arguments;
mod asks;
mod definition;
mod done;
mod doubts;
mod fetch;
mod inspect;
mod part;
mod people;
mod plan;
mod prompts;
mod propose;
mod resources;
mod results;
mod upstream;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::{Action, Call, Power},
    connector::{
        Changed, Connector, Context, Facet, ForPerson, Inspection, Kind, LABEL, Part, Proposal,
        Schema,
    },
    decide::{Resource, View},
    exchange::Hears,
    file::{Change, Fault, Labels},
    log::Key,
    plan::{Plan, Receipt, Settled},
};
use jiff::Timestamp;

use asks::Held;
use done::Done;
pub use part::is_secret;
use part::{Own, Scope, Tool};
use people::People;
use upstream::{Trouble, Upstream};

/// The kind.
pub(super) struct Mcp;

/// What is not traced, as `RUST_LOG` has it: that a connection fails is told where it is handled, and the SDK
/// would tell it once more in words of its own.
pub const TOLD_TWICE: &str = "rmcp::transport::worker=off";

/// The facet that is a tool's name.
const TOOL: &str = "tool";

/// What permissions can narrow by.
static FACETS: &[Facet] = &[
    Facet {
        name: LABEL,
        meaning: "how sensitive its answers are",
    },
    Facet {
        name: TOOL,
        meaning: "the server's name of the tool",
    },
];

/// A server, and what of it can be reached.
struct Server {
    own: Arc<Own>,
    context: Context,
    upstream: Upstream,
    done: Arc<Done>,
    held: Held,
    /// The version of the credential that it was last asked with.
    version: Mutex<Arc<str>>,
}

impl Server {
    /// Makes another connection where its credential is another by now, such as somebody else's account or a
    /// newer token. Whoever took it back is out with the next call.
    async fn renewed(&self) -> Result<(), Failure> {
        let credential = self.context.credential.as_ref();
        let Some(credential) = credential.filter(|credential| credential.may_end()) else {
            return Ok(());
        };
        let versions = credential.versions().await?;
        let newest = versions.first().map(|newest| newest.id.clone());
        let newest = newest.unwrap_or_default();
        let mut version = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *version, newest);
        if before != *version && !before.is_empty() {
            self.upstream.renew();
        }
        Ok(())
    }

    /// A tool that a caller may use.
    fn tool<'a>(&'a self, name: &'a str, view: &View) -> Result<Tool<'a>, Failure> {
        let tool = self.own.tool(name);
        let tool = tool.filter(|tool| view.admits(&resource(name, tool.label)));
        tool.ok_or_else(|| {
            Failure::not_found(format!("there is no tool `{name}` that you may use"))
        })
    }

    /// A tool that the file names for another.
    fn other<'a>(&'a self, name: &'a str) -> Result<Tool<'a>, Failure> {
        let told = || Failure::invalid(format!("the file no longer has the tool `{name}`"));
        self.own.tool(name).ok_or_else(told)
    }

    /// Whether the server says of a tool by now what was reviewed.
    async fn pinned(&self, name: &str) -> Result<(), Failure> {
        self.as_reviewed(name, Status::Unavailable).await
    }

    /// The same for an effect: what was planned with one tool is not done with another. It does not pass by
    /// itself, so that it is not tried again.
    async fn unchanged(&self, name: &str) -> Result<(), Failure> {
        self.as_reviewed(name, Status::Conflict).await
    }

    async fn as_reviewed(&self, name: &str, or_else: Status) -> Result<(), Failure> {
        let listing = self.upstream.listing().await.map_err(Trouble::failure)?;
        let same = listing.tools.get(name) == self.own.scope.pinned.tools.get(name);
        withheld((name, same), (&listing.twice, or_else))
    }

    /// Whether the server says of a prompt by now what was reviewed.
    async fn pinned_prompt(&self, name: &str) -> Result<(), Failure> {
        let listing = self.upstream.listing().await.map_err(Trouble::failure)?;
        let same = listing.prompts.get(name) == self.own.scope.pinned.prompts.get(name);
        withheld((name, same), (&listing.twice, Status::Unavailable))
    }

    /// When an answer was made, and whether it is trusted.
    fn mark(&self) -> (Timestamp, bool) {
        (self.context.clock.now(), self.own.scope.trusted)
    }
}

/// What the rules can know of what has this name and label.
fn resource(name: &str, label: &str) -> Resource {
    Resource(BTreeMap::from([
        (LABEL, label.to_owned()),
        (TOOL, name.to_owned()),
    ]))
}

fn withheld(
    (name, same): (&str, bool),
    (twice, or_else): (&[String], Status),
) -> Result<(), Failure> {
    if same && !twice.iter().any(|one| one == name) {
        return Ok(());
    }
    let told = format!(
        "`{name}` is no longer what was reviewed, and is withheld until a person has looked at it again; \
         tell whoever keeps the connector to run `drawbridge connector pin`"
    );
    Err(Failure::new(or_else, told))
}

#[async_trait]
impl Kind for Mcp {
    fn reaches(&self) -> &'static [&'static str] {
        &["tools", "resources"]
    }

    fn name(&self) -> &'static str {
        "mcp"
    }

    fn summary(&self) -> &'static str {
        "Any other MCP server, over stdio or HTTP: its tools as they were reviewed, with powers and limits"
    }

    fn powers(&self) -> &'static [Power] {
        &[
            Power::Read,
            Power::Search,
            Power::Write,
            Power::Update,
            Power::Delete,
            Power::Send,
            Power::Trigger,
        ]
    }

    fn schema(&self) -> Schema {
        crate::part::schema::<part::System, part::Scope>()
    }

    fn facets(&self) -> &'static [Facet] {
        FACETS
    }

    fn actions(&self, part: &Part) -> Vec<Action> {
        let scope = serde_json::from_value::<Scope>(part.scope.clone());
        scope.map_or_else(|_| Vec::new(), |scope| actions::all(&scope))
    }

    fn always(&self, part: &Part) -> BTreeMap<String, Resource> {
        let scope = serde_json::from_value::<Scope>(part.scope.clone());
        scope.map_or_else(|_| BTreeMap::new(), |scope| actions::always(&scope))
    }

    fn shows(&self, part: &Part) -> BTreeMap<String, Vec<String>> {
        let scope = serde_json::from_value::<Scope>(part.scope.clone());
        scope.map_or_else(|_| BTreeMap::new(), |scope| actions::shows(&scope))
    }

    fn check(&self, part: &Part, labels: &Labels) -> Vec<Fault> {
        part::check(part, labels)
    }

    fn compare(&self, old: &Part, new: &Part, labels: &Labels) -> Vec<Change> {
        part::compare(old, new, labels)
    }

    fn acts_for_person(&self, part: &Part) -> ForPerson {
        // A program is one for everyone; a server elsewhere knows whoever a token is for.
        match part.system.get("url") {
            Some(_) => ForPerson::ByCredential,
            None => ForPerson::Never,
        }
    }

    fn doubts(&self, part: &Part) -> Vec<Fault> {
        let scope = serde_json::from_value::<Scope>(part.scope.clone());
        scope.map_or_else(|_| Vec::new(), |scope| inspect::doubts(&scope))
    }

    async fn propose(&self, part: &Part, context: Context) -> Result<Proposal, Failure> {
        propose::propose(part, context).await
    }

    async fn open(&self, part: &Part, context: Context) -> Result<Arc<dyn Connector>, Failure> {
        let own = Arc::new(Own::read(part)?);
        // It is reached when it is first needed: a gateway may have hundreds, and use few.
        let upstream = Upstream::new(own.clone(), context.clone());
        let server = Server {
            own,
            context,
            upstream,
            done: Arc::default(),
            held: Held::default(),
            version: Mutex::default(),
        };
        let (server, people) = (Arc::new(server), People::default());
        Ok(Arc::new(Bridge { server, people }))
    }
}

struct Bridge {
    server: Arc<Server>,
    /// Where each person has a credential of their own, their own connections.
    people: People,
}

impl Bridge {
    /// The server as this person sees it.
    async fn of(&self, person: &str) -> Result<Arc<Server>, Failure> {
        let credential = self.server.context.credential.as_ref();
        match credential.and_then(|credential| credential.of_person(person)) {
            Some(own) => self.people.of(&self.server, (person, own)).await,
            None => self.shared().await,
        }
    }

    /// The server as everybody sees it.
    async fn shared(&self) -> Result<Arc<Server>, Failure> {
        self.server.renewed().await?;
        Ok(self.server.clone())
    }

    /// The server as the person sees it for whom a plan is done.
    async fn of_plan(&self, plan: &Plan) -> Result<Arc<Server>, Failure> {
        match people::bound(plan) {
            Some(person) => self.of(person).await,
            None if self.acts_for_people() => {
                let told = "nothing says for whom it is done; ask for it anew";
                Err(Failure::invalid(told))
            }
            None => self.shared().await,
        }
    }

    fn acts_for_people(&self) -> bool {
        let credential = self.server.context.credential.as_ref();
        credential.is_some_and(|credential| credential.of_person("").is_some())
    }

    /// A plan, with the person in it for whom it is done.
    fn bound(&self, mut plan: Plan, person: &str) -> Plan {
        if self.acts_for_people() {
            people::bind(&mut plan, person);
        }
        plan
    }
}

#[async_trait]
impl Connector for Bridge {
    async fn fetch(&self, call: &Call, view: &View) -> Result<Found, Failure> {
        let server = self.of(&call.caller.person.id).await?;
        fetch::fetch(&server, call, view).await
    }

    async fn plan(&self, call: &Call, view: &View) -> Result<Plan, Failure> {
        let person = &call.caller.person.id;
        let planned = plan::plan(&*self.of(person).await?, call, view).await?;
        Ok(self.bound(planned, person))
    }

    async fn apply(
        &self,
        plan: &Plan,
        key: &Key,
        hears: Option<&Arc<dyn Hears>>,
    ) -> Result<Receipt, Failure> {
        let server = self.of_plan(plan).await?;
        plan::apply(&server, plan, key.id(), hears).await
    }

    async fn settle(&self, _: &Plan, key: &Key) -> Settled {
        // MCP has no way to ask a server what became of a call.
        match self.server.done.get(key.id()) {
            Some(receipt) => Settled::Applied(receipt),
            None => Settled::Unknown(
                "a server of this kind cannot be asked whether a call was done; look in the system behind it".to_owned(),
            ),
        }
    }

    async fn undo(&self, plan: &Plan, receipt: &Receipt) -> Result<Plan, Failure> {
        let undone = plan::undo(&*self.of_plan(plan).await?, plan, receipt).await?;
        Ok(match people::bound(plan) {
            Some(person) => self.bound(undone, person),
            None => undone,
        })
    }

    async fn reach(&self) {
        // What comes of it is told by `inspect`. Where each person has their own, nobody is there to ask as.
        if !self.acts_for_people() {
            let _ = self.server.upstream.listing().await;
        }
    }

    async fn changed(&self) -> Changed {
        self.server.upstream.changed().await
    }

    async fn inspect(&self) -> Inspection {
        inspect::inspect(&self.server).await
    }

    fn rest(&self) {
        self.server.upstream.rest();
        self.people.rest();
    }

    async fn close(&self) {
        self.people.close().await;
        self.server.upstream.close().await;
    }
}
