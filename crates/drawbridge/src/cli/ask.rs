//! What commands that ask the gateway have in common.

use serde_json::{Value, json};

use super::client::Client;

/// A connector that is stopped or started, and why.
#[derive(clap::Args)]
pub(super) struct Stand {
    /// The connector.
    name: String,
    /// Why, for those who look at it later.
    #[arg(long)]
    reason: String,
}

/// Brings a connector into another state.
pub(super) async fn standing(client: &Client, act: &str, stand: Stand) -> anyhow::Result<Value> {
    client
        .post(
            &format!("/connectors/{}/{act}", stand.name),
            &json!({"reason": stand.reason}),
        )
        .await
}

/// Arguments as `key=value` pairs, numbers and booleans as such; or one JSON object.
pub(super) fn pairs(arguments: &[String]) -> anyhow::Result<Value> {
    if let [one] = arguments
        && one.starts_with('{')
    {
        return Ok(serde_json::from_str(one)?);
    }
    let mut map = serde_json::Map::new();
    for pair in arguments {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| anyhow::anyhow!("`{pair}` is no key=value"))?;
        let value = match serde_json::from_str::<Value>(value) {
            Ok(number @ (Value::Number(_) | Value::Bool(_))) => number,
            _ => Value::from(value),
        };
        map.insert(key.to_owned(), value);
    }
    Ok(Value::Object(map))
}
