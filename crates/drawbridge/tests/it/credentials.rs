//! Credentials through the command line and the API: sealed, rotated, and never readable anywhere.

mod elsewhere;
mod keys;
mod rotation;
mod vault;

use std::{
    io::Write,
    path::Path,
    process::{Output, Stdio},
};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

use crate::{
    bridge::PROGRAM,
    gate::{GATEWAY, Site, connector, wait_for},
    log::served::database,
};

const ANN: &str = "ann@acme.example";

/// A connector that names a credential.
fn with_credential(name: &str, credential: &str) -> String {
    connector(name).replace(
        "account: gateway",
        &format!("account: gateway, credential: {credential}, rotate_every: 90d"),
    )
}

/// Sites on each engine.
async fn sites(gateway: &str) -> Vec<(&'static str, Site)> {
    let mut served = Site::new(&format!("{gateway}store: env:DRAWBRIDGE_STORE\n"));
    served.store = Some(database().await);
    vec![("sqlite", Site::new(gateway)), ("postgresql", served)]
}

/// Runs a command that reads this from stdin.
fn piped(site: &Site, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = site
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that refuses beforehand does not read it.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn set(site: &Site, name: &str, secret: &str) -> Value {
    let done = piped(site, &["--json", "secret", "set", name], secret.as_bytes());
    assert!(done.status.success(), "{done:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}

fn show(site: &Site, name: &str) -> Value {
    site.json(&["secret", "show", name])["data"].clone()
}

/// Microseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the gateway under test goes by the same clock"
)]
fn now() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A refusal: its exit code, and what it says.
fn refused(site: &Site, arguments: &[&str]) -> (i32, String) {
    let output = site.line(arguments);
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    (output.status.code().unwrap(), said(&output))
}

/// Runs a statement in the store.
async fn change(site: &Site, statement: &str) {
    sqlx::any::install_default_drivers();
    let url = site.store.clone().unwrap_or_else(|| {
        let path = site.path(".drawbridge/drawbridge.db");
        format!("sqlite:{}", path.display())
    });
    let mut store = sqlx::AnyConnection::connect(&url).await.unwrap();
    let statement = AssertSqlSafe(statement.to_owned());
    store.execute(statement).await.unwrap();
    store.close().await.unwrap();
}

/// Everything that is kept: all files of the workspace, and all rows of a store elsewhere.
async fn everything(site: &Site) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![site.path("")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                found.push((path.display().to_string(), bytes));
            }
        }
    }
    let Some(url) = &site.store else { return found };
    let mut store = sqlx::PgConnection::connect(url).await.unwrap();
    let tables =
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    for table in sqlx::query(tables).fetch_all(&mut store).await.unwrap() {
        let table: String = table.get(0);
        let rows = AssertSqlSafe(format!(
            "SELECT encode(convert_to(t::text, 'UTF8'), 'escape') FROM {table} t"
        ));
        for row in sqlx::query(rows).fetch_all(&mut store).await.unwrap() {
            let text: String = row.get(0);
            found.push((table.clone(), text.into_bytes()));
        }
        // Bytes stand in rows in hexadecimal.
        let bodies = "SELECT body FROM records";
        for row in sqlx::query(bodies).fetch_all(&mut store).await.unwrap() {
            found.push(("records".to_owned(), row.get(0)));
        }
    }
    found
}

fn holds(bytes: &[u8], canary: &str) -> bool {
    let hexadecimal = hex::encode(canary);
    [canary.as_bytes(), hexadecimal.as_bytes()]
        .iter()
        .any(|word| bytes.windows(word.len()).any(|part| part == *word))
}

async fn nowhere(site: &Site, canary: &str) {
    let all = everything(site).await;
    assert!(all.len() > 5);
    for (place, bytes) in all {
        assert!(!holds(&bytes, canary), "{place} holds the secret");
    }
}

#[tokio::test]
async fn a_secret_is_set_rotated_retired_and_removed_and_stands_nowhere() {
    for (engine, site) in sites(GATEWAY).await {
        let canary = format!("canary-{engine}-{}", uuid::Uuid::now_v7().simple());
        let long = format!("{canary}\nline two\0{}", "x".repeat(5_000));
        site.write("notes-files/hello.md", "# Hello\n\nlanterns\n");
        site.write("connectors/notes.yaml", &with_credential("notes", "crm"));
        let (code, why) = refused(&site, &["approve-revision", "notes", "--reason", "x"]);
        assert_eq!(code, 1, "{engine}: {why}");
        assert!(
            why.contains("there is no secret for the credential `crm`"),
            "{why}"
        );
        assert!(why.contains("drawbridge secret set crm"), "{why}");

        let first = set(&site, "crm", &long);
        assert_eq!(first["data"]["version"], "1", "{engine}");
        assert!(!first.to_string().contains(&canary), "{engine}");
        let key = site.path(".drawbridge/keys/sealing");
        assert_eq!(mode(&key), 0o600, "{engine}");
        site.ok(&["approve-revision", "notes", "--reason", "x"]);
        let known = show(&site, "crm");
        assert_eq!(known["in_force"], json!(["1"]), "{engine}: {known}");
        assert_eq!(known["used_by"], json!(["notes"]), "{engine}");
        assert_eq!(known["owner"], "olga@acme.example", "{engine}");

        // The gateway that runs already takes it up, and tells no reader more than this.
        let log = site.path("serve.log");
        let mut command = site.command(&["serve"]);
        let file = std::fs::File::create(&log).unwrap();
        let gate = crate::gate::Gate::start(command.stdout(Stdio::piped()).stderr(file));
        let second = set(&site, "crm", &format!("{canary}-second"));
        assert_eq!(
            second["data"],
            json!({"name": "crm", "version": "2", "beside": 1})
        );
        assert_eq!(
            show(&site, "crm")["in_force"],
            json!(["2", "1"]),
            "{engine}"
        );

        let (code, why) = refused(&site, &["secret", "retire", "crm"]);
        assert_eq!(code, 1, "{engine}: {why}");
        assert!(why.contains("no target has let in version 2"), "{why}");
        assert_eq!(refused(&site, &["secret", "retire", "crm", "--force"]).0, 2);
        let bare = ["secret", "retire", "crm", "--force", "--reason", " "];
        assert!(refused(&site, &bare).1.contains("`reason`"));
        let forced = ["secret", "retire", "crm", "--force", "--reason", "leaked"];
        site.ok(&forced);
        assert_eq!(show(&site, "crm")["in_force"], json!(["2"]), "{engine}");
        let (_, why) = refused(&site, &["secret", "retire", "crm"]);
        assert!(why.contains("the only version"), "{why}");
        let (code, why) = refused(&site, &["secret", "remove", "crm", "--reason", "x"]);
        assert_eq!(code, 1, "{engine}: {why}");
        assert!(why.contains("`crm` is used by notes"), "{why}");

        hostile_requests(&site, &gate, &canary).await;
        site.ok(&["retire", "notes", "--reason", "replaced"]);
        site.ok(&["secret", "remove", "crm", "--reason", "no more use"]);
        assert_eq!(refused(&site, &["secret", "show", "crm"]).0, 4, "{engine}");
        // No number is given twice, so that nothing sealed before fits again.
        assert_eq!(
            set(&site, "crm", &canary)["data"]["version"],
            "3",
            "{engine}"
        );

        let records = site.json(&["log", "--limit", "100"]).to_string();
        for told in [
            "set_secret",
            "retire_secret",
            "remove_secret",
            "leaked",
            "no more use",
        ] {
            assert!(records.contains(told), "{engine}: no {told}");
        }
        assert!(!records.contains(&canary), "{engine}");
        site.ok(&["log", "verify"]);
        drop(gate);
        nowhere(&site, &canary).await;
    }
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// What others ask, and bodies that do not fit: nothing happens, and nothing is told of the secret.
async fn hostile_requests(site: &Site, gate: &crate::gate::Gate, canary: &str) {
    let client = site.token("olga@acme.example", "claude");
    let stranger = site.token(ANN, "claude");
    let local = std::fs::read_to_string(site.path(".drawbridge/local-token")).unwrap();
    let url = format!("{}/api/v1/secrets", gate.url);
    let send = async |token: &str, path: &str, body: String| {
        let request = gate.http.post(format!("{url}{path}"));
        let request = request
            .bearer_auth(token.trim())
            .header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let good = json!({"secret": canary, "reason": "x"}).to_string();
    for token in [&client, &stranger] {
        for (path, body) in [
            ("/crm", good.clone()),
            (
                "/crm/retire",
                json!({"force": true, "reason": "x"}).to_string(),
            ),
            ("/crm/remove", json!({"reason": "x"}).to_string()),
        ] {
            let (code, told) = send(token, path, body).await;
            assert_eq!(code, 403, "{path}: {told}");
            assert!(!told.contains(canary), "{told}");
        }
    }
    for body in [
        format!("\"{canary}\""),
        format!("[\"{canary}\"]"),
        format!("{{\"secret\": [\"{canary}\"]}}"),
        format!("{{\"{canary}\": 1}}"),
        format!("{{\"secret\": \"{canary}\", \"secret\": \"{canary}\"}}"),
        format!("{{\"secret\": \"{canary}\", \"force\": true}}"),
        format!("{{\"secret\": \"{canary}\""),
        "{\"secret\": \"\"}".to_owned(),
        "{}".to_owned(),
        json!({"secret": "x".repeat(65_537)}).to_string(),
        json!({"secret": canary, "owner": "nobody@acme.example"}).to_string(),
    ] {
        let (code, told) = send(&local, "/crm", body.clone()).await;
        assert_eq!(code, 400, "{body}: {told}");
        assert!(!told.contains(canary), "{told}");
    }
    for name in ["a%2Fb", "%2e%2e", ".hidden", "a%00b", &"x".repeat(64)] {
        let (code, told) = send(&local, &format!("/{name}"), good.clone()).await;
        assert!(code == 400 || code == 404, "{name}: {code} {told}");
    }
    for path in ["", "/crm"] {
        let get = |token: &str| {
            gate.http
                .get(format!("{url}{path}"))
                .bearer_auth(token.trim())
        };
        for token in [&client, &stranger, &local] {
            let answer = get(token).send().await.unwrap().text().await.unwrap();
            assert!(!answer.contains(canary), "{answer}");
            let seen = answer.contains("olga@acme.example");
            assert_eq!(seen, token != &stranger, "{path}: {answer}");
        }
    }
    assert_eq!(show(site, "crm")["in_force"], json!(["2"]));
}

#[tokio::test]
async fn what_is_set_at_the_same_moment_stands_side_by_side_under_one_key() {
    for (engine, site) in sites(GATEWAY).await {
        // The store is there; its first key is not.
        site.ok(&["tools"]);
        let site = std::sync::Arc::new(site);
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let site = site.clone();
                std::thread::spawn(move || {
                    piped(
                        &site,
                        &["secret", "set", "crm"],
                        format!("secret {number}").as_bytes(),
                    )
                })
            })
            .collect();
        for thread in threads {
            let done = thread.join().unwrap();
            assert!(done.status.success(), "{engine}: {done:?}");
        }
        // All of them are opened here, with the one key there is.
        let known = show(&site, "crm");
        assert_eq!(
            known["in_force"],
            json!(["4", "3", "2", "1"]),
            "{engine}: {known}"
        );
        set(&site, "crm", "fifth");
        let sixth = piped(&site, &["secret", "set", "crm"], b"sixth");
        assert!(
            said(&sixth).contains("5 versions of `crm` are in force"),
            "{sixth:?}"
        );
    }
}

#[test]
fn a_secret_comes_by_stdin_or_by_a_prompt_that_shows_nothing() {
    let site = Site::new(GATEWAY);
    for (input, why) in [
        (&b""[..], "no secret came on stdin"),
        (b"\n", "no secret came on stdin"),
        (b"\xff\xfe", "no UTF-8"),
        (&[b'x'; 65_537], "more than 65536 bytes"),
    ] {
        let done = piped(&site, &["secret", "set", "crm"], input);
        assert_eq!(done.status.code(), Some(2), "{done:?}");
        assert!(said(&done).contains(why), "{done:?}");
    }
    for name in ["../tokens", "a/b", "", "ü"] {
        let done = piped(&site, &["secret", "set", name], b"x");
        assert_eq!(done.status.code(), Some(2), "{name}: {done:?}");
    }
    let most = vec![b'x'; 65_536];
    assert!(
        piped(&site, &["secret", "set", "most"], &most)
            .status
            .success()
    );

    // Another machine's gateway is sent no secret in the open.
    let mut far = site.command(&["secret", "set", "crm"]);
    far.env("DRAWBRIDGE_URL", "http://192.0.2.1:7300");
    far.env("DRAWBRIDGE_TOKEN", "dbr_none");
    let done = far.output().unwrap();
    assert!(said(&done).contains("not protected"), "{done:?}");

    let script = "import os, pty, sys\n\
        def ask(answers):\n\
        \x20   pid, fd = pty.fork()\n\
        \x20   if pid == 0:\n\
        \x20       os.execv(sys.argv[1], sys.argv[1:])\n\
        \x20   seen, left = b'', list(answers)\n\
        \x20   while True:\n\
        \x20       try:\n\
        \x20           got = os.read(fd, 4096)\n\
        \x20       except OSError:\n\
        \x20           break\n\
        \x20       if not got:\n\
        \x20           break\n\
        \x20       seen += got\n\
        \x20       if left and left[0][0] in seen:\n\
        \x20           os.write(fd, left.pop(0)[1])\n\
        \x20   print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen)\n\
        ask([(b'Secret', b'typed-canaryy\\x7f\\r'), (b'again', b'typed-canary\\r')])\n\
        ask([(b'Secret', b'typed-canary\\r'), (b'again', b'another\\r')])\n\
        ask([(b'Secret', b'typed-canary\\x03')])\n";
    let typed = std::process::Command::new("python3")
        .args(["-c", script, PROGRAM, "--dir"])
        .arg(site.path(""))
        .args(["secret", "set", "typed"])
        .output()
        .unwrap();
    let seen = String::from_utf8_lossy(&typed.stdout).into_owned();
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines.len(), 3, "{typed:?}");
    assert!(!seen.contains("canary"), "{seen}");
    assert!(
        lines[0].starts_with("0 ") && lines[0].contains("in force"),
        "{seen}"
    );
    assert!(
        lines[1].starts_with("2 ") && lines[1].contains("two different"),
        "{seen}"
    );
    assert!(
        lines[2].starts_with("2 ") && lines[2].contains("stopped"),
        "{seen}"
    );
    assert_eq!(show(&site, "typed")["in_force"], json!(["1"]));
}

#[tokio::test]
async fn the_checklist_goes_by_what_is_true_of_a_credential() {
    let site = Site::new(&format!(
        "{GATEWAY}credentials:\n  crm: {{owner: bob@acme.example, approved_by: olga@acme.example}}\n"
    ));
    for name in ["notes", "wiki"] {
        site.write(&format!("{name}-files/hello.md"), "# Hello\n\nlanterns\n");
        site.write(
            &format!("connectors/{name}.yaml"),
            &with_credential(name, "crm"),
        );
    }
    let identity = || {
        let checked = site.json(&["check", "notes"]);
        let areas = checked["data"]["connectors"][0]["areas"]
            .as_array()
            .unwrap();
        let area = areas
            .iter()
            .find(|area| area["name"] == "Identity")
            .unwrap();
        area.to_string()
    };
    set(&site, "other", "to have a gateway");
    let told = identity();
    assert!(told.contains("\"red\"") && told.contains("there is no secret for the credential"));
    set(&site, "crm", "first");
    let told = identity();
    assert!(!told.contains("\"red\""), "{told}");
    assert!(
        told.contains("it shares the credential `crm` with wiki"),
        "{told}"
    );
    assert!(
        told.contains("bob@acme.example answers for the credential `crm`"),
        "{told}"
    );
    assert!(
        told.contains("its credential was last replaced on"),
        "{told}"
    );
    site.ok(&["approve-revision", "notes", "--reason", "amber is no red"]);
    let listed = site.ok(&["secret", "list"]);
    assert!(
        listed.contains("crm: several connectors share it"),
        "{listed}"
    );

    // As time passes.
    let day = 86_400_000_000_i64;
    for (days, colour) in [(91, "amber"), (121, "red")] {
        let at = now() - days * day;
        change(
            &site,
            &format!("UPDATE credential_versions SET created = {at}"),
        )
        .await;
        let told = identity();
        assert!(told.contains("and was due on"), "{told}");
        assert!(
            told.contains(&format!("\"colour\":\"{colour}\"")),
            "{colour}: {told}"
        );
    }
    set(&site, "crm", "second");
    let at = now() - 8 * day;
    change(
        &site,
        &format!("UPDATE credential_versions SET created = {at}"),
    )
    .await;
    let told = identity();
    assert!(
        told.contains("several versions of its credential are in force"),
        "{told}"
    );

    // Bob answers for it: he may set it, and see it; Ann may not.
    let bob = ["--person", "bob@acme.example", "secret", "set", "crm"];
    assert!(piped(&site, &bob, b"third").status.success());
    let ann = ["--person", ANN, "secret", "set", "crm"];
    assert_eq!(piped(&site, &ann, b"fourth").status.code(), Some(3));
    let ann = ["--person", ANN, "secret", "show", "crm"];
    assert_eq!(site.line(&ann).status.code(), Some(4));
    wait_for("three are in force", || {
        show(&site, "crm")["in_force"] == json!(["3", "2", "1"])
    })
    .await;
}
