//! What a kind must be: the contract between the gateway and one sort of system.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{
    answer::{Failure, Found},
    call::{Action, Call, Power},
    credential::Credential,
    decide::{Resource, View},
    exchange::Hears,
    file::{Change, Fault, Labels},
    log::{Key, Seal},
    plan::{Plan, Receipt, Settled},
};

/// A sort of system a connector can reach, such as `documents`. Stateless, one value per kind.
///
/// A kind never sees a token, decides a permission, writes a record or talks to a person.
#[async_trait]
pub trait Kind: Send + Sync {
    /// The word in `system.kind`.
    fn name(&self) -> &'static str;

    /// One sentence for help pages and documentation.
    fn summary(&self) -> &'static str;

    /// The powers its actions can have. `access` may name no others.
    fn powers(&self) -> &'static [Power];

    /// JSON Schemas (objects with `properties`) of this kind's part of the file.
    fn schema(&self) -> Schema;

    /// What a permission can narrow by, and what a policy can read of a resource.
    fn facets(&self) -> &'static [Facet];

    /// The actions a connector with this file offers. The gateway keeps those whose power is in
    /// the file's `access`.
    fn actions(&self, part: &Part) -> Vec<Action>;

    /// What is wrong with the part, beyond its schema, without reaching the target.
    fn check(&self, part: &Part, labels: &Labels) -> Vec<Fault>;

    /// How `new` differs from `old`, apart from what the core compares for every kind.
    fn compare(&self, old: &Part, new: &Part, labels: &Labels) -> Vec<Change>;

    /// Whether a connector with this part acts in its target for the person who asks. The file says so
    /// too, as `identity.acts_for`, and is refused where the two differ.
    fn acts_for_person(&self, part: &Part) -> ForPerson {
        let _ = part;
        ForPerson::Never
    }

    /// What the connector's account must be given in the target to do what the file says, and no more:
    /// a script in the target's own language, or words where it has none. It holds no secret. None
    /// where the target knows no accounts with rights of their own.
    ///
    /// # Errors
    /// [`crate::answer::Status::Unavailable`] when the part cannot be understood.
    fn grants(&self, part: &Part) -> Result<Option<String>, Failure> {
        let _ = part;
        Ok(None)
    }

    /// Of actions that are done to the same thing with every call, by their names: what that is. A caller
    /// who may not use one on that is not offered it. Of others, the arguments tell.
    fn always(&self, part: &Part) -> BTreeMap<String, Resource> {
        let _ = part;
        BTreeMap::new()
    }

    /// Of actions whose plans show what other actions answer, by their names: those others, each of them
    /// always done to the same thing. What a caller may not ask for themselves, [`View::shows`] keeps from
    /// their plans.
    fn shows(&self, part: &Part) -> BTreeMap<String, Vec<String>> {
        let _ = part;
        BTreeMap::new()
    }

    /// Under which names of its scope stand the things that calls name: people are shown which of them are used.
    fn reaches(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether its connectors keep a copy of documents, of which people want to know how fresh it is and
    /// what of it could not be read.
    fn holds_documents(&self) -> bool {
        false
    }

    /// What in the part a reviewer should look at twice, though it is valid.
    fn doubts(&self, part: &Part) -> Vec<Fault> {
        let _ = part;
        Vec::new()
    }

    /// What a file could say of a target: asked with a part that says where it is, and perhaps more. What
    /// the part says already stays as it is. Changes nothing.
    ///
    /// # Errors
    /// [`crate::answer::Status::Invalid`] for a kind that proposes nothing, and whatever keeps the
    /// target from being asked.
    async fn propose(&self, part: &Part, context: Context) -> Result<Proposal, Failure> {
        let _ = (part, context);
        let told = format!(
            "a connector of the kind `{}` is written by hand; `drawbridge schema` has its form",
            self.name()
        );
        Err(Failure::invalid(told))
    }

    /// Opens the connector. Returns once it can answer, not once it holds everything: a long first
    /// sync goes on in the background and is told by [`Connector::inspect`].
    ///
    /// # Errors
    /// [`crate::answer::Status::Unavailable`] when the target cannot be reached.
    async fn open(&self, part: &Part, context: Context) -> Result<Arc<dyn Connector>, Failure>;
}

/// The governed bridge to one system, at one revision of its file.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Reads or searches. Whatever the view does not admit goes into the query, not out of the
    /// result: the answer is the same, byte for byte, whether or not it exists.
    async fn fetch(&self, call: &Call, view: &View) -> Result<Found, Failure>;

    /// Works out what a draft or an effect would do, and changes nothing. What the view does not
    /// admit is answered as though it did not exist. The same call on the same target makes the
    /// same plan, to the byte. A draft's plan names the action that sends it on, and that action
    /// takes the same arguments.
    async fn plan(&self, call: &Call, view: &View) -> Result<Plan, Failure> {
        let _ = (call, view);
        Err(changes_nothing())
    }

    /// Does exactly the plan, once: the same key again changes nothing more and gives the receipt
    /// again. Whether the targets still are as the plan says is checked in the same step that
    /// changes them: if one is not, nothing is changed and the status is `conflict`. Whoever waits for
    /// it hears how far it has come.
    ///
    /// # Errors
    /// Any status but `unknown` promises that nothing was changed and nothing will be.
    async fn apply(
        &self,
        plan: &Plan,
        key: &Key,
        hears: Option<&Arc<dyn Hears>>,
    ) -> Result<Receipt, Failure> {
        let _ = (plan, key, hears);
        Err(changes_nothing())
    }

    /// Looks in the target whether a plan that was begun was applied. What was left half done is
    /// taken back or brought to its end, so that the answer stays true; an `apply` of it that was cut
    /// off and still works here is waited for, or kept from beginning.
    async fn settle(&self, plan: &Plan, key: &Key) -> Settled {
        let _ = (plan, key);
        Settled::NotApplied
    }

    /// Works out the inverse of an applied plan, and changes nothing.
    ///
    /// # Errors
    /// `conflict` when a target is no longer as the effect left it; `invalid` when there is no
    /// inverse, with the reason.
    async fn undo(&self, plan: &Plan, receipt: &Receipt) -> Result<Plan, Failure> {
        let _ = (plan, receipt);
        Err(changes_nothing())
    }

    /// Reaches the target, if that is put off until it is needed: so that [`Connector::inspect`] can
    /// tell how it is. Asked where a person looks, never at intervals.
    async fn reach(&self) {}

    /// Returns when the target says that what it offers changed: a hint for clients to ask again. Never,
    /// where it does not say so.
    async fn changed(&self) -> Changed {
        std::future::pending().await
    }

    /// Health, freshness, and what the account can really do.
    async fn inspect(&self) -> Inspection;

    /// Lets go of what runs for it, because nobody may use it: it was paused or retired. The next call takes
    /// it up again. It does not wait.
    fn rest(&self) {}

    /// Stops background work and joins it. A call that runs afterwards fails as unavailable.
    async fn close(&self);
}

fn changes_nothing() -> Failure {
    Failure::invalid("a connector of this kind changes nothing")
}

/// Whether a connector acts in its target for the person who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForPerson {
    /// Its target cannot be told who asks.
    Never,
    /// It could, and its part does not say how: what is to be added, in words.
    Unsaid(&'static str),
    /// Its part says how, in this place of the file, as a JSON pointer.
    Said(&'static str),
    /// Its target knows the person by the credential alone: with `acts_for: person` each has their own,
    /// from [`crate::credential::Credential::of_person`].
    ByCredential,
}

/// Names of actions that answer MCP's own questions of resources, prompts and completion. A kind that has
/// such things gives its actions these names; at the door of its connector alone, clients may then ask in
/// MCP's words, too. What they find is what MCP writes, so that it leaves as it is.
pub mod native {
    /// `resources/list` and `resources/templates/list`: takes `cursor`, finds `resources`, `templates`,
    /// and `cursor` where there are more.
    pub const LIST_RESOURCES: &str = "list_resources";
    /// `resources/read`: takes `uri`, finds `contents`.
    pub const READ_RESOURCE: &str = "read_resource";
    /// `prompts/list`: finds `prompts`.
    pub const LIST_PROMPTS: &str = "list_prompts";
    /// `prompts/get`: takes `name` and `arguments`, finds `messages`, and maybe `description`.
    pub const GET_PROMPT: &str = "get_prompt";
    /// `completion/complete`: takes `ref`, `argument` and `context`, finds `completion`.
    pub const COMPLETE: &str = "complete";
    /// All of them.
    pub const ALL: [&str; 5] = [
        LIST_RESOURCES,
        READ_RESOURCE,
        LIST_PROMPTS,
        GET_PROMPT,
        COMPLETE,
    ];
}

/// What of a target changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// Its operations.
    Actions,
    /// Its prompts.
    Prompts,
}

/// What a file could say of a target.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// What the target calls itself.
    pub target: String,
    /// The keys of `scope` that were worked out.
    pub scope: Value,
    /// The powers that its actions need.
    pub powers: BTreeSet<Power>,
    /// What a person should know of it, each a sentence: why it is as it is, and what to look at.
    pub notes: Vec<String>,
}

/// JSON Schemas of a kind's own keys under `system` and `scope`.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The keys beside `kind`, `limits`, `stale_after` and `when_stale`, which every kind has.
    pub system: Value,
    /// The whole of `scope`.
    pub scope: Value,
}

/// A kind's own part of the connector file.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// `system` without the keys every kind has.
    pub system: Value,
    /// `scope`.
    pub scope: Value,
    /// How old data may be before it is called stale: `system.stale_after`.
    pub stale_after: Option<std::time::Duration>,
    /// What happens then: `system.when_stale`.
    pub when_stale: crate::file::WhenStale,
    /// What the connector may have to do: the powers in `access`, and those that take effects back
    /// where `recovery.undo` lets them be taken back.
    pub powers: BTreeSet<Power>,
}

/// A property of a resource, by which permissions narrow and which policies can read.
#[derive(Debug, Clone, Copy)]
pub struct Facet {
    /// The word in `permissions[].only` and in Cedar (`resource.department`).
    pub name: &'static str,
    /// Its meaning, for the schema and the documentation.
    pub meaning: &'static str,
}

/// The facet every kind has: the sensitivity of a resource. Ordered, never absent.
pub const LABEL: &str = "label";

/// The folder in the workspace for what the gateway itself keeps: its store, keys, what is derived. No
/// connector reaches it.
pub const STATE: &str = ".drawbridge";

/// What the gateway lends a connector.
#[derive(Clone)]
pub struct Context {
    /// The connector's name.
    pub connector: Arc<str>,
    /// The folder that holds `drawbridge.yaml`: relative paths in the file start here.
    pub workspace: PathBuf,
    /// A folder of the connector's own for what it derives (an index, a cache). It may be thrown
    /// away at any time, and survives a restart when it is not.
    pub state: PathBuf,
    /// The labels of this gateway, in order.
    pub labels: Arc<Labels>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Makes cursors that only this gateway can have made.
    pub seal: Seal,
    /// How to start this program as a confined child: its path; the kind adds the arguments.
    pub program: PathBuf,
    /// What proves `identity.account` to the target; none where the file names no credential.
    pub credential: Option<Arc<dyn Credential>>,
}

/// The time, handed in so that tests can set it.
pub trait Clock: Send + Sync {
    /// Now, by the wall clock.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment, by a clock that never goes back.
    fn monotonic(&self) -> std::time::Duration;
}

/// What is true of a connector at this moment.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    /// Whether it can answer.
    pub health: Health,
    /// One sentence that says how it is.
    pub summary: String,
    /// When it last saw the whole of what the target holds.
    pub synced: Option<Timestamp>,
    /// What the first or current sync has done, while it runs.
    pub progress: Option<Progress>,
    /// How many resources are in reach.
    pub resources: u64,
    /// What is there and cannot be offered, with the reason. At most [`Inspection::MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How many problems there are in all.
    pub problem_count: u64,
    /// How many resources have each label, where the connector knows without asking the target.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, u64>,
    /// What the account can do in the target beyond what the file claims.
    pub excess: Vec<String>,
}

impl Inspection {
    /// The most problems an inspection lists.
    pub const MAX_PROBLEMS: usize = 1_000;
}

/// Whether a connector can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It answers from all it should hold.
    Ready,
    /// It answers, and its first sync is not complete.
    Syncing,
    /// It answers, and something is wrong: the summary says what.
    Degraded,
    /// It cannot answer.
    Down,
}

/// How far a sync has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Resources handled.
    pub done: u64,
    /// Resources listed so far.
    pub total: u64,
}

/// A resource that is there and is not offered, or not wholly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its name in the target.
    pub path: String,
    /// Why.
    pub reason: String,
    /// How to mend it. Problems that are mended alike have the same words here.
    pub mend: String,
}
