//! How much is done over when one of many connectors changes: counted, not timed.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use drawbridge_core::{
    answer::Failure,
    call::{Action, Power},
    connector::{Connector, Context, Facet, Part, Schema},
    decide::Resource,
    file::{Change, Fault, Labels},
    lifecycle::State,
    log::Log,
    way,
};
use drawbridge_kinds::kinds::KINDS;

use super::*;
use crate::{
    app::new_id,
    clock::SystemClock,
    keys::Keys,
    store::{self, Place, Review},
};

const MANY: usize = 40;

/// The kind `documents`, which counts what it is asked for.
struct Counted {
    forms: AtomicUsize,
    checks: AtomicUsize,
    compared: AtomicUsize,
    compiled: AtomicUsize,
    opened: AtomicUsize,
}

static COUNTED: Counted = Counted {
    forms: AtomicUsize::new(0),
    checks: AtomicUsize::new(0),
    compared: AtomicUsize::new(0),
    compiled: AtomicUsize::new(0),
    opened: AtomicUsize::new(0),
};
static COUNTED_KINDS: &[&'static dyn Kind] = &[&COUNTED];

impl Counted {
    fn real(&self) -> &'static dyn Kind {
        let mut kinds = KINDS.iter().copied();
        kinds.find(|kind| kind.name() == self.name()).unwrap()
    }

    /// Forms, files, comparisons and rules since it was last asked.
    fn taken(&self) -> [usize; 4] {
        [&self.forms, &self.checks, &self.compared, &self.compiled]
            .map(|count| count.swap(0, Ordering::SeqCst))
    }
}

#[async_trait]
impl Kind for Counted {
    fn name(&self) -> &'static str {
        "documents"
    }

    fn summary(&self) -> &'static str {
        self.real().summary()
    }

    fn powers(&self) -> &'static [Power] {
        self.real().powers()
    }

    fn schema(&self) -> Schema {
        self.forms.fetch_add(1, Ordering::SeqCst);
        self.real().schema()
    }

    fn facets(&self) -> &'static [Facet] {
        self.real().facets()
    }

    fn actions(&self, part: &Part) -> Vec<Action> {
        self.real().actions(part)
    }

    fn check(&self, part: &Part, labels: &Labels) -> Vec<Fault> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        self.real().check(part, labels)
    }

    fn compare(&self, old: &Part, new: &Part, labels: &Labels) -> Vec<Change> {
        self.compared.fetch_add(1, Ordering::SeqCst);
        self.real().compare(old, new, labels)
    }

    fn always(&self, part: &Part) -> BTreeMap<String, Resource> {
        self.compiled.fetch_add(1, Ordering::SeqCst);
        self.real().always(part)
    }

    async fn open(&self, part: &Part, context: Context) -> Result<Arc<dyn Connector>, Failure> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        self.real().open(part, context).await
    }
}

/// A connector's file. Its folder is there, and empty.
fn file(number: usize, permission: &str) -> String {
    format!(
        "connector: c{number}\npurpose: {{task: Look things up, owner: olga@acme.example}}\n\
         system: {{kind: documents, folder: files}}\nscope: {{include: [\"**\"], label: internal}}\n\
         access: [read, search]\nidentity: {{account: gateway}}\npermissions:\n  - {permission}\n"
    )
}

const ONE: &str = "{who: [person:olga@acme.example], may: [read]}";
const ALL: &str = "{who: [everyone], may: [read]}";

fn write(folder: &Path, number: usize, permission: &str) {
    let path = folder.join(format!("connectors/c{number}.yaml"));
    std::fs::write(path, file(number, permission)).unwrap();
}

async fn opened(folder: &Path) -> (Connectors, Store) {
    let workspace = Workspace::new(folder.to_owned());
    let gateway = workspace.read().gateway.unwrap();
    let state = workspace.state();
    let keys = Keys::open(&state, &gateway.gateway).unwrap();
    let place = Place::Sqlite(state.join("store.db"));
    let store = Store::open(&place).await.unwrap();
    let journal = store.journal(keys.signer, state.join("checkpoint"));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let lent = way::Lent {
        clock: clock.clone(),
        digests: Seal::new(b"a secret", "digest"),
        plans: Arc::new(store.clone()),
        ids: new_id,
        gateway: "test".into(),
    };
    let credentials = Credentials::new(
        (folder.to_owned(), state),
        (store.clone(), clock.clone()),
        (|_| None, b"a secret"),
    );
    let lent = Lent {
        program: PathBuf::from("/nowhere"),
        seal: Seal::new(b"a secret", "cursor"),
        clock,
        way: way::Way::new(Log::new(journal), lent),
        credentials: Arc::new(credentials),
    };
    let connectors = Connectors::open(workspace, store.clone(), COUNTED_KINDS, lent).await;
    (connectors.unwrap(), store)
}

/// What the operation does, once it is on the log.
async fn approve(connectors: &Connectors, store: &Store, name: &str) {
    let snapshot = connectors.snapshot();
    let waiting = snapshot.connectors[name].waiting.as_ref().unwrap();
    let (by, at, reason) = ("olga@acme.example", connectors.clock.now(), "as agreed");
    let standing = store::Standing {
        connector: name.to_owned(),
        state: State::Active,
        by: by.to_owned(),
        at,
        reason: reason.to_owned(),
        active: Some(waiting.hash.clone()),
    };
    let review = Review {
        by: by.to_owned(),
        at,
        reason: reason.to_owned(),
    };
    store.approve_revision(&standing, &review).await.unwrap();
    connectors.reload().await.unwrap();
    assert!(connectors.snapshot().connectors[name].runs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_did_not_change_is_not_understood_again() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = "gateway: acme\naddress: 127.0.0.1:0\noperator: olga@acme.example\n\
                   people: {olga@acme.example: {}}\n";
    std::fs::write(folder.path().join("drawbridge.yaml"), gateway).unwrap();
    for name in ["connectors", "files"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    for number in 0..MANY {
        write(folder.path(), number, ONE);
    }
    let (connectors, store) = opened(folder.path()).await;
    assert_eq!(COUNTED.taken(), [1, MANY, 0, MANY], "each file once");
    for number in 0..MANY {
        approve(&connectors, &store, &format!("c{number}")).await;
    }
    assert_eq!(COUNTED.taken(), [0; 4], "approvals change no file");
    // All wait for a reviewer: each is read and compared once, whatever is approved meanwhile.
    for number in 0..MANY {
        write(folder.path(), number, ALL);
    }
    connectors.reload().await.unwrap();
    let [forms, checks, compared, _] = COUNTED.taken();
    assert_eq!([forms, checks, compared], [0, MANY, MANY]);
    for number in 0..MANY {
        approve(&connectors, &store, &format!("c{number}")).await;
    }
    assert_eq!(COUNTED.taken(), [0, 0, 0, MANY], "each has its new rules");
    // What is reviewed anew is what the store says, of each connector its own.
    let snapshot = connectors.snapshot();
    for mounted in snapshot.connectors.values() {
        let reviewed = mounted.reviewed.as_ref().unwrap();
        assert_eq!(reviewed.by, "olga@acme.example");
        assert!(mounted.waiting.is_none() && mounted.bridge.file.permissions.len() == 1);
    }
    // What a file says hangs on drawbridge.yaml: all are read again when that changes.
    let other = gateway.replace("{}}", "{}, ann@acme.example: {}}");
    std::fs::write(folder.path().join("drawbridge.yaml"), &other).unwrap();
    connectors.reload().await.unwrap();
    let [_, checks, ..] = COUNTED.taken();
    assert_eq!(checks, MANY);
    connectors.reload().await.unwrap();
    assert_eq!(COUNTED.taken(), [0; 4]);
    only_other_labels_open_anew(folder.path(), &connectors, &other).await;
    // And a text that comes back is not taken for one that is there.
    write(folder.path(), 0, ONE);
    connectors.reload().await.unwrap();
    let waiting = connectors.snapshot().connectors["c0"].waiting.clone();
    let who = &waiting.unwrap().file.permissions[0].who;
    assert_eq!(who[0].to_string(), "person:olga@acme.example");
    no_file_is_the_gateway_itself(folder.path(), &connectors, &store).await;
    connectors.close().await;
    store.close().await;
}

/// A connector grades what it finds by the order of labels that it was opened with.
async fn only_other_labels_open_anew(folder: &Path, connectors: &Connectors, gateway: &str) {
    let opened = COUNTED.opened.load(Ordering::SeqCst);
    assert_eq!(opened, MANY, "each is opened once, whatever else changed");
    let other = format!("{gateway}labels: [restricted, internal, public]\n");
    std::fs::write(folder.join("drawbridge.yaml"), other).unwrap();
    connectors.reload().await.unwrap();
    assert_eq!(COUNTED.opened.load(Ordering::SeqCst), 2 * MANY);
    connectors.reload().await.unwrap();
    assert_eq!(COUNTED.opened.load(Ordering::SeqCst), 2 * MANY);
    COUNTED.taken();
}

/// That effects are stopped is kept under its name, and stays.
async fn no_file_is_the_gateway_itself(folder: &Path, connectors: &Connectors, store: &Store) {
    let stopped = store::Standing {
        connector: GATEWAY.to_owned(),
        state: State::Paused,
        by: "olga@acme.example".to_owned(),
        at: connectors.clock.now(),
        reason: "something is odd".to_owned(),
        active: None,
    };
    store.set_standing(&stopped).await.unwrap();
    let text = file(0, ONE).replace("connector: c0", "connector: drawbridge");
    std::fs::write(folder.join("connectors/drawbridge.yaml"), text).unwrap();
    for _ in 0..2 {
        connectors.reload().await.unwrap();
        assert!(connectors.snapshot().halted.is_some());
    }
    assert!(!connectors.snapshot().connectors.contains_key(GATEWAY));
}
