//! The organisation's own rules, under `policies/`.

use serde_json::{Value, json};

use crate::bridge::Bridge;

const FEW: &str = r#"
@id("few-at-a-time")
@advice("ask for at most ten hits")
forbid (principal, action == Drawbridge::Action::"handbook_search", resource)
when { context.arguments has limit && context.arguments.limit > 10 };
"#;

/// A rule about an integer holds however the number is written.
#[tokio::test]
async fn a_rule_about_an_argument_cannot_be_written_around() {
    let bridge = Bridge::start().await;
    let search = |limit: Value| {
        let arguments = json!({"query": "refund", "limit": limit});
        async { bridge.call("maja", "handbook_search", arguments).await }
    };
    assert_eq!(search(json!(50)).await["status"], "ok", "before the rule");
    std::fs::write(bridge.folder().join("policies/few.cedar"), FEW).unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while search(json!(50)).await["status"] == "ok" {
        assert!(std::time::Instant::now() < end, "the rule is not taken up");
    }
    for limit in ["50", "50.0", "5e1", "11.0"] {
        let answer = search(serde_json::from_str(limit).unwrap()).await;
        assert_eq!(answer["status"], "denied", "{limit}: {answer}");
        assert_eq!(
            answer["notices"],
            json!(["ask for at most ten hits"]),
            "{limit}"
        );
    }
    for limit in ["10", "1e1", "10.0"] {
        let answer = search(serde_json::from_str(limit).unwrap()).await;
        assert_eq!(answer["status"], "ok", "{limit}: {answer}");
    }
    let huge = search(json!(1e300)).await;
    assert_ne!(huge["status"], "ok", "{huge}");
}
