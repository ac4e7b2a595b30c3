//! The key that secrets are sealed with: where it is, and what happens when it is another one, gone,
//! or when somebody changes what was sealed.

use std::os::unix::fs::PermissionsExt;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{change, mode, piped, said, set, show, sites};
use crate::gate::{GATEWAY, Site};

fn problem(site: &Site, name: &str) -> String {
    let known = show(site, name);
    assert_eq!(known["in_force"], json!([]), "{known}");
    known["problem"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_was_changed_in_the_store_is_refused() {
    for (engine, site) in sites(GATEWAY).await {
        for name in ["crm", "erp"] {
            set(&site, name, &format!("{name} one"));
            set(&site, name, &format!("{name} two"));
        }
        let swapped = |from: (&str, u32), to: (&str, u32)| {
            format!(
                "UPDATE credential_versions SET sealed = (SELECT sealed FROM credential_versions \
                 WHERE name = '{}' AND version = '{}') WHERE name = '{}' AND version = '{}'",
                from.0, from.1, to.0, to.1
            )
        };
        let all = "UPDATE credential_versions SET sealed = ";
        for statement in [
            // Another credential's, and the old one in the new one's place.
            swapped(("erp", 2), ("crm", 2)),
            swapped(("crm", 1), ("crm", 2)),
            // A later version's number, or another name, on what was sealed for this one.
            "UPDATE credential_versions SET version = '9' WHERE name = 'crm' AND version = '2'"
                .to_owned(),
            "UPDATE credential_versions SET name = 'crm', version = '9', number = 9 \
             WHERE name = 'erp' AND version = '2'"
                .to_owned(),
        ] {
            let keep = "CREATE TABLE kept AS SELECT * FROM credential_versions";
            change(&site, keep).await;
            change(&site, &statement).await;
            let why = problem(&site, "crm");
            assert!(
                why.contains("is not what was sealed"),
                "{engine} {statement}: {why}"
            );
            assert!(why.contains("drawbridge secret set crm"), "{why}");
            change(&site, "DELETE FROM credential_versions").await;
            let back = "INSERT INTO credential_versions SELECT * FROM kept";
            change(&site, back).await;
            change(&site, "DROP TABLE kept").await;
        }
        let bytes = match engine {
            "sqlite" => [
                "substr(sealed, 1, 20)",
                "x''",
                "CAST(iif(substr(sealed, 1, 1) = x'00', x'01', x'00') || substr(sealed, 2) AS BLOB)",
            ],
            _ => [
                "substring(sealed from 1 for 20)",
                "''::bytea",
                "set_byte(sealed, 30, (get_byte(sealed, 30) + 1) % 256)",
            ],
        };
        assert_eq!(
            show(&site, "crm")["in_force"],
            json!(["2", "1"]),
            "{engine}"
        );
        for changed in bytes {
            let only = "WHERE name = 'crm' AND version = '2'";
            change(
                &site,
                "CREATE TABLE kept AS SELECT * FROM credential_versions",
            )
            .await;
            change(&site, &format!("{all}{changed} {only}")).await;
            let why = problem(&site, "crm");
            assert!(
                why.contains("is not what was sealed"),
                "{engine} {changed}: {why}"
            );
            change(&site, "DELETE FROM credential_versions").await;
            change(&site, "INSERT INTO credential_versions SELECT * FROM kept").await;
            change(&site, "DROP TABLE kept").await;
        }
        assert_eq!(
            show(&site, "erp")["in_force"],
            json!(["2", "1"]),
            "{engine}"
        );
    }
}

#[tokio::test]
async fn another_key_and_none_are_told_with_what_to_do() {
    for (engine, site) in sites(GATEWAY).await {
        set(&site, "crm", "first");
        let key = site.path(".drawbridge/keys/sealing");
        let right = std::fs::read(&key).unwrap();
        assert_eq!(right.len(), 32);

        std::fs::remove_file(&key).unwrap();
        let why = problem(&site, "crm");
        assert!(
            why.contains("bring it there from a backup"),
            "{engine}: {why}"
        );
        let lost = piped(&site, &["secret", "set", "crm"], b"second");
        assert!(
            said(&lost).contains("bring it there from a backup"),
            "{lost:?}"
        );
        assert!(!key.exists(), "no other key is made in its place");

        std::fs::write(&key, b"short").unwrap();
        assert!(problem(&site, "crm").contains("holds no key"), "{engine}");
        std::fs::write(&key, [7; 32]).unwrap();
        let why = problem(&site, "crm");
        assert!(
            why.contains("is sealed with another key"),
            "{engine}: {why}"
        );
        let other = piped(&site, &["secret", "set", "erp"], b"second");
        assert!(
            said(&other).contains("sealed with another key"),
            "{other:?}"
        );

        // Lost for good: a key is made, and each secret is set anew.
        std::fs::remove_file(&key).unwrap();
        let anew = ["secret", "set", "crm", "--new-key", "--reason", "lost"];
        let done = piped(&site, &anew, b"second");
        assert!(done.status.success(), "{engine}: {done:?}");
        assert_eq!(mode(&key), 0o600);
        assert_eq!(show(&site, "crm")["in_force"], json!(["2"]), "{engine}");
        // The old key is found after all: both of the old one's versions open again, not the new.
        std::fs::write(&key, &right).unwrap();
        assert_eq!(show(&site, "crm")["in_force"], json!(["1"]), "{engine}");
    }
}

/// What `secret show` tells with this variable set.
fn shown_with(site: &Site, value: &str) -> Value {
    let mut command = site.command(&["--json", "secret", "show", "crm"]);
    let output = command.env("SEALING", value).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn the_key_may_be_in_a_file_a_variable_or_the_keyring() {
    let site = Site::new(&format!("{GATEWAY}sealing_key: env:SEALING\n"));
    let bare = piped(&site, &["secret", "set", "crm"], b"secret");
    assert!(said(&bare).contains("is not at `env:SEALING`"), "{bare:?}");
    let key = STANDARD.encode([9; 32]);
    let mut command = site.command(&["secret", "set", "crm"]);
    let mut child = command
        .env("SEALING", &key)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"secret").unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(shown_with(&site, &key)["data"]["in_force"], json!(["1"]));
    assert!(!site.path(".drawbridge/keys/sealing").exists());
    let wrong = shown_with(&site, "short")["data"].to_string();
    assert!(wrong.contains("`env:SEALING` holds no key"), "{wrong}");

    site.write("sealing", &format!("{key}\n"));
    std::fs::set_permissions(site.path("sealing"), PermissionsExt::from_mode(0o600)).unwrap();
    site.write(
        "drawbridge.yaml",
        &format!("{GATEWAY}sealing_key: file:sealing\n"),
    );
    assert_eq!(show(&site, "crm")["in_force"], json!(["1"]));
    site.write(
        "drawbridge.yaml",
        &format!("{GATEWAY}sealing_key: file:gone\n"),
    );
    assert!(problem(&site, "crm").contains("gone"));

    let name = format!("drawbridge-{}", uuid::Uuid::now_v7().simple());
    site.write(
        "drawbridge.yaml",
        &format!("{GATEWAY}sealing_key: keyring:{name}\n"),
    );
    assert!(problem(&site, "crm").contains(&format!("is not at `keyring:{name}`")));
    // In a session of its own, so that no key stays on this machine.
    let script = format!(
        "import ctypes, subprocess, sys\n\
         libc = ctypes.CDLL(None, use_errno=True)\n\
         add, keyctl = {}\n\
         libc.syscall(keyctl, 1, None)\n\
         made = libc.syscall(add, b'user', b'{name}', bytes([9] * 32), 32, ctypes.c_int(-3))\n\
         assert made > 0, ctypes.get_errno()\n\
         subprocess.run(sys.argv[1:])\n",
        if cfg!(target_arch = "x86_64") {
            "248, 250"
        } else {
            "217, 219"
        }
    );
    let output = std::process::Command::new("python3")
        .args(["-c", &script, crate::bridge::PROGRAM, "--json", "--dir"])
        .arg(site.path(""))
        .args(["secret", "show", "crm"])
        .output()
        .unwrap();
    let known: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(known["data"]["in_force"], json!(["1"]), "{output:?}");
}
