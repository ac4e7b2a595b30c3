//! One server after the other: drafted, started once to ask what it offers, its secret sealed, its file written.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use drawbridge_core::{
    connector::{Kind, Proposal},
    credential::Credential,
    file::GatewayFile,
    secret::Secret,
};
use serde_json::{Map, Value, json};

use super::{
    apply,
    draft::{self, Draft},
    expand::{Text, Values},
    grants::{self, Bounds},
    names::{self, Name},
    places::Place,
    report,
    sealer::{Held, Sealer},
    secrets::Hush,
    server,
    settings::Entry,
};
use crate::{cli::connector, workspace::Workspace};

/// The label of what imported servers answer, until a person says otherwise.
const LABEL: &str = "confidential";

/// What became of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Imported,
    /// It would be, if files were written.
    Found,
    /// There was a connector for it before.
    Already,
    /// Its client does not use it, or it is this gateway.
    Off,
    LeftOut,
}

/// A server, and what became of it.
pub(super) struct Outcome {
    pub(super) place: Place,
    pub(super) entry: Entry,
    pub(super) state: State,
    /// The connector's name.
    pub(super) connector: Option<String>,
    /// Why it was left out.
    pub(super) why: Option<String>,
    /// What it could do, and what it was given.
    pub(super) report: Value,
}

impl Outcome {
    /// More to tell of it.
    fn extend(&mut self, more: impl IntoIterator<Item = (String, Value)>) {
        if let Some(report) = self.report.as_object_mut() {
            report.extend(more);
        }
    }
}

/// A server that has a connector by now.
struct Brought {
    system: Map<String, Value>,
    secret: Option<Secret<String>>,
    connector: String,
}

/// The import as it goes on.
pub(super) struct Bring<'a> {
    workspace: &'a Workspace,
    gateway: &'a GatewayFile,
    kind: &'static dyn Kind,
    bounds: Bounds,
    inputs: BTreeMap<String, Text>,
    dry_run: bool,
    /// What was brought so far, so that the same server of two clients is one connector.
    brought: Vec<Brought>,
    sealer: Option<Sealer>,
}

impl<'a> Bring<'a> {
    pub(super) fn new(
        (workspace, gateway): (&'a Workspace, &'a GatewayFile),
        (bounds, inputs): (Bounds, BTreeMap<String, Text>),
        dry_run: bool,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            workspace,
            gateway,
            kind: connector::kind_of("mcp")?,
            bounds,
            inputs,
            dry_run,
            brought: Vec::new(),
            sealer: None,
        })
    }

    pub(super) async fn close(self) {
        if let Some(sealer) = self.sealer {
            sealer.close().await;
        }
    }

    /// Brings one server.
    pub(super) async fn one(
        &mut self,
        place: &Place,
        entry: &Entry,
        person: Option<&str>,
    ) -> Outcome {
        let mut outcome = Outcome {
            place: place.clone(),
            entry: entry.clone(),
            state: State::LeftOut,
            connector: None,
            why: None,
            report: json!({}),
        };
        if entry.off || starts_this(&entry.value) || reaches_this(&entry.value, self.gateway) {
            outcome.state = State::Off;
            return outcome;
        }
        let brought = match self.drafted(place, entry) {
            Ok(draft) => {
                let brought = self.draft(&draft, &mut outcome, person).await;
                let hush = Hush(&draft.hushed);
                outcome.report = hush.value(&outcome.report);
                brought.map_err(|error| hush.text(&format!("{error:#}")))
            }
            Err(why) => Err(why),
        };
        match brought {
            Ok(state) => outcome.state = state,
            Err(why) => outcome.why = Some(why),
        }
        outcome
    }

    fn drafted(&self, place: &Place, entry: &Entry) -> Result<Draft, String> {
        let project = entry.project().or_else(|| place.project.clone());
        let values = Values {
            home: &self.bounds.home,
            project: project.clone(),
            variable: &crate::cli::variable,
            inputs: &self.inputs,
        };
        let server = server::read(&entry.value, &values)?;
        draft::draft(server, project.as_deref(), &self.bounds)
    }

    async fn draft(
        &mut self,
        draft: &Draft,
        outcome: &mut Outcome,
        person: Option<&str>,
    ) -> anyhow::Result<State> {
        outcome.report = report::given(draft);
        if let Some(name) = self.same(draft) {
            outcome.connector = Some(name);
            return Ok(if self.dry_run {
                State::Found
            } else {
                State::Already
            });
        }
        let chosen = self.choose(draft, &outcome.entry.name)?;
        let (Name::New(name) | Name::Known(name)) = &chosen;
        let brought = Brought {
            system: draft.system.clone(),
            secret: draft.secret.clone(),
            connector: name.clone(),
        };
        if matches!(chosen, Name::Known(_)) {
            outcome.connector = Some(name.clone());
            self.brought.push(brought);
            outcome.extend([("notes".to_owned(), json!(report::uncompared(draft)))]);
            return Ok(State::Already);
        }
        if !outcome.place.is_wanted() {
            anyhow::bail!(
                "it stands in a file of this folder, which may have come with the folder, so that it was not started; \
                 look at what it would run, and name the file if you want it: `drawbridge import {}`",
                outcome.place.path.display()
            );
        }
        let proposal = self.asked(draft, name).await?;
        outcome.extend(report::offered(&proposal));
        let task = format!(
            "to be said: imported from {}, where it is `{}`",
            report::from(&outcome.place),
            outcome.entry.name
        );
        let credential = self.credential(draft, name, person).await?;
        let text = connector::file(
            self.gateway,
            (self.kind, name, &task),
            credential.as_deref(),
            (&draft.system, &proposal),
        )?;
        outcome.connector = Some(name.clone());
        if self.dry_run {
            self.brought.push(brought);
            return Ok(State::Found);
        }
        self.kept((name, &text), (draft, credential.as_deref()), &task)
            .await?;
        if let Some(credential) = credential {
            outcome.extend([("credential".to_owned(), json!(credential))]);
        }
        self.brought.push(brought);
        Ok(State::Imported)
    }

    /// Keeps the secret and writes the file, or neither.
    async fn kept(
        &mut self,
        (name, text): (&str, &str),
        (draft, credential): (&Draft, Option<&str>),
        why: &str,
    ) -> anyhow::Result<()> {
        let sealed = credential.zip(draft.secret.as_ref());
        if let (Some((credential, secret)), Some(sealer)) = (sealed, &mut self.sealer) {
            sealer.seal(credential, secret, why).await?;
        }
        let Err(error) = self.write(name, text) else {
            return Ok(());
        };
        if let (Some(credential), Some(sealer)) = (credential, &self.sealer) {
            sealer.forget(credential).await;
        }
        Err(error.context(format!("`connectors/{name}.yaml` cannot be written")))
    }

    /// What the server offers: it is started once, with its secret, which is not kept yet.
    async fn asked(&self, draft: &Draft, name: &str) -> anyhow::Result<Proposal> {
        let part = connector::part((self.kind, self.gateway), &draft.system, LABEL)?;
        let secret = draft.secret.clone();
        let held = secret.map(|secret| Arc::new(Held(secret)) as Arc<dyn Credential>);
        let asked = connector::asked(
            self.workspace,
            self.gateway,
            (self.kind, name),
            (&part, held),
        );
        let proposal = asked.await;
        let proposal = proposal.map_err(|error| report::hinted(error, &draft.system))?;
        if Hush(&draft.hushed).is_in(&format!("{} {}", proposal.target, proposal.scope)) {
            anyhow::bail!(
                "what its server says of itself holds its secret, which would stand in the file; its maker must mend that"
            );
        }
        Ok(proposal)
    }

    /// The connector that this server became a moment ago. What it is granted is no difference: what
    /// it wrote meanwhile may be granted now.
    fn same(&self, draft: &Draft) -> Option<String> {
        let bare = |system: &Map<String, Value>| {
            let mut bare = system.clone();
            bare.shift_remove("files");
            bare
        };
        let bared = bare(&draft.system);
        let secret = draft.secret.as_ref().map(Secret::expose);
        let mut brought = self.brought.iter();
        let found = brought.find(|one| {
            bare(&one.system) == bared && one.secret.as_ref().map(Secret::expose) == secret
        });
        found.map(|one| one.connector.clone())
    }

    fn choose(&self, draft: &Draft, wanted: &str) -> anyhow::Result<Name> {
        let taken = |name: &str| self.brought.iter().any(|one| one.connector == name);
        names::choose(
            &self.connectors(),
            (wanted, &draft.system, draft.secret.is_some()),
            &taken,
        )
        .map_err(anyhow::Error::msg)
    }

    fn connectors(&self) -> PathBuf {
        self.workspace.folder().join("connectors")
    }

    /// The name of a credential that is free, where one is needed.
    async fn credential(
        &mut self,
        draft: &Draft,
        name: &str,
        person: Option<&str>,
    ) -> anyhow::Result<Option<String>> {
        if draft.secret.is_none() {
            return Ok(None);
        }
        if self.dry_run {
            return Ok(Some(name.to_owned()));
        }
        let sealer = match self.sealer.take() {
            Some(sealer) => sealer,
            None => Sealer::new(self.workspace, self.gateway, person).await?,
        };
        Ok(self.sealer.insert(sealer).free(name))
    }

    /// Writes a new file; nothing is ever overwritten, nor a link followed.
    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let folder = self.connectors();
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{name}.yaml"));
        Ok(apply::place(&path, text.as_bytes(), 0o644)?)
    }
}

/// Whether an entry starts this gateway: what `--apply` wrote.
pub(super) fn starts_this(value: &Value) -> bool {
    let command = value.get("command").and_then(Value::as_str);
    let command = command.unwrap_or_default();
    let own = std::env::current_exe().is_ok_and(|own| own == Path::new(command));
    let arguments = value.get("args").and_then(Value::as_array);
    let speaks = |word: &Value| word.as_str() == Some("stdio");
    (own || grants::base(command) == "drawbridge")
        && arguments.is_some_and(|words| words.iter().any(speaks))
}

/// Whether an entry reaches this gateway by its address.
fn reaches_this(value: &Value, gateway: &GatewayFile) -> bool {
    let url = value.get("url").and_then(Value::as_str).unwrap_or_default();
    let path = url.strip_prefix(&gateway.own_address());
    path.is_some_and(|path| path == "/mcp" || path.starts_with("/mcp/"))
}
