//! Documents that are to be changed: what may be asked for, and what nobody becomes less sensitive by.

use std::{fs, path::Path};

use drawbridge_core::{
    answer::{Failure, Status},
    plan::Plan,
};
use serde_json::{Value, json};

use crate::{
    acting::firm::{ANN, AUTO, Firm, PATIENCE},
    desk::{Desk, documents, gateway, write},
};

const PEOPLE: &str = "  ann: {name: Ann, groups: [all]}\n  bob: {name: Bob}\n";
const POWERS: &str = "read, search, draft, write, update, delete";

/// Ann sees everything, Bob what is public.
async fn desk(folder: &Path) -> Desk {
    let files = folder.join("documents");
    fs::create_dir_all(files.join("notes")).unwrap();
    for (path, text) in [
        ("open.md", "# Open\n\nfor all\n"),
        (
            "closed.md",
            "---\nlabel: confidential\n---\n# Closed\n\nfor some\n",
        ),
        (
            "page.html",
            "<meta name=\"label\" content=\"restricted\"><p>for few</p>",
        ),
        ("hr/leave.md", "# Leave\n\nthirty days\n"),
        (
            "team.md",
            "---\ndepartment: sales\nstatus: final\n---\nours\n",
        ),
        ("broken.md", "---\nlabel: [\n---\nnobody can tell\n"),
        ("out/a.md", "out of scope"),
        ("fixed/a.md", "not to be written"),
    ] {
        write(&files, path, text);
    }
    write(
        &files,
        "old.txt",
        b"caf\xe9 au lait, tr\xe8s bon".as_slice(),
    );
    let grants = format!(
        "{{who: [\"group:all\"], may: [{POWERS}]}}, {{who: [everyone], may: [{POWERS}], only: {{label: public}}}}"
    );
    let scope = "label: public, exclude: [\"out/**\"], writable: [\"*\", \"hr/**\", \"notes/**\", \"out/**\"], \
                 folders: [{path: \"hr/**\", label: confidential, department: hr}]";
    let file = documents(", rescan_every: 1s", scope, &grants);
    let file = file.replace("access: [read, search]", &format!("access: [{POWERS}]"));
    Desk::open(folder, &gateway(PEOPLE), &file).await
}

fn label(plan: &Plan) -> &str {
    plan.targets[0].facets["label"].as_str()
}

#[tokio::test]
async fn nothing_becomes_less_sensitive_by_what_is_written_into_it() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path()).await;
    let whole = |path: &str, text: &str| json!({"path": path, "content": text});
    let piece = |path: &str, old: &str, new: &str| json!({"path": path, "replace": [{"old": old, "new": new}]});
    let denied = Err(Status::Denied);
    let invalid = Err(Status::Invalid);
    for (person, action, arguments, expected) in [
        // What was said of it is left out, replaced, or said where it does not count.
        ("ann", "update", whole("closed.md", "# Closed\n"), denied),
        ("ann", "draft", whole("closed.md", "# Closed\n"), denied),
        (
            "ann",
            "update",
            whole("closed.md", "---\nlabel: public\n---\n# Closed\n"),
            denied,
        ),
        (
            "ann",
            "update",
            whole("closed.md", "# Closed\n\nlabel: confidential\n"),
            denied,
        ),
        (
            "ann",
            "update",
            whole("closed.md", "text\n---\nlabel: confidential\n---\n"),
            invalid,
        ),
        (
            "ann",
            "update",
            piece("closed.md", "label: confidential", "label: internal"),
            denied,
        ),
        (
            "ann",
            "update",
            piece("closed.md", "---\nlabel: confidential\n---\n", ""),
            denied,
        ),
        (
            "ann",
            "update",
            whole("page.html", "<p>for few</p>"),
            denied,
        ),
        (
            "ann",
            "update",
            whole(
                "page.html",
                "<!-- <meta name=\"label\" content=\"restricted\"> --><p>x</p>",
            ),
            denied,
        ),
        (
            "ann",
            "update",
            piece("page.html", "restricted", "public"),
            denied,
        ),
        // Nobody could tell.
        (
            "ann",
            "update",
            whole("closed.md", "---\nlabel: [\n---\n"),
            invalid,
        ),
        (
            "ann",
            "update",
            whole("closed.md", "---\nlabel: secretish\n---\n"),
            invalid,
        ),
        (
            "ann",
            "update",
            whole("closed.md", "---\nlabel: {is: public}\n---\n"),
            invalid,
        ),
        (
            "ann",
            "update",
            whole("closed.md", "---\nlabel: confidential\n"),
            invalid,
        ),
        (
            "ann",
            "write",
            whole("notes/a.md", "---\nlabel: secretish\n---\n"),
            invalid,
        ),
        // Nobody could tell before, either: it is not there.
        (
            "ann",
            "update",
            whole("broken.md", "# mended\n"),
            Err(Status::NotFound),
        ),
        (
            "ann",
            "delete",
            json!({"path": "broken.md"}),
            Err(Status::NotFound),
        ),
        // As sensitive, or more: for those who may see it.
        (
            "ann",
            "update",
            piece("closed.md", "for some", "for others"),
            Ok("confidential"),
        ),
        (
            "ann",
            "update",
            whole("closed.md", "---\nlabel: restricted\n---\n"),
            Ok("restricted"),
        ),
        (
            "ann",
            "update",
            whole("open.md", "---\nlabel: restricted\n---\n"),
            Ok("restricted"),
        ),
        (
            "ann",
            "delete",
            json!({"path": "page.html"}),
            Ok("restricted"),
        ),
        (
            "bob",
            "update",
            whole("open.md", "# Open\n\nchanged\n"),
            Ok("public"),
        ),
        (
            "bob",
            "update",
            whole("open.md", "---\nlabel: restricted\n---\n"),
            denied,
        ),
        (
            "bob",
            "write",
            whole("notes/a.md", "---\nlabel: internal\n---\n"),
            denied,
        ),
        // The folder says it, whatever the text says.
        (
            "ann",
            "write",
            whole("hr/pay.md", "---\nlabel: public\n---\n"),
            Ok("confidential"),
        ),
        (
            "ann",
            "update",
            whole("hr/leave.md", "---\nlabel: public\n---\n"),
            Ok("confidential"),
        ),
        (
            "bob",
            "write",
            whole("hr/pay.md", "---\nlabel: public\n---\n"),
            denied,
        ),
        // What is hidden from Bob is not there for him, and what he would create is his own.
        (
            "bob",
            "update",
            whole("closed.md", "mine"),
            Err(Status::NotFound),
        ),
        ("bob", "write", whole("closed.md", "mine"), Ok("public")),
        (
            "ann",
            "write",
            whole("closed.md", "mine"),
            Err(Status::Conflict),
        ),
    ] {
        let planned = desk.plan(person, action, arguments.clone()).await;
        let found = planned
            .as_ref()
            .map(label)
            .map_err(|failure| failure.status);
        assert_eq!(
            found, expected,
            "{person} {action} {arguments}: {planned:?}"
        );
    }
    // In a batch one is enough.
    let both = json!({"documents": [
        {"path": "closed.md", "content": "# Closed\n"}, {"path": "open.md", "content": "# Opened\n"},
    ]});
    let failure = desk.plan("ann", "update", both).await.unwrap_err();
    assert_eq!(failure.status, Status::Denied);
}

/// A gate that lets documents of one department through sees none that came from another.
#[tokio::test]
async fn what_becomes_another_is_no_longer_said_of_a_target() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path()).await;
    let facets = async |text: &str| {
        let arguments = json!({"path": "team.md", "content": text});
        let plan = desk.plan("ann", "update", arguments).await.unwrap();
        let target = plan.targets[0].facets.clone();
        ["department", "status"].map(|name| target.get(name).cloned().unwrap_or_default())
    };
    for (text, department, status) in [
        (
            "---\ndepartment: sales\nstatus: final\n---\nmore\n",
            "sales",
            "final",
        ),
        ("---\ndepartment: hr\nstatus: final\n---\n", "", "final"),
        (
            "---\ndepartment: sales\nstatus: obsolete\n---\n",
            "sales",
            "",
        ),
        ("no front matter\n", "", ""),
    ] {
        assert_eq!(facets(text).await, [department, status], "{text}");
    }
}

#[tokio::test]
async fn no_path_leads_where_nothing_may_be_written() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path()).await;
    let long = format!("notes/{}.md", "a".repeat(198));
    let deep = format!("notes/{}a.md", "a/".repeat(250));
    let bad = [
        "",
        ".",
        "..",
        "/",
        "//",
        "../a.md",
        "notes/../../a.md",
        "notes/../open.md",
        "./open.md",
        "notes/./a.md",
        "/etc/passwd.md",
        "//open.md",
        "notes//a.md",
        "notes/",
        "notes/a.md/",
        "~/a.md/..",
        "C:\\a.md",
        "notes\\a.md",
        "..\\a.md",
        "\\\\host\\share\\a.md",
        ".hidden.md",
        "notes/.a.md",
        ".drawbridge-x-0.md",
        ".drawbridge/a.md",
        ".git/hooks/a.md",
        " open.md",
        "open.md ",
        "notes /a.md",
        "notes/ a.md",
        "\u{a0}open.md",
        "a\u{3000}b.md",
        "a\nb.md",
        "a\tb.md",
        "a\0b.md",
        "a\u{7f}.md",
        "a\u{85}.md",
        "a\u{202e}dm.exe.md",
        "a\u{200b}.md",
        "a\u{feff}.md",
        "a\u{ad}.md",
        "a\u{2066}.md",
        "a\u{61c}.md",
        "a\u{fffd}.md",
        "a\u{3164}.md",
        "a\u{e0041}.md",
        "a\u{fe0f}.md",
        "cafe\u{301}.md",
        "A\u{30a}.md",
        "\u{212b}.md",
        "a",
        "a.exe",
        "a.md.exe",
        "a.pdf",
        "a.docx",
        "a.eml",
        "a.md\0.exe",
        "a.sh",
        "a.json",
        "out/a.md",
        "out/new.md",
        "fixed/a.md",
        "fixed/new.md",
        "elsewhere/a.md",
        "notes.txt/../a.md",
        &long,
        &deep,
    ];
    for path in bad {
        for (action, arguments) in [
            ("write", json!({"path": path, "content": "x"})),
            ("draft", json!({"path": path, "content": "x"})),
            ("update", json!({"path": path, "content": "x"})),
            ("delete", json!({"path": path})),
            ("delete", json!({"paths": ["open.md", path]})),
        ] {
            let planned = desk.plan("ann", action, arguments).await;
            let status = planned.map_err(|failure| failure.status);
            assert_eq!(status.unwrap_err(), Status::Invalid, "{action} {path:?}");
        }
    }
    for good in [
        "new.md",
        "notes/2026-02 plan.md",
        "notes/Überblick.txt",
        "名前.csv",
        "a.html",
    ] {
        let arguments = json!({"path": good, "content": "x"});
        let planned = desk.plan("ann", "write", arguments).await;
        assert_eq!(planned.unwrap().targets[0].resource, good);
    }
}

#[tokio::test]
async fn what_is_asked_for_is_what_is_planned() {
    let keep = tempfile::tempdir().unwrap();
    let desk = desk(keep.path()).await;
    let sentence = async |action: &str, arguments: Value| {
        let plan = desk.plan("ann", action, arguments).await;
        plan.map(|plan| plan.sentence)
            .map_err(|failure: Failure| failure.message)
    };
    let replace =
        |old: &str| json!({"path": "open.md", "replace": [{"old": old, "new": "for you\nand me"}]});
    let many: Vec<String> = (0..101).map(|number| format!("{number}.md")).collect();
    for (action, arguments, told) in [
        (
            "update",
            replace("for all"),
            Ok("Change open.md (2 lines in the place of 1)"),
        ),
        (
            "write",
            json!({"path": "new.md", "content": "a\n+b\n-c\n"}),
            Ok("Create new.md (3 lines more)"),
        ),
        (
            "delete",
            json!({"path": "open.md"}),
            Ok("Delete open.md (3 lines less)"),
        ),
        (
            "delete",
            json!({"paths": ["open.md", "hr/leave.md"]}),
            Ok("Delete 2 documents: hr/leave.md, open.md"),
        ),
        (
            "update",
            replace("nobody"),
            Err("`replace/0/old`: `open.md` does not say this; read it again"),
        ),
        (
            "update",
            replace("l"),
            Err("`replace/0/old`: `open.md` says this more than once"),
        ),
        (
            "update",
            json!({"path": "open.md", "content": "# Open\n\nfor all\n"}),
            Err("says that already"),
        ),
        (
            "update",
            json!({"path": "old.txt", "content": "x"}),
            Err("`old.txt` is not encoded as UTF-8"),
        ),
        (
            "delete",
            json!({"path": "old.txt"}),
            Err("`old.txt` is not encoded as UTF-8"),
        ),
        (
            "delete",
            json!({"paths": ["open.md", "open.md"]}),
            Err("`open.md` stands there twice"),
        ),
        ("delete", json!({"paths": many}), Err("at most 100")),
        (
            "write",
            json!({"path": "new.md", "content": "x".repeat((1 << 20) + 1)}),
            Err("at most 1048576"),
        ),
    ] {
        let found = sentence(action, arguments.clone()).await;
        match (&found, told) {
            (Ok(found), Ok(told)) => assert_eq!(found, told),
            (Err(found), Err(told)) => assert!(found.contains(told), "{found}"),
            _ => panic!("{action} {arguments}: {found:?}"),
        }
    }
    // A draft is what it will be when it is sent on.
    for (path, action) in [("open.md", "update"), ("new.md", "write")] {
        let arguments = json!({"path": path, "content": "x"});
        let draft = desk.plan("ann", "draft", arguments.clone()).await.unwrap();
        assert_eq!(draft, desk.plan("ann", action, arguments).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_one_plan_is_found_at_once_and_taken_back_whole() {
    let firm = Firm::on("sqlite", AUTO).await;
    let open = firm.open().await;
    let (ai, ann) = (open.client(&firm, ANN, "claude"), open.person(&firm, ANN));
    fs::create_dir(firm.notes().join("talks")).unwrap();
    let document = |path: &str| json!({"path": path, "content": "about lapwings\n"});
    let answer = ai
        .call(
            "notes_write",
            json!({"documents": [document("a.md"), document("talks/b.md")]}),
        )
        .await;
    assert_eq!(answer["status"], "ok", "{answer:#}");
    assert_eq!(answer["data"]["targets"].as_array().unwrap().len(), 2);
    let end = std::time::Instant::now() + PATIENCE;
    loop {
        let found = ai.call("notes_search", json!({"query": "lapwings"})).await;
        if found["data"]["total"] == 2 {
            break;
        }
        assert!(std::time::Instant::now() < end, "{found:#}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    // One that is no longer as planned, or whose folder is not there: none is changed.
    for (path, status) in [("a.md", "conflict"), ("nowhere/c.md", "invalid")] {
        let answer = ai
            .call(
                "notes_write",
                json!({"documents": [document("new.md"), document(path)]}),
            )
            .await;
        assert_eq!(answer["status"], status, "{answer:#}");
        assert_eq!(firm.says("new.md"), None);
    }
    let id = answer["plan"]["id"].as_str().unwrap();
    let back = ann
        .post("/undo", json!({"call": id, "reason": "a mistake"}))
        .await;
    let back = back["data"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{back:#}"))
        .to_owned();
    ann.until(&back, &["applied"]).await;
    let left = fs::read_dir(firm.notes()).unwrap().count();
    assert_eq!(
        (
            left,
            fs::read_dir(firm.notes().join("talks")).unwrap().count()
        ),
        (1, 0)
    );
}
