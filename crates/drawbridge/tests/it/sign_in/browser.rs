//! A browser's sign-in by a real issuer, up to who it is: the code flow, and all that may be wrong with it.

use std::collections::BTreeSet;

use drawbridge::identify::{SignInError, SignedIn, Unidentified};
use drawbridge_core::{file::GatewayFile, secret::Secret};
use reqwest::{Url, redirect::Policy};
use serde_json::{Value, json};

use super::Issuer;
use crate::house::House;

const BACK: &str = "https://ai.acme.example/sign-in/callback";
/// As `tests/tools/issuer.py` has it.
const CLIENT: &str = "drawbridge-console";
const SECRET: &str = "s3cret/ of+the client";

/// A gateway with sign-in to its console, and the issuer.
struct Pair {
    issuer: Issuer,
    house: House,
    keep: tempfile::TempDir,
}

impl Pair {
    async fn new() -> Self {
        Self::with("{client_id: drawbridge-console, client_secret: console-client}").await
    }

    /// With these lines for the console.
    async fn with(console: &str) -> Self {
        let issuer = Issuer::start();
        let keep = tempfile::tempdir().unwrap();
        let path = |name: &str| keep.path().join(name);
        std::fs::write(path("new"), SECRET).unwrap();
        std::fs::write(path("old"), SECRET).unwrap();
        let extra = format!(
            "oidc: {{issuer: \"{}\", claims: {{person: email, attributes: {{department: dept}}}}, \
             console: {console}}}\n\
             credentials: {{console-client: {{from: [\"file:{}\", \"file:{}\"]}}}}\n",
            issuer.url,
            path("new").display(),
            path("old").display(),
        );
        let owner = "olga@x.example: {subject: s-olga, groups: [owners]}";
        let house = House::open_with(owner, &extra).await;
        Self {
            issuer,
            house,
            keep,
        }
    }

    fn file(&self) -> std::sync::Arc<GatewayFile> {
        self.house.app.gateway()
    }

    async fn is(&self, user: Value) {
        self.issuer.post("/user", user).await;
    }

    /// Sends a browser, which comes back with this query, and has kept that.
    async fn sent(&self, to: &str) -> Result<(String, Secret<String>), SignInError> {
        let file = self.file();
        let begun = self.house.app.identify.begin_sign_in(&file, (to, BACK));
        let begun = begun.await?;
        let browser = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none());
        let asked = browser.build().unwrap().get(&begun.address).send().await;
        let asked = asked.unwrap();
        assert_eq!(asked.status(), 302, "{}", begun.address);
        let back = asked.headers()["location"].to_str().unwrap();
        let query = back.strip_prefix(&format!("{BACK}?")).unwrap();
        Ok((query.to_owned(), begun.kept))
    }

    async fn back(&self, query: &str, kept: &Secret<String>) -> Result<SignedIn, SignInError> {
        let app = &self.house.app;
        let came = (query, kept);
        app.identify
            .end_sign_in(&self.file(), came, &app.credentials)
            .await
    }

    async fn signs_in(&self, user: Value) -> Result<SignedIn, SignInError> {
        self.is(user).await;
        let (query, kept) = self.sent("/").await?;
        self.back(&query, &kept).await
    }

    async fn close(self) {
        self.house.close().await;
        drop(self.keep);
    }
}

#[tokio::test]
async fn a_browser_is_sent_with_all_that_the_standard_asks_for() {
    let pair = Pair::new().await;
    let file = pair.file();
    let begin = async |to: &str| {
        let identify = &pair.house.app.identify;
        identify.begin_sign_in(&file, (to, BACK)).await
    };
    let begun = begin("/approvals?of=all").await.unwrap();
    let address = Url::parse(&begun.address).unwrap();
    assert!(
        begun
            .address
            .starts_with(&format!("{}/authorize?tenant=acme&", pair.issuer.url))
    );
    let all: Vec<(String, String)> = address.query_pairs().into_owned().collect();
    let of = |name: &str| {
        let mut found = all.iter().filter(|(key, _)| key == name);
        let one = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "`{name}` stands twice");
        one.unwrap_or_else(|| panic!("no `{name}`"))
    };
    assert_eq!((of("response_type"), of("client_id")), ("code", CLIENT));
    assert_eq!(
        (of("redirect_uri"), of("scope")),
        (BACK, "openid email profile")
    );
    assert_eq!(
        (of("code_challenge_method"), of("code_challenge").len()),
        ("S256", 43)
    );
    assert!(of("state").len() >= 43 && of("nonce").len() >= 43);
    // What proves the sign-in is for this browser alone to hold, and not to be read there.
    let kept = begun.kept.expose();
    for shown in [of("state"), of("nonce"), of("code_challenge")] {
        assert!(!kept.contains(shown));
    }
    assert!(
        kept.len() < 3_000,
        "a cookie holds 4096 bytes: {}",
        kept.len()
    );
    assert!(!format!("{begun:?}").contains(kept));
    let again = begin("/").await.unwrap().address;
    assert_ne!(again, begin("/").await.unwrap().address, "each is another");
    for elsewhere in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "x",
    ] {
        let refused = begin(elsewhere).await;
        assert!(
            matches!(refused, Err(SignInError::Elsewhere)),
            "{elsewhere}"
        );
    }
    let mut plain = (*file).clone();
    plain.oidc.as_mut().unwrap().console = None;
    let off = pair.house.app.identify.begin_sign_in(&plain, ("/", BACK));
    assert!(matches!(off.await, Err(SignInError::Off)));
    pair.close().await;
}

#[tokio::test]
async fn who_comes_back_is_bound_as_a_token_of_theirs_would_be() {
    let pair = Pair::new().await;
    let groups =
        |list: &[&str]| -> BTreeSet<String> { list.iter().map(ToString::to_string).collect() };
    // Somebody whom the file does not know is who the issuer says, with its groups.
    pair.is(json!({"claims": {"groups": ["staff"], "dept": "sales"}}))
        .await;
    let (query, kept) = pair.sent("/approvals/7?of=all").await.unwrap();
    let eve = pair.back(&query, &kept).await.unwrap();
    assert_eq!(
        (eve.person.id.as_str(), eve.to.as_str()),
        ("eve@x.example", "/approvals/7?of=all")
    );
    assert_eq!(
        (&eve.person.groups, &eve.claims.person.groups),
        (&groups(&["staff"]), &groups(&["staff"]))
    );
    assert_eq!(eve.person.attributes["department"], "sales");
    assert_eq!(eve.session.as_secs(), 12 * 3600);
    // The subject that the file names is the owner, whatever the address says; groups add up.
    let olga =
        json!({"claims": {"sub": "s-olga", "email": "o.new@x.example", "groups": ["board"]}});
    let olga = pair.signs_in(olga).await.unwrap();
    assert_eq!(olga.person.id, "olga@x.example");
    assert_eq!(olga.person.groups, groups(&["board", "owners"]));
    assert_eq!(
        olga.claims.person.groups,
        groups(&["board"]),
        "what the sign-in itself says"
    );
    for email in ["olga@x.example", "ANN@x.example", "drawbridge"] {
        let refused = pair.signs_in(json!({"claims": {"email": email}})).await;
        let unbound = SignInError::Unidentified(Unidentified::Unbound);
        assert_eq!(
            refused.unwrap_err().to_string(),
            unbound.to_string(),
            "{email}"
        );
    }
    let nobody = pair
        .signs_in(json!({"claims": {"email": "anonymous"}}))
        .await;
    assert!(matches!(
        nobody,
        Err(SignInError::Unidentified(Unidentified::Invalid))
    ));
    for user in [
        json!({"claims": {"email_verified": false}}),
        json!({"claims": {"email_verified": "true"}}),
        json!({"without": ["email_verified"]}),
        json!({"without": ["email"]}),
        json!({"claims": {"groups": {"staff": true}}}),
    ] {
        let refused = pair.signs_in(user.clone()).await;
        assert!(matches!(refused, Err(SignInError::Unnamed(_))), "{user}");
    }
    pair.close().await;
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_sign_in_is_not_believed() {
    let pair = Pair::new().await;
    for (user, good) in [
        (json!({}), true),
        (json!({"claims": {"nonce": "another"}}), false),
        (json!({"without": ["nonce"]}), false),
        (json!({"claims": {"aud": "another-client"}}), false),
        (json!({"claims": {"aud": [CLIENT]}}), true),
        (
            json!({"claims": {"aud": [CLIENT, "another-client"]}}),
            false,
        ),
        (
            json!({"claims": {"aud": [CLIENT, "another-client"], "azp": CLIENT}}),
            true,
        ),
        (json!({"claims": {"azp": "another-client"}}), false),
        (json!({"claims": {"azp": CLIENT}}), true),
        (json!({"claims": {"iss": "https://other.example"}}), false),
        (json!({"without": ["iss"]}), false),
        (json!({"without": ["sub"]}), false),
        (json!({"without": ["iat"]}), false),
        (json!({"without": ["exp"]}), false),
        (json!({"shift": {"exp": -300}}), false),
        (json!({"shift": {"exp": -30}}), true),
        (json!({"shift": {"iat": 300}}), false),
        (json!({"head": {"typ": "at+jwt"}}), false),
        (json!({"head": {"typ": "logout+jwt"}}), false),
        (json!({"token": "unsigned"}), false),
        (json!({"token": "shared"}), false),
    ] {
        let came = pair.signs_in(user.clone()).await;
        assert_eq!(came.is_ok(), good, "{user}: {came:?}");
        let told = matches!(
            came,
            Ok(_) | Err(SignInError::Token | SignInError::Unidentified(Unidentified::Invalid))
        );
        assert!(told, "{user}: {came:?}");
    }
    pair.close().await;
}

#[tokio::test]
async fn what_comes_back_counts_once_and_only_in_the_browser_that_was_sent() {
    let pair = Pair::new().await;
    let not_begun = |came: Result<SignedIn, SignInError>, what: &str| {
        assert!(
            matches!(came, Err(SignInError::NotBegun)),
            "{what}: {came:?}"
        );
    };
    let (query, kept) = pair.sent("/").await.unwrap();
    let (other, of_other) = pair.sent("/").await.unwrap();
    not_begun(
        pair.back(&other, &kept).await,
        "another's answer in this browser",
    );
    not_begun(
        pair.back(&query, &of_other).await,
        "this answer in another's browser",
    );
    let nothing = Secret::new(String::new());
    not_begun(
        pair.back(&query, &nothing).await,
        "a browser that was not sent",
    );
    not_begun(pair.back("", &kept).await, "nothing came back");
    not_begun(
        pair.back(&format!("{query}&state=x"), &kept).await,
        "two states",
    );
    not_begun(
        pair.back(&format!("{query}&code=x"), &kept).await,
        "two codes",
    );
    let state = query.replace("code=", "kode=");
    let (mut swapped, of_swapped) = pair.sent("/").await.unwrap();
    swapped = swapped.replace("state=", "state=x");
    not_begun(pair.back(&swapped, &of_swapped).await, "a swapped state");
    assert!(pair.back(&query, &kept).await.is_ok(), "the first time");
    not_begun(pair.back(&query, &kept).await, "the second time");
    not_begun(pair.back(&state, &kept).await, "nor without its code");
    // A code that was used by somebody else is refused by the issuer.
    let (used, by_other) = pair.sent("/").await.unwrap();
    let code = query
        .split('&')
        .find(|part| part.starts_with("code="))
        .unwrap();
    let fresh = used
        .split('&')
        .find(|part| part.starts_with("code="))
        .unwrap();
    let came = pair.back(&used.replace(fresh, code), &by_other).await;
    assert!(
        matches!(came, Err(SignInError::Refused(Some("invalid_grant")))),
        "{came:?}"
    );
    // A code that was made for another browser's verifier is worth nothing here.
    let (first, by_first) = pair.sent("/").await.unwrap();
    let (second, _) = pair.sent("/").await.unwrap();
    let of = |query: &str| {
        query
            .split('&')
            .find(|part| part.starts_with("code="))
            .unwrap()
            .to_owned()
    };
    let injected = first.replace(&of(&first), &of(&second));
    let came = pair.back(&injected, &by_first).await;
    assert!(
        matches!(came, Err(SignInError::Refused(Some("invalid_grant")))),
        "{came:?}"
    );
    pair.close().await;
}

#[tokio::test]
async fn an_issuer_that_goes_wrong_signs_nobody_in() {
    let pair = Pair::new().await;
    for (user, wanted) in [
        (
            json!({"named": "https://other.example"}),
            "does not come from",
        ),
        (json!({"named": ""}), "does not come from"),
        (json!({"error": "access_denied"}), "`access_denied`"),
        (json!({"error": "<b>call 555 now</b>"}), "`no reason`"),
        (
            json!({"named": "https://other.example", "error": "access_denied"}),
            "does not come from",
        ),
        (json!({"token": "huge"}), "does not answer"),
        (json!({"token": "redirect"}), "as OpenID Connect"),
        (json!({"token": "failing"}), "`no reason`"),
        (json!({"token": "none"}), "as OpenID Connect"),
        (json!({"token": "slow"}), "does not answer"),
    ] {
        let told = pair.signs_in(user.clone()).await.unwrap_err().to_string();
        assert!(told.contains(wanted), "{user}: {told}");
        assert!(
            !told.contains("555") && !told.contains("secret words"),
            "{told}"
        );
    }
    assert!(
        pair.signs_in(json!({})).await.is_ok(),
        "nothing of it stays"
    );
    pair.close().await;
    for says in [
        json!({"code_challenge_methods_supported": ["plain"]}),
        json!({"authorization_endpoint": "http://id.example/authorize"}),
        json!({"authorization_endpoint": null}),
    ] {
        let pair = Pair::new().await;
        pair.is(json!({"says": says.clone()})).await;
        assert!(
            matches!(pair.sent("/").await, Err(SignInError::Form)),
            "{says}"
        );
        pair.close().await;
    }
    let pair = Pair::new().await;
    pair.issuer.post("/mode", json!({"mode": "down"})).await;
    assert!(matches!(
        pair.sent("/").await,
        Err(SignInError::Unreachable)
    ));
    pair.close().await;
}

#[tokio::test]
async fn an_issuer_that_never_names_itself_is_taken_and_one_that_does_is_held_to_it() {
    let pair = Pair::new().await;
    let says = json!({"authorization_response_iss_parameter_supported": false});
    let plain = pair.signs_in(json!({"says": says, "named": ""})).await;
    assert!(plain.is_ok(), "{plain:?}");
    let other = pair
        .signs_in(json!({"says": says, "named": "https://other.example"}))
        .await;
    assert!(matches!(other, Err(SignInError::OtherIssuer)), "{other:?}");
    pair.close().await;
}

#[tokio::test]
async fn the_clients_secret_comes_from_the_credential_store() {
    let pair = Pair::new().await;
    let wrong = |name: &str| std::fs::write(pair.keep.path().join(name), "wrong").unwrap();
    wrong("new");
    let rotated = pair.signs_in(json!({})).await;
    assert!(
        rotated.is_ok(),
        "the one before is in force too: {rotated:?}"
    );
    wrong("old");
    let refused = pair.signs_in(json!({})).await;
    assert!(matches!(refused, Err(SignInError::Client)), "{refused:?}");
    std::fs::remove_file(pair.keep.path().join("old")).unwrap();
    std::fs::remove_file(pair.keep.path().join("new")).unwrap();
    let told = pair.signs_in(json!({})).await.unwrap_err().to_string();
    assert!(
        told.contains("the secret of the client cannot be had"),
        "{told}"
    );
    pair.close().await;
    // In the body, where the issuer takes it only there; and none for a public client.
    let pair = Pair::new().await;
    let says = json!({"token_endpoint_auth_methods_supported": ["client_secret_post"]});
    let posted = pair.signs_in(json!({"says": says})).await;
    assert!(posted.is_ok(), "{posted:?}");
    pair.close().await;
    let pair = Pair::with("{client_id: drawbridge-console}").await;
    let public = pair.signs_in(json!({"public": true})).await;
    assert!(public.is_ok(), "{public:?}");
    let refused = pair.signs_in(json!({})).await;
    assert!(matches!(refused, Err(SignInError::Client)), "{refused:?}");
    pair.close().await;
}
