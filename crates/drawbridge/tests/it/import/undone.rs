//! Clients pointed at the gateway, and back.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::{Desk, said};

fn mode(path: &std::path::Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// JSON without comments at the ends of lines and commas at the ends of lists.
fn strict(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    let text: String = lines.collect();
    let mut strict = String::new();
    for (index, letter) in text.char_indices() {
        let after = text[index + letter.len_utf8()..].trim_start();
        if letter != ',' || !after.starts_with(['}', ']']) {
            strict.push(letter);
        }
    }
    strict
}

/// What is kept of settings, in the gateway's state.
fn kept(desk: &Desk, name: &str) -> std::path::PathBuf {
    let state = desk.site.path(".drawbridge").canonicalize().unwrap();
    state.join("imports").join(name)
}

/// Beside a settings file lies nothing: it would go where its folder goes.
fn alone(file: &std::path::Path) {
    let beside = std::fs::read_dir(file.parent().unwrap()).unwrap();
    let beside: Vec<_> = beside.map(|one| one.unwrap().path()).collect();
    assert_eq!(beside, [file]);
}

#[test]
fn a_client_is_pointed_at_the_gateway_and_back_byte_for_byte() {
    let desk = Desk::new();
    let one = desk.server("one", &json!({"ONE_TOKEN": "hunter2-one"}));
    let two = desk.server("two", &json!({}));
    let text = format!(
        "{{\n\t// a comment\n\t\"servers\" : {{\n\t\t\"one\": {one},\n\t\t\"two\": {two}, // stays\n\t}},\n\t\"inputs\":[ ],\n}}"
    );
    let file = desk.write("project/.vscode/mcp.json", &text);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let output = desk.import(&["--apply", "--only", "one", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", said(&output));
    let new = std::fs::read_to_string(&file).unwrap();
    assert!(
        new.contains("// a comment") && new.contains("// stays") && !new.contains("hunter2"),
        "{new}"
    );
    let kept = kept(&desk, "mcp.json.before-drawbridge");
    assert!(
        said(&output).contains(kept.to_str().unwrap()),
        "{}",
        said(&output)
    );
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), text);
    assert_eq!((mode(&kept), mode(&file)), (0o600, 0o640));
    assert_eq!(mode(kept.parent().unwrap()), 0o700);
    alone(&file);
    let plain = strict(&new);
    let value: Value =
        serde_json::from_str(&plain).unwrap_or_else(|error| panic!("{error}: {plain}"));
    let names: Vec<&String> = value["servers"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["two", "drawbridge"]);
    speaks(&desk, &value["servers"]["drawbridge"]);
    let undone = desk.import(&["--undo"]);
    assert!(undone.status.success(), "{}", said(&undone));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert_eq!(mode(&file), 0o640);
    assert!(!kept.exists());
    let again = desk.import(&["--undo"]);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
}

/// What the client starts is this gateway, for this person.
fn speaks(desk: &Desk, entry: &Value) {
    use std::io::Write;
    desk.site
        .ok(&["approve-revision", "one", "--reason", "reviewed"]);
    let arguments: Vec<&str> = entry["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    let mut child = std::process::Command::new(entry["command"].as_str().unwrap())
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize",
                       "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"});
    for message in [hello, ready, list] {
        writeln!(input, "{message}").unwrap();
    }
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let answer = lines
        .find_map(|line| line.ok().filter(|line| line.contains("\"id\":2")))
        .unwrap();
    drop(input);
    child.wait().unwrap();
    assert!(answer.contains("one_echo"), "{answer}");
}

#[test]
fn settings_that_were_changed_since_stay_unless_that_is_forced() {
    let desk = Desk::new();
    let one = desk.server("one", &json!({}));
    let text = json!({"mcpServers": {"one": one}}).to_string();
    let file = desk.write("home/.cursor/mcp.json", &text);
    std::fs::create_dir_all(desk.site.path(".drawbridge/imports")).unwrap();
    let first = kept(&desk, "mcp.json.before-drawbridge");
    std::fs::write(&first, "an earlier one").unwrap();
    assert!(
        desk.import(&["--client", "cursor", "--apply"])
            .status
            .success()
    );
    let second = kept(&desk, "mcp.json.before-drawbridge-2");
    assert_eq!(std::fs::read_to_string(&first).unwrap(), "an earlier one");
    assert_eq!(std::fs::read_to_string(&second).unwrap(), text);
    // Its client has another server of that name by now.
    let new = std::fs::read_to_string(&file).unwrap();
    let other = "\"mcpServers\":{\"one\":{\"command\":\"other\"},";
    let changed = new.replace("\"mcpServers\":{", other);
    assert_ne!(changed, new);
    std::fs::write(&file, &changed).unwrap();
    let refused = desk.import(&["--undo"]);
    let told = said(&refused);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(
        told.contains("`one` is another") && told.contains("--force"),
        "{told}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), changed);
    let forced = desk.import(&["--undo", "--force", file.to_str().unwrap()]);
    assert!(forced.status.success(), "{}", said(&forced));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let after = kept(&desk, "mcp.json.after-drawbridge");
    assert_eq!(std::fs::read_to_string(&after).unwrap(), changed);
    assert_eq!(mode(&after), 0o600);
    alone(&file);
}

#[test]
fn what_a_client_wrote_since_stays_when_its_servers_are_put_back() {
    let desk = Desk::new();
    let (one, two) = (
        desk.server("one", &json!({"ONE_TOKEN": "hunter2-one"})),
        json!({"command": "no-such-program"}),
    );
    let project = desk.path("project");
    let text = json!({"numStartups": 3, "mcpServers": {"two": two}, "projects": {project.to_str().unwrap(): {"mcpServers": {"one": one}}}});
    let file = desk.write("home/.claude.json", &text.to_string());
    let output = desk.import(&["--apply", "--only", "one"]);
    assert!(output.status.success(), "{}", said(&output));
    // Claude Code counts its starts, and was given a server meanwhile.
    let mut now: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(
        now["projects"][project.to_str().unwrap()]["mcpServers"]["one"],
        Value::Null,
        "{now:#}"
    );
    now["numStartups"] = json!(4);
    now["mcpServers"]["three"] = json!({"command": "three"});
    std::fs::write(&file, now.to_string()).unwrap();
    let undone = desk.import(&["--undo"]);
    assert!(undone.status.success(), "{}", said(&undone));
    let now: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let mut wanted = text.clone();
    wanted["numStartups"] = json!(4);
    wanted["mcpServers"]["three"] = json!({"command": "three"});
    assert_eq!(now, wanted);
    let kept = kept(&desk, ".claude.json.before-drawbridge");
    assert_eq!(std::fs::read_to_string(kept).unwrap(), text.to_string());
    let again = desk.import(&["--undo"]);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
}

#[test]
fn settings_that_are_gone_are_put_back_and_what_was_not_kept_is_told_once() {
    let desk = Desk::new();
    let text = json!({"mcpServers": {"one": desk.server("one", &json!({}))}}).to_string();
    let file = desk.write("home/.cursor/mcp.json", &text);
    assert!(desk.import(&["--apply"]).status.success());
    std::fs::remove_file(&file).unwrap();
    assert!(desk.import(&["--undo"]).status.success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert!(desk.import(&["--apply"]).status.success());
    std::fs::remove_file(kept(&desk, "mcp.json.before-drawbridge")).unwrap();
    let gone = desk.import(&["--undo"]);
    assert_eq!(gone.status.code(), Some(1), "{}", said(&gone));
    assert!(said(&gone).contains("was taken away"), "{}", said(&gone));
    let again = desk.import(&["--undo"]);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
}

#[test]
fn marks_and_line_ends_of_another_system_stay() {
    let desk = Desk::new();
    let (one, two) = (
        desk.server("one", &json!({})),
        json!({"command": "no-such-program"}),
    );
    let text = format!(
        "\u{feff}{{\r\n  // of Windows\r\n  \"mcpServers\": {{\r\n    \"one\": {one},\r\n    \"two\": {two}\r\n  }}\r\n}}\r\n"
    );
    let file = desk.write("home/.cursor/mcp.json", &text);
    let output = desk.import(&["--apply", "--only", "one"]);
    assert!(output.status.success(), "{}", said(&output));
    let new = std::fs::read_to_string(&file).unwrap();
    assert!(
        new.starts_with('\u{feff}') && new.contains("// of Windows"),
        "{new:?}"
    );
    assert!(!new.replace("\r\n", "").contains('\n'), "{new:?}");
    let undone = desk.import(&["--undo"]);
    assert!(undone.status.success(), "{}", said(&undone));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn a_file_that_is_read_only_stays() {
    let desk = Desk::new();
    let text = json!({"mcpServers": {"one": desk.server("one", &json!({}))}}).to_string();
    let file = desk.write("home/.cursor/mcp.json", &text);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
    let (answer, code) = desk.json(&["--apply"]);
    assert_eq!(
        (code, &answer["status"]),
        (1, &json!("partial")),
        "{answer:#}"
    );
    let why = answer["data"]["applied"][0]["why"].as_str().unwrap();
    assert!(why.contains("read-only") && why.contains("chmod"), "{why}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let files = std::fs::read_dir(desk.path("home/.cursor")).unwrap();
    assert_eq!(files.count(), 1);
}

#[test]
fn a_link_is_followed_and_what_was_left_out_stays() {
    let desk = Desk::new();
    let one = desk.server("one", &json!({}));
    let text =
        json!({"mcpServers": {"one": one, "gone": {"command": "no-such-program"}}, "more": [1, 2]})
            .to_string();
    let real = desk.write("dotfiles/cursor.json", &text);
    std::fs::create_dir(desk.path("home/.cursor")).unwrap();
    let link = desk.path("home/.cursor/mcp.json");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let output = desk.import(&["--client", "cursor", "--apply"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(link.symlink_metadata().unwrap().is_symlink());
    let value: Value = serde_json::from_str(&std::fs::read_to_string(&link).unwrap()).unwrap();
    let names: Vec<&String> = value["mcpServers"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["gone", "drawbridge"]);
    assert_eq!(value["more"], json!([1, 2]));
    let undone = desk.import(&["--undo", link.to_str().unwrap()]);
    assert!(undone.status.success(), "{}", said(&undone));
    assert_eq!(std::fs::read_to_string(&real).unwrap(), text);
}

#[test]
fn what_an_earlier_version_kept_beside_a_file_is_put_back() {
    let desk = Desk::new();
    let text = json!({"mcpServers": {"one": desk.server("one", &json!({}))}}).to_string();
    let file = desk.write("project/.mcp.json", &text);
    assert!(desk.import(&["--apply", ".mcp.json"]).status.success());
    let beside = desk.path("project/.mcp.json.before-drawbridge");
    std::fs::rename(kept(&desk, ".mcp.json.before-drawbridge"), &beside).unwrap();
    let records = desk.site.path(".drawbridge/imports.json");
    let mut all: Value = serde_json::from_slice(&std::fs::read(&records).unwrap()).unwrap();
    all[0]["kept"] = json!(beside);
    std::fs::write(&records, all.to_string()).unwrap();
    let undone = desk.import(&["--undo"]);
    assert!(undone.status.success(), "{}", said(&undone));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    alone(&file);
}

#[test]
fn old_settings_are_kept_in_no_folder_of_somebody_else() {
    let desk = Desk::new();
    let text = json!({"mcpServers": {"one": desk.server("one", &json!({}))}}).to_string();
    let file = desk.write("home/.cursor/mcp.json", &text);
    std::fs::create_dir_all(desk.site.path(".drawbridge")).unwrap();
    std::os::unix::fs::symlink(desk.path("data"), desk.site.path(".drawbridge/imports")).unwrap();
    let output = desk.import(&["--apply"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("no folder of this account"),
        "{}",
        said(&output)
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert!(!desk.path("data/mcp.json.before-drawbridge").exists());
}

#[test]
fn what_another_workspace_wrote_stays_and_can_be_put_back_itself() {
    for older in [false, true] {
        let (desk, other) = (Desk::new(), crate::gate::Site::new(crate::gate::GATEWAY));
        let text = json!({"mcpServers": {
            "one": desk.server("one", &json!({})),
            "two": desk.server("two", &json!({})),
        }});
        let file = desk.write("home/.cursor/mcp.json", &text.to_string());
        let in_other = |arguments: &[&str]| {
            let mut command = other.command(arguments);
            command
                .env("HOME", desk.path("home"))
                .env("PATH", "/usr/local/bin:/usr/bin:/bin")
                .env_remove("DRAWBRIDGE_URL")
                .current_dir(desk.path("project"));
            command.output().unwrap()
        };
        let names = || {
            let now: Value =
                serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            let all = now["mcpServers"].as_object().unwrap();
            all.keys().cloned().collect::<Vec<String>>()
        };
        let first = desk.import(&["--apply", "--only", "one"]);
        assert!(first.status.success(), "{}", said(&first));
        let second = in_other(&["import", "--apply", "--only", "two"]);
        assert!(second.status.success(), "{}", said(&second));
        assert_eq!(names(), ["drawbridge", "drawbridge-2"]);
        if older {
            // As a version wrote it that did not remember its entry.
            let records = desk.site.path(".drawbridge/imports.json");
            let mut all: Value = serde_json::from_slice(&std::fs::read(&records).unwrap()).unwrap();
            all[0].as_object_mut().unwrap().remove("entry").unwrap();
            std::fs::write(&records, all.to_string()).unwrap();
        }
        let undone = desk.import(&["--undo"]);
        assert!(undone.status.success(), "{}", said(&undone));
        assert_eq!(names(), ["drawbridge-2", "one"]);
        let undone = in_other(&["import", "--undo"]);
        assert!(undone.status.success(), "{}", said(&undone));
        let now: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(now, text);
    }
}
