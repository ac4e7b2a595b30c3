//! Signed requests as Standard Webhooks has them (specification 1.0.0): `webhook-id`,
//! `webhook-timestamp` and `webhook-signature` over both and the body.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use drawbridge_core::{file::GatewayFile, plan::KeptPlan};
use serde_json::json;

use super::{Told, secret};
use crate::{app::App, store::Notice};

/// How secrets of this sort begin.
const PREFIX: &str = "whsec_";

pub(super) async fn send(
    app: &App,
    gateway: &GatewayFile,
    (notice, plan): (&Notice, &KeptPlan),
) -> Result<(), String> {
    let hooks = &gateway.notifications.webhooks;
    let hook = hooks.iter().find(|hook| hook.url == notice.recipient);
    let hook = hook.ok_or("drawbridge.yaml names it no longer")?;
    let key = secret(app, &hook.secret)?;
    let key = key.expose().strip_prefix(PREFIX).unwrap_or(key.expose());
    let key = STANDARD
        .decode(key)
        .map_err(|_| "its secret is no `whsec_` and base64")?;
    let told = Told::of(gateway, plan);
    let body = json!({
        "type": notice.event,
        "timestamp": app.clock.now(),
        "data": {
            "id": plan.id,
            "connector": plan.connector,
            "power": plan.plan.power,
            "sentence": told.sentence,
            "person": plan.caller.person.id,
            "client": &*plan.caller.client,
            "expires": plan.expires,
            "link": told.link,
        },
    })
    .to_string();
    let time = app.clock.now().as_second();
    let signature = sign(&key, (&notice.id, time), &body);
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(|error| error.to_string())?;
    let answer = client
        .post(&hook.url)
        .header("content-type", "application/json")
        .header("webhook-id", &notice.id)
        .header("webhook-timestamp", time)
        .header("webhook-signature", signature)
        .body(body)
        .send()
        .await
        .map_err(|error| format!("it cannot be reached: {}", error.without_url()))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    Err(format!("it answered {status}"))
}

/// `v1,` and HMAC-SHA256 over `id.timestamp.body`, in base64.
fn sign(key: &[u8], (id, time): (&str, i64), body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let tag = hmac::sign(&key, format!("{id}.{time}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

#[cfg(test)]
mod tests {
    use super::sign;
    use base64::{Engine, engine::general_purpose::STANDARD};

    /// The example that the libraries of Standard Webhooks are tested with.
    #[test]
    fn it_signs_as_the_standard_does() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(
            &key,
            ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330),
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
