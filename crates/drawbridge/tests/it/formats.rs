//! Every format of the sample company, and files that are made to hurt.

use std::{io::Write, path::PathBuf};

use drawbridge_kinds::kinds::documents::extract::Extractor;
use serde_json::json;

use crate::{
    bridge::{Bridge, PROGRAM},
    desk::{Desk, documents, gateway, write},
};

#[tokio::test]
async fn every_format_is_searchable() {
    let bridge = Bridge::start().await;
    for (query, path) in [
        (
            "guard band saw blade",
            "operations/machine-maintenance.pptx",
        ),
        ("complaint lawyer newspaper", "support/complaints.docx"),
        ("wool cloth supplier", "operations/suppliers.xlsx"),
        ("reviews March September", "hr/performance-reviews.odt"),
        ("laptop lost wiped", "handbook/security.pdf"),
        ("fork lifts licence", "operations/warehouse-safety.html"),
        ("price_sek walnut armchair", "sales/price-list.csv"),
        ("upholstery warranty", "support/warranty.txt"),
        (
            "Öland scratch maintenance mode",
            "support/mail/odd request.eml",
        ),
        ("showroom Saturday", "operations/opening-hours.md"),
    ] {
        let answer = bridge
            .call("ingrid", "handbook_search", json!({"query": query}))
            .await;
        assert_eq!(answer["data"]["hits"][0]["path"], path, "{query}: {answer}");
    }
    let list = bridge
        .call("ingrid", "handbook_list", json!({"limit": 200}))
        .await;
    for document in list["data"]["documents"].as_array().unwrap() {
        assert_eq!(document["state"], "ok", "{document}");
    }
}

#[tokio::test]
async fn hostile_files_end_in_a_reason_and_the_next_file_is_read() {
    let extractor = Extractor::new(PathBuf::from(PROGRAM));
    let mut bomb = Vec::new();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(&mut bomb));
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated);
    writer.start_file("content.xml", options).unwrap();
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..300 {
        writer.write_all(&zeros).unwrap();
    }
    writer.finish().unwrap();
    let deep = format!("{}x{}", "<div>".repeat(30_000), "</div>".repeat(30_000));
    let hostile: [(&str, Vec<u8>); 5] = [
        ("bomb.docx", bomb),
        ("cut.pdf", b"%PDF-1.7\n1 0 obj <<".to_vec()),
        ("noise.xlsx", vec![0xff; 10_000]),
        ("noise.pptx", b"PK\x03\x04 and no more".to_vec()),
        ("empty.eml", Vec::new()),
    ];
    for (name, bytes) in hostile {
        let outcome = extractor.extract(name, bytes.into()).await;
        assert!(outcome.is_err(), "{name}: {outcome:?}");
        let good = extractor
            .extract("good.md", "# Good\n\nText".into())
            .await
            .unwrap();
        assert_eq!(good.sections[0].text, "Text");
    }
    // Whether it can be read or not: it must end, and so that the next file is read.
    for (name, bytes) in [
        ("deep.html", deep.into_bytes()),
        ("long.csv", vec![b'a'; 2 << 20]),
        ("nul.txt", vec![0; 10_000]),
    ] {
        let _ = extractor.extract(name, bytes.into()).await;
        assert!(
            extractor
                .extract("good.md", "# Good\n\nText".into())
                .await
                .is_ok(),
            "after {name}"
        );
    }
    let front = extractor
        .extract("bad.md", "---\nlabel: [\n---\n# X".into())
        .await
        .unwrap();
    assert!(front.front_error.is_some());
    extractor.rest().await;
}

/// A container with some parts.
fn container(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(&mut bytes));
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in parts {
        writer.start_file(*name, options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
    bytes
}

fn docx(document: &str) -> Vec<u8> {
    container(&[
        (
            "[Content_Types].xml",
            r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>"#,
        ),
        (
            "_rels/.rels",
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>"#,
        ),
        ("word/document.xml", document),
    ])
}

fn xlsx(sheet: &str) -> Vec<u8> {
    container(&[
        (
            "[Content_Types].xml",
            r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#,
        ),
        (
            "_rels/.rels",
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#,
        ),
        (
            "xl/workbook.xml",
            r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>"#,
        ),
        (
            "xl/_rels/workbook.xml.rels",
            r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#,
        ),
        ("xl/worksheets/sheet1.xml", sheet),
    ])
}

/// Entities that grow tenfold with each level, and one that names a file of this machine.
fn laughs(element: &str) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY l0 \"lollol\"><!ENTITY file SYSTEM \"file:///etc/passwd\">",
    );
    for level in 1..10 {
        let inner = format!("&l{};", level - 1).repeat(10);
        text.push_str(&format!("<!ENTITY l{level} \"{inner}\">"));
    }
    format!("{text}]>{}", element.replace('@', "&l9;&file;"))
}

/// Files that are made to hurt.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let word = "<w:document xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><w:body>@</w:body></w:document>";
    let paragraph = "<w:p><w:r><w:t>@</w:t></w:r></w:p>";
    let odt = "<office:document-content><text:p>@</text:p></office:document-content>";
    let sheet = "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>@</sheetData></worksheet>";
    let cell = |at: &str| {
        format!("<row r=\"1048576\"><c r=\"{at}\" t=\"inlineStr\"><is><t>x</t></is></c></row>")
    };
    let deep =
        |open: &str, close: &str, times| format!("{}x{}", open.repeat(times), close.repeat(times));
    let entries: Vec<String> = (0..10_050).map(|number| format!("e{number}")).collect();
    let entries: Vec<(&str, &str)> = entries.iter().map(|name| (name.as_str(), "")).collect();
    let inner = docx(&word.replace('@', paragraph));
    let mut mail = String::from("Subject: nested\r\n");
    for level in 0..3_000 {
        mail.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"
        ));
    }
    let loops = "%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[2 0 R]/Count 1/Parent 2 0 R>>endobj\ntrailer<</Root 1 0 R/Prev 0>>\nstartxref\n0\n%%EOF";
    let mut objects = String::from("%PDF-1.7\n");
    for number in 1..20_000 {
        objects.push_str(&format!("{number} 0 obj[{} 0 R]endobj\n", number + 1));
    }
    let first = cell("A1").replace("1048576", "1");
    vec![
        ("laughs.docx", docx(&laughs(&word.replace('@', paragraph)))),
        ("laughs.odt", container(&[("content.xml", &laughs(odt))])),
        (
            "laughs.xlsx",
            xlsx(&laughs(&sheet.replace(
                '@',
                "<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>@</t></is></c></row>",
            ))),
        ),
        (
            "laughs.html",
            laughs("<html><body>@</body></html>").into_bytes(),
        ),
        (
            "huge.xlsx",
            xlsx(&sheet.replace('@', &format!("{first}{}", cell("XFD1048576")))),
        ),
        (
            "deep.docx",
            docx(&word.replace('@', &deep("<w:p><w:r>", "</w:r></w:p>", 20_000))),
        ),
        (
            "deep.odt",
            container(&[(
                "content.xml",
                &odt.replace('@', &deep("<text:span>", "</text:span>", 50_000)),
            )]),
        ),
        (
            "deep.html",
            deep("<div><blockquote>", "</blockquote></div>", 300).into_bytes(),
        ),
        ("deep.md", deep("> [", "](", 20_000).into_bytes()),
        ("entries.docx", container(&entries)),
        (
            "nested.docx",
            container(&[("word/document.xml", &String::from_utf8_lossy(&inner))]),
        ),
        ("loop.pdf", loops.into()),
        ("objects.pdf", objects.into_bytes()),
        ("cut.pdf", b"%PDF-1.7\n1 0 obj <<".to_vec()),
        ("polyglot.pdf", inner.clone()),
        ("polyglot.docx", b"%PDF-1.7\nMZ\x90<html><script>".to_vec()),
        ("noise.xlsx", vec![0xff; 10_000]),
        ("nested.eml", mail.into_bytes()),
        ("wide.csv", vec![b','; 200_000]),
        ("line.csv", vec![b'a'; 1 << 20]),
        (
            "front.md",
            format!("---\na: &a [x]\n{}---\nx", "b: [*a,*a,*a]\n".repeat(500)).into_bytes(),
        ),
        (
            "anchors.md",
            format!(
                "---\n{}---\nx",
                (1..30)
                    .map(|n| format!("k{n}: &k{n} [*k{},*k{}]\n", n - 1, n - 1))
                    .collect::<String>()
            )
            .into_bytes(),
        ),
        ("nul.txt", vec![0; 10_000]),
        ("empty.eml", Vec::new()),
    ]
}

#[tokio::test]
async fn hostile_files_end_in_a_reason_and_do_not_stop_the_sync() {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("documents");
    let hostile = hostile();
    for (name, bytes) in &hostile {
        write(&folder, name, bytes);
    }
    write(&folder, "good.md", "# Good\n\nheron");
    let file = documents(
        ", rescan_every: 1h",
        "label: internal",
        "{who: [everyone], may: [read, search]}",
    );
    let desk = Desk::open(keep.path(), &gateway("  ann: {name: Ann}\n"), &file).await;
    let began = std::time::Instant::now();
    desk.until("the sync does not end", |inspection| {
        inspection.synced.is_some() && inspection.progress.is_none()
    })
    .await;
    println!("{} hostile files: {:?}", hostile.len(), began.elapsed());
    let found = desk.ask("ann", "search", json!({"query": "heron"})).await;
    assert_eq!(found["data"]["hits"][0]["path"], "good.md");
    let inspection = desk.connector.inspect().await;
    let list = desk.ask("ann", "list", json!({"limit": 200})).await;
    for (name, _) in &hostile {
        let problem = inspection
            .problems
            .iter()
            .find(|problem| problem.path == *name);
        let documents = list["data"]["documents"].as_array().unwrap();
        let document = documents.iter().find(|document| document["path"] == *name);
        assert!(
            problem.is_some() || document.is_some(),
            "{name} is skipped in silence"
        );
        let read = desk.ask("ann", "read", json!({"path": name})).await;
        let length = read["data"]["length"].as_u64().unwrap_or_default();
        assert!(length < 3 << 20, "{name}: {length} characters");
        assert!(!read.to_string().contains("root:"), "{name}");
        println!(
            "{name}: {}",
            problem.map_or("a document", |problem| &problem.reason)
        );
    }
}

/// Files that name the label `restricted`, each in another way, and whether it can be read.
const SPELLINGS: &[(&str, &str, bool)] = &[
    (
        "plain.html",
        r#"<meta name="label" content="restricted">"#,
        true,
    ),
    (
        "turned.html",
        r#"<meta content="restricted" name="label">"#,
        true,
    ),
    (
        "single.html",
        "<meta name='label' content='restricted'/>",
        true,
    ),
    ("bare.html", "<meta name=label content=restricted>", true),
    (
        "upper.html",
        r#"<META NAME="Label" CONTENT="restricted">"#,
        true,
    ),
    (
        "more.html",
        r#"<meta id="a" name="label" data-x='>' content="restricted" lang=en>"#,
        true,
    ),
    (
        "lines.html",
        "<meta\n  name = \"label\"\n\tcontent = \" restricted \"\n>",
        true,
    ),
    (
        "entities.html",
        r#"<meta name="&#108;abel" content="restricte&#x64;">"#,
        true,
    ),
    (
        "body.html",
        r#"</head><body><p>x<meta name="label" content="restricted">"#,
        true,
    ),
    (
        "two.html",
        r#"<meta name="label" content="public"><meta name="label" content="restricted"><meta name=label content=public>"#,
        true,
    ),
    (
        "script.html",
        r#"<script>"<meta name='label' content='public'>"</script><meta name=label content=restricted>"#,
        true,
    ),
    (
        "twice.html",
        r#"<meta name="label" content="public" content="restricted">"#,
        false,
    ),
    (
        "none.html",
        r#"<meta name="label" value="restricted">"#,
        false,
    ),
    (
        "open.html",
        r#"<meta name="label" content="restricted""#,
        false,
    ),
    (
        "unquoted.html",
        r#"<meta name="label" content="restricted><p>x</p>"#,
        false,
    ),
    (
        "word.html",
        r#"<meta name="label" content="Restricted!">"#,
        false,
    ),
    ("plain.md", "---\nlabel: restricted\n---\nx", true),
    ("case.md", "---\nLabel: restricted\n---\nx", true),
    ("upper.md", "---\n\"LABEL \": \"restricted \"\n---\nx", true),
    ("blank.md", "\n \n---\nlabel: restricted\n---\nx", true),
    (
        "mark.md",
        "\u{feff}\n\u{feff}---\nlabel: restricted\n---\nx",
        true,
    ),
    ("windows.txt", "---\r\nlabel: restricted\r\n---\r\nx", true),
    ("old.md", "---\rlabel: restricted\r---\rx", true),
    ("dots.md", "---   \n{label: restricted}\n...\nx", true),
    ("open.md", "---\nlabel: restricted\n\nx", false),
    ("list.md", "---\nlabel: [restricted]\n---\nx", false),
    ("empty.md", "---\nlabel:\n---\nx", false),
    (
        "twice.md",
        "---\nlabel: restricted\nlabel: public\n---\nx",
        false,
    ),
    (
        "cases.md",
        "---\nLabel: public\nlabel: restricted\n---\nx",
        false,
    ),
    ("toml.md", "+++\nlabel = \"restricted\"\n+++\nx", false),
    ("bare.md", "Title: x\nLabel: restricted\n\nx", false),
    (
        "below.md",
        "# Title\n\n---\nlabel: restricted\n---\nx",
        false,
    ),
    ("wide.md", "-\0-\0-\0\n\0l\0a\0b\0e\0l\0:\0r\0\n\0", false),
];

#[tokio::test]
async fn no_spelling_of_a_label_makes_a_document_less_sensitive_than_it_says() {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("documents");
    for (name, text, _) in SPELLINGS {
        write(&folder, name, text);
    }
    write(&folder, "none.md", "# None\n\nThe label: of a bottle\n");
    let grant = "{who: [everyone], may: [read, search]}";
    let file = documents(", rescan_every: 1h", "label: public", grant);
    let desk = Desk::open(keep.path(), &gateway("  ann: {name: Ann}\n"), &file).await;
    let readable = SPELLINGS.iter().filter(|(_, _, readable)| *readable);
    desk.until("it does not sync", |inspection| {
        inspection.synced.is_some() && inspection.progress.is_none()
    })
    .await;
    let inspection = desk.connector.inspect().await;
    let list = desk.ask("ann", "list", json!({"limit": 200})).await;
    let list = list["data"]["documents"].as_array().unwrap();
    for (name, text, readable) in SPELLINGS {
        let mut problems = inspection.problems.iter();
        let problem = problems.find(|problem| problem.path == *name);
        let document = list.iter().find(|document| document["path"] == *name);
        let label = document.map(|document| document["label"].clone());
        let wanted = readable.then(|| json!("restricted"));
        assert_eq!(label, wanted, "{name}: {text:?}: {problem:?}");
        assert_eq!(problem.is_none(), *readable, "{name}: {problem:?}");
    }
    assert_eq!(
        list.len(),
        readable.count() + 1,
        "the one without a label is there"
    );
}

#[tokio::test]
async fn a_mail_whose_attachment_is_not_read_says_that_it_is_not_whole() {
    let keep = tempfile::tempdir().unwrap();
    let mail = "From: a@acme.example\r\nSubject: Heron\r\nMIME-Version: 1.0\r\n\
                Content-Type: multipart/mixed; boundary=b\r\n\r\n\
                --b\r\nContent-Type: text/plain\r\n\r\nSee the heron.\r\n\
                --b\r\nContent-Type: application/pdf; name=heron.pdf\r\n\
                Content-Disposition: attachment; filename=heron.pdf\r\n\r\nPDF\r\n--b--\r\n";
    write(&keep.path().join("documents"), "heron.eml", mail);
    let grant = "{who: [everyone], may: [read, search]}";
    let file = documents(", rescan_every: 1h", "label: public", grant);
    let desk = Desk::open(keep.path(), &gateway("  ann: {name: Ann}\n"), &file).await;
    desk.synced(1).await;
    let list = desk.ask("ann", "list", json!({})).await;
    let listed = &list["data"]["documents"][0];
    assert_eq!(listed["state"], "partial", "{list}");
    assert_eq!(listed["reason"], "1 attachment not read");
    let read = desk.ask("ann", "read", json!({"path": "heron.eml"})).await;
    let missing = read["missing"][0].as_str().unwrap();
    assert!(missing.contains("1 attachment"), "{read}");
}
