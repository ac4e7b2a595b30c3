//! Files that are broken, or that somebody made to do harm.

use super::*;

/// A file: its name, its content, and what is told of it.
type Broken = (&'static str, Vec<u8>, &'static str);

fn broken_texts() -> Vec<Broken> {
    vec![
        ("t.csv", b"".to_vec(), "it has no column `id`"),
        (
            "t.csv",
            b"id,what,what\n".to_vec(),
            "two columns are named `what`",
        ),
        ("t.csv", b"id,,what\n".to_vec(), "column 2 has no name"),
        ("t.csv", b"id,what\n1,\xff\n".to_vec(), "line 2 is no UTF-8"),
        (
            "t.csv",
            b"id,what\n1\n".to_vec(),
            "line 2 has more or fewer values than columns",
        ),
        (
            "t.csv",
            b"id,what\n1,a\0b\n".to_vec(),
            "row 1: `what` holds a NUL, which is no text",
        ),
        (
            "t.csv",
            [b"id,what\n1,", "x".repeat(2 << 20).as_bytes()].concat(),
            "row 1: `what` has more than 1 MiB",
        ),
        (
            "t.jsonl",
            b"{\"id\": 1, \"what\": 1}\n{".to_vec(),
            "line 2 is no JSON object",
        ),
        (
            "t.jsonl",
            b"{\"id\": 1}\n".to_vec(),
            "it has no column `what`",
        ),
        (
            "t.jsonl",
            "[".repeat(100_000).into_bytes(),
            "line 1 is no JSON object",
        ),
        ("t.jsonl", vec![b' '; 9 << 20], "line 1 has more than 8 MiB"),
        (
            "t.jsonl",
            b"{\"id\": 1, \"what\": 1e300}".to_vec(),
            "line 1: `what` is a number too large to be kept; write it as a text",
        ),
    ]
}

fn broken_packages() -> Vec<Broken> {
    let snappy: &[u8] = include_bytes!("fixtures/snappy.parquet");
    let book: &[u8] = include_bytes!("fixtures/openpyxl.xlsx");
    vec![
        (
            "t.xlsx",
            b"PK\x03\x04".to_vec(),
            "it is no workbook that can be read",
        ),
        (
            "t.xlsx",
            book[..book.len() / 2].to_vec(),
            "it is no workbook that can be read",
        ),
        (
            "t.parquet",
            b"PAR1".to_vec(),
            "it is no Parquet file that can be read",
        ),
        (
            "t.parquet",
            snappy[..snappy.len() / 2].to_vec(),
            "it is no Parquet file that can be read",
        ),
    ]
}

#[tokio::test]
async fn broken_files_are_told_in_words() {
    let broke = "the parser broke on it, or needed more than 1 GiB of memory";
    let desk = Desk::of(&["id", "what"]);
    for (name, content, told) in broken_texts().into_iter().chain(broken_packages()) {
        desk.write(name, &content);
        let reason = desk.unfit("t").await;
        assert_eq!(reason, format!("`{name}`: {told}"));
        assert_ne!(reason, format!("`{name}`: {broke}"));
        fs::remove_file(desk.folder.path().join("exports").join(name)).unwrap();
    }
}

#[tokio::test]
async fn a_parser_that_breaks_breaks_only_its_table() {
    let desk = Desk::of(&["id", "note"]);
    let good: &[u8] = include_bytes!("fixtures/snappy.parquet");
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut bytes = good.to_vec();
        bytes[at] ^= 0xff;
        desk.write("t.parquet", &bytes);
        // Whatever it says, the gateway lives, and says it in words.
        if let Err(unfit) = desk.shape("t").await.unwrap() {
            assert!(
                unfit.reason.starts_with('`') || unfit.reason.contains("row"),
                "{unfit:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_key_is_there_and_unique() {
    let desk = Desk::of(&["id", "what"]);
    desk.write("t.csv", "id,what\n1,a\n1,b\n");
    assert_eq!(desk.unfit("t").await, "several rows have the same id");
    desk.write("t.csv", "id,what\n1,a\n,b\n");
    assert_eq!(desk.unfit("t").await, "`t.csv` has a row without a key");
    desk.write("t.jsonl", "{}");
    let told = desk.unfit("t").await;
    assert_eq!(told, "`t` is there more than once: as `t.csv`, `t.jsonl`");
}

#[tokio::test]
async fn nothing_leads_out_of_the_folder() {
    let desk = Desk::of(&["id"]);
    let exports = desk.folder.path().join("exports");
    let outside = desk.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("t.csv"), "id\n1\n").unwrap();
    std::os::unix::fs::symlink(outside.join("t.csv"), exports.join("t.csv")).unwrap();
    let told = desk.unfit("t").await;
    assert_eq!(
        told,
        "`t.csv` is a link, or behind one; links are not followed"
    );
    fs::remove_file(exports.join("t.csv")).unwrap();
    std::os::unix::fs::symlink(&outside, exports.join("t")).unwrap();
    assert!(desk.unfit("t").await.contains("links are not followed"));
    fs::remove_file(exports.join("t")).unwrap();
    fs::hard_link(outside.join("t.csv"), exports.join("t.csv")).unwrap();
    assert!(desk.unfit("t").await.contains("hard link"));
    fs::remove_file(exports.join("t.csv")).unwrap();
    fs::create_dir(exports.join("t.csv")).unwrap();
    assert_eq!(desk.unfit("t").await, "`t.csv` is no plain file");
    fs::remove_dir_all(&exports).unwrap();
    let gone = status(desk.rows("t").await);
    assert_eq!(gone, drawbridge_core::answer::Status::Unavailable);
}
