//! Every format of the sample company, and files that are made to hurt.

use std::{io::Write, path::PathBuf};

use drawbridge_kinds::kinds::documents::extract::Extractor;
use serde_json::json;

use crate::bridge::{Bridge, PROGRAM};

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
        ("walnut table 15400", "sales/price-list.csv"),
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
    let deep = format!("{}x{}", "<div>".repeat(200_000), "</div>".repeat(200_000));
    let hostile: [(&str, Vec<u8>); 6] = [
        ("bomb.odt", bomb.clone()),
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
        ("long.csv", vec![b'a'; 20 << 20]),
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
