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
mod plan;
mod prompts;
mod propose;
mod resources;
mod results;
mod upstream;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::{Action, Call, Power},
    connector::{
        Changed, Connector, Context, Facet, Inspection, Kind, LABEL, Part, Proposal, Schema,
    },
    decide::{Resource, View},
    file::{Change, Fault, Labels},
    log::Key,
    plan::{Plan, Receipt, Settled},
};
use jiff::Timestamp;

use done::Done;
pub use part::is_secret;
use part::{Own, Scope, Tool};
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
    done: Done,
}

impl Server {
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
        let listing = self.upstream.listing().await.map_err(Trouble::failure)?;
        let same = listing.tools.get(name) == self.own.scope.pinned.tools.get(name);
        withheld((name, same), &listing.twice)
    }

    /// Whether the server says of a prompt by now what was reviewed.
    async fn pinned_prompt(&self, name: &str) -> Result<(), Failure> {
        let listing = self.upstream.listing().await.map_err(Trouble::failure)?;
        let same = listing.prompts.get(name) == self.own.scope.pinned.prompts.get(name);
        withheld((name, same), &listing.twice)
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

fn withheld((name, same): (&str, bool), twice: &[String]) -> Result<(), Failure> {
    if same && !twice.iter().any(|one| one == name) {
        return Ok(());
    }
    let told = format!(
        "`{name}` is no longer what was reviewed, and is withheld until a person has looked at it again; \
         tell whoever keeps the connector to run `drawbridge connector pin`"
    );
    Err(Failure::new(Status::Unavailable, told))
}

#[async_trait]
impl Kind for Mcp {
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

    fn check(&self, part: &Part, labels: &Labels) -> Vec<Fault> {
        part::check(part, labels)
    }

    fn compare(&self, old: &Part, new: &Part, labels: &Labels) -> Vec<Change> {
        part::compare(old, new, labels)
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
        Ok(Arc::new(Bridge(Server {
            own,
            context,
            upstream,
            done: Done::default(),
        })))
    }
}

struct Bridge(Server);

#[async_trait]
impl Connector for Bridge {
    async fn fetch(&self, call: &Call, view: &View) -> Result<Found, Failure> {
        fetch::fetch(&self.0, call, view).await
    }

    async fn plan(&self, call: &Call, view: &View) -> Result<Plan, Failure> {
        plan::plan(&self.0, call, view).await
    }

    async fn apply(&self, plan: &Plan, key: &Key) -> Result<Receipt, Failure> {
        plan::apply(&self.0, plan, key.id()).await
    }

    async fn settle(&self, _: &Plan, key: &Key) -> Settled {
        // MCP has no way to ask a server what became of a call.
        match self.0.done.get(key.id()) {
            Some(receipt) => Settled::Applied(receipt),
            None => Settled::Unknown(
                "a server of this kind cannot be asked whether a call was done; look in the system behind it".to_owned(),
            ),
        }
    }

    async fn undo(&self, plan: &Plan, receipt: &Receipt) -> Result<Plan, Failure> {
        plan::undo(&self.0, plan, receipt).await
    }

    async fn reach(&self) {
        // What comes of it is told by `inspect`.
        let _ = self.0.upstream.listing().await;
    }

    async fn changed(&self) -> Changed {
        self.0.upstream.changed().await
    }

    async fn inspect(&self) -> Inspection {
        inspect::inspect(&self.0).await
    }

    fn rest(&self) {
        self.0.upstream.rest();
    }

    async fn close(&self) {
        self.0.upstream.close().await;
    }
}
