use super::{super::cell::Cell, moment};

#[test]
fn the_moment_that_a_value_says_is_read_in_every_form_that_engines_have() {
    for (text, ahead, shown) in [
        ("2026-01-02T03:04:05Z", 0, "2026-01-02T03:04:05Z"),
        ("2026-01-02 03:04:05", 0, "2026-01-02T03:04:05Z"),
        ("2026-01-02 03:04:05", 3600, "2026-01-02T02:04:05Z"),
        ("2026-01-02 03:04:05.25+00", 3600, "2026-01-02T03:04:05.25Z"),
        ("2026-01-02 03:04:05+05:30", 0, "2026-01-01T21:34:05Z"),
        ("2026-01-02 03:04:05-08", 0, "2026-01-02T11:04:05Z"),
        ("2026-01-02", 0, "2026-01-02T00:00:00Z"),
    ] {
        let found = moment(&Cell::text(text), ahead).map(|moment| moment.to_string());
        assert_eq!(found.as_deref(), Some(shown), "{text}");
    }
    for text in ["", "infinity", "0000-00-00 00:00:00", "yesterday", "12:00"] {
        assert_eq!(moment(&Cell::text(text), 0), None, "{text}");
    }
    let (seconds, thousandths) = (
        Cell::Integer(1_767_323_045),
        Cell::Integer(1_767_323_045_000),
    );
    assert_eq!(moment(&seconds, 7200), moment(&thousandths, 0));
    assert_eq!(
        moment(&seconds, 0).unwrap().to_string(),
        "2026-01-02T03:04:05Z"
    );
    assert_eq!(moment(&Cell::Null, 0), None);
}
