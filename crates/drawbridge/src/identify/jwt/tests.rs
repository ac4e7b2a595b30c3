//! Forged tokens: each differs from a good one in one thing.
#![expect(clippy::too_many_lines, reason = "the tables read from top to bottom")]

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, crypto::sign};
use serde_json::json;

use super::*;

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://id.acme.example";
const AUDIENCE: &str = "https://ai.acme.example/mcp";

fn oidc() -> OidcFile {
    serde_json::from_value(json!({
        "issuer": ISSUER, "scopes": ["bridge"], "clock_skew": "60s",
        "claims": {"groups": "realm.roles", "attributes": {"department": "dept"}},
    }))
    .unwrap()
}

fn key() -> EncodingKey {
    let random = SystemRandom::new();
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EncodingKey::from_ec_der(made.as_ref())
}

fn public(key: &EncodingKey, id: &str) -> Value {
    let mut jwk = Jwk::from_encoding_key(key, Algorithm::ES256).unwrap();
    jwk.common.key_id = Some(id.to_owned());
    serde_json::to_value(jwk).unwrap()
}

fn head() -> Value {
    json!({"alg": "ES256", "kid": "one", "typ": "at+jwt"})
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "client_id": "claude", "scope": "x bridge",
        "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 300, "dept": "sales",
        "realm": {"roles": ["staff", "sales"]},
    })
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn signed(head: &Value, claims: &Value, key: &EncodingKey) -> String {
    let message = format!("{}.{}", part(head), part(claims));
    let signature = sign(message.as_bytes(), key, Algorithm::ES256).unwrap();
    format!("{message}.{signature}")
}

/// What the gateway makes of a token.
fn read(token: &str, keys: &[Key]) -> Result<Named, Unidentified> {
    let head = Head::read(token).ok_or(Unidentified::Invalid)?;
    let claims = head.claims(token, keys).ok_or(Unidentified::Invalid)?;
    let expected = Expected {
        oidc: &oidc(),
        audiences: &[AUDIENCE.to_owned()],
        now: Timestamp::from_second(NOW).unwrap(),
    };
    super::signed(&claims, &expected).map(|signed| signed.named)
}

fn with(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::String(text) if text == "REMOVE" => {
                value.as_object_mut().unwrap().remove(name);
            }
            other => value[name] = other.clone(),
        }
    }
    value
}

#[test]
fn a_good_token_names_person_client_groups_and_attributes() {
    let one = key();
    let keys = keys(&json!({"keys": [public(&one, "one")]}));
    for changes in [
        json!({}),
        json!({"aud": ["other", AUDIENCE]}),
        json!({"exp": NOW - 59}),
        json!({"exp": NOW as f64 + 0.5}),
        json!({"nbf": NOW + 59, "iat": NOW + 59}),
        json!({"nbf": "REMOVE", "iat": "REMOVE"}),
        json!({"scope": "REMOVE", "scp": ["bridge"]}),
        json!({"client_id": "REMOVE", "azp": "claude"}),
    ] {
        let token = signed(&head(), &with(claims(), &changes), &one);
        let named = read(&token, &keys).unwrap_or_else(|error| panic!("{changes}: {error}"));
        assert_eq!(
            (named.person.id.as_str(), named.client.as_str()),
            ("ann", "claude")
        );
        assert!(named.person.groups.contains("sales") && named.person.groups.len() == 2);
        assert_eq!(named.person.attributes["department"], "sales");
    }
    for changes in [
        json!({"typ": "JWT"}),
        json!({"typ": "application/at+jwt"}),
        json!({"typ": "REMOVE"}),
        json!({"kid": "REMOVE"}),
    ] {
        let token = signed(&with(head(), &changes), &claims(), &one);
        assert!(read(&token, &keys).is_ok(), "{changes}");
    }
}

#[test]
fn forged_claims_and_heads_are_refused() {
    let one = key();
    let keys = keys(&json!({"keys": [public(&one, "one")]}));
    let mut tried = 0;
    for changes in [
        json!({"iss": "https://id.evil.example"}),
        json!({"iss": "https://id.acme.example/"}),
        json!({"iss": "HTTPS://id.acme.example"}),
        json!({"iss": [ISSUER]}),
        json!({"iss": null}),
        json!({"iss": "REMOVE"}),
        json!({"iss": ""}),
        json!({"aud": "https://ai.acme.example"}),
        json!({"aud": "https://ai.acme.example/mcp/"}),
        json!({"aud": "https://ai.acme.example/mcp/x"}),
        json!({"aud": ["other"]}),
        json!({"aud": []}),
        json!({"aud": {"0": AUDIENCE}}),
        json!({"aud": "REMOVE"}),
        json!({"aud": null}),
        json!({"aud": "https://graph.example"}),
        json!({"aud": [[AUDIENCE]]}),
        json!({"exp": NOW - 60}),
        json!({"exp": NOW - 300}),
        json!({"exp": 0}),
        json!({"exp": -1}),
        json!({"exp": "REMOVE"}),
        json!({"exp": null}),
        json!({"exp": "9999999999"}),
        json!({"exp": true}),
        json!({"exp": []}),
        json!({"nbf": NOW + 61}),
        json!({"nbf": NOW + 300}),
        json!({"nbf": "soon"}),
        json!({"iat": NOW + 61}),
        json!({"iat": NOW + 300}),
        json!({"iat": {}}),
        json!({"sub": "REMOVE"}),
        json!({"sub": ""}),
        json!({"sub": "  "}),
        json!({"sub": 7}),
        json!({"sub": ["ann"]}),
        json!({"sub": "ann\u{0}"}),
        json!({"sub": "ann\nbob"}),
        json!({"sub": "a".repeat(300)}),
        json!({"client_id": ""}),
        json!({"client_id": 7, "azp": 7}),
        json!({"client_id": "REMOVE"}),
        json!({"realm": {"roles": {"staff": true}}}),
        json!({"realm": {"roles": [1]}}),
        json!({"dept": ["sales"]}),
        json!({"dept": {}}),
    ] {
        let token = signed(&head(), &with(claims(), &changes), &one);
        assert!(
            matches!(read(&token, &keys), Err(Unidentified::Invalid)),
            "{changes}"
        );
        tried += 1;
    }
    for changes in [
        json!({"alg": "none"}),
        json!({"alg": "None"}),
        json!({"alg": "HS256"}),
        json!({"alg": "ES384"}),
        json!({"alg": "RS256"}),
        json!({"alg": "EdDSA"}),
        json!({"alg": "REMOVE"}),
        json!({"alg": 7}),
        json!({"kid": "two"}),
        json!({"kid": ""}),
        json!({"kid": "../../dev/null"}),
        json!({"kid": "one' OR '1'='1"}),
        json!({"kid": ["one"]}),
        json!({"typ": "logout+jwt"}),
        json!({"typ": "oauth-id-jag+jwt"}),
        json!({"typ": "dpop+jwt"}),
        json!({"crit": ["exp"]}),
        json!({"crit": ["b64"], "b64": false}),
    ] {
        let token = signed(&with(head(), &changes), &claims(), &one);
        assert!(
            matches!(read(&token, &keys), Err(Unidentified::Invalid)),
            "{changes}"
        );
        tried += 1;
    }
    assert!(tried >= 60, "{tried}");
}

#[test]
fn forged_signatures_and_keys_are_refused() {
    let (one, evil) = (key(), key());
    let known = public(&one, "one");
    let keys = keys(&json!({"keys": [known]}));
    let good = signed(&head(), &claims(), &one);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let point = format!(
        "{}{}",
        known["x"].as_str().unwrap(),
        known["y"].as_str().unwrap()
    );
    let shared = EncodingKey::from_secret(point.as_bytes());
    let hmac_head = with(head(), &json!({"alg": "HS256"}));
    let hmac_message = format!("{}.{}", part(&hmac_head), part(&claims()));
    let hmac = sign(hmac_message.as_bytes(), &shared, Algorithm::HS256).unwrap();
    let own_key = with(head(), &json!({"jwk": public(&evil, "one")}));
    let own_url = with(
        head(),
        &json!({"jku": "https://evil.example/keys", "x5u": "https://evil.example/c"}),
    );
    let other = part(&with(claims(), &json!({"sub": "owner"})));
    let mut flipped = signature.to_owned();
    flipped.replace_range(
        4..5,
        if signature.as_bytes()[4] == b'A' {
            "B"
        } else {
            "A"
        },
    );
    for (what, token) in [
        ("another key", signed(&head(), &claims(), &evil)),
        (
            "its own key in the head",
            signed(&own_key, &claims(), &evil),
        ),
        (
            "its own address in the head",
            signed(&own_url, &claims(), &evil),
        ),
        (
            "the public key as a secret",
            format!("{hmac_message}.{hmac}"),
        ),
        ("no signature", format!("{message}.")),
        ("two parts", message.to_owned()),
        ("four parts", format!("{good}.x")),
        ("a changed signature", format!("{message}.{flipped}")),
        ("a cut signature", format!("{message}.{}", &signature[..40])),
        (
            "zeros for a signature",
            format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        ),
        (
            "other claims",
            format!("{}.{other}.{signature}", part(&head())),
        ),
        ("no claims", format!("{}..{signature}", part(&head()))),
        ("nothing", String::new()),
        ("dots", "..".to_owned()),
        ("padding", format!("{good}=")),
        ("no base64", "a b.c d.e f".to_owned()),
    ] {
        assert!(
            matches!(read(&token, &keys), Err(Unidentified::Invalid)),
            "{what}"
        );
    }
    assert!(read(&good, &keys).is_ok());
}

#[test]
fn a_token_without_a_scope_is_told_apart() {
    let one = key();
    let keys = keys(&json!({"keys": [public(&one, "one")]}));
    for changes in [
        json!({"scope": "x"}),
        json!({"scope": "REMOVE"}),
        json!({"scope": "bridges"}),
    ] {
        let token = signed(&head(), &with(claims(), &changes), &one);
        assert!(
            matches!(read(&token, &keys), Err(Unidentified::Scope)),
            "{changes}"
        );
    }
}

#[test]
fn only_keys_that_can_sign_are_taken() {
    let edwards = Ed25519KeyPair::generate().unwrap();
    let point = URL_SAFE_NO_PAD.encode(edwards.public_key().as_ref());
    let edwards = json!({"kty": "OKP", "crv": "Ed25519", "x": point});
    let curve = public(&key(), "one");
    let short = json!({"kty": "RSA", "n": "A".repeat(171), "e": "AQAB"});
    for (jwk, taken) in [
        (curve.clone(), 1),
        (edwards, 1),
        (with(curve.clone(), &json!({"use": "enc"})), 0),
        (with(curve.clone(), &json!({"alg": "HS256"})), 0),
        (with(curve, &json!({"crv": "P-521"})), 0),
        (short, 0),
        (json!({"kty": "oct", "k": "c2VjcmV0", "kid": "one"}), 0),
        (json!({"kty": "other"}), 0),
        (json!(7), 0),
    ] {
        assert_eq!(keys(&json!({"keys": [jwk.clone()]})).len(), taken, "{jwk}");
    }
    assert!(keys(&json!({})).is_empty() && keys(&json!({"keys": {}})).is_empty());
}

#[test]
fn an_address_counts_only_where_the_issuer_has_confirmed_it() {
    let key = key();
    let keys = keys(&json!({"keys": [public(&key, "one")]}));
    let mut oidc = oidc();
    oidc.claims.person = "email".to_owned();
    for (verified, good) in [
        (json!(true), true),
        (json!(false), false),
        (json!("true"), false),
        (json!(1), false),
        (Value::Null, false),
    ] {
        let mut claims = claims();
        claims["email"] = json!("ann@acme.example");
        claims["email_verified"] = verified.clone();
        let token = signed(&head(), &claims, &key);
        let read = Head::read(&token).unwrap().claims(&token, &keys).unwrap();
        let expected = Expected {
            oidc: &oidc,
            audiences: &[AUDIENCE.to_owned()],
            now: Timestamp::from_second(NOW).unwrap(),
        };
        let person = super::signed(&read, &expected).map(|signed| signed.named.person.id);
        assert_eq!(person.is_ok(), good, "{verified}");
        claims.as_object_mut().unwrap().remove("email_verified");
    }
}
