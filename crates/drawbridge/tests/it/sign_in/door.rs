//! Signing in at the console's door by a real issuer: what a browser is sent, keeps and may do after.

use drawbridge_core::file::{GatewayFile, PersonFile};
use http::HeaderMap;
use reqwest::{Response, header, redirect::Policy};
use serde_json::{Value, json};

use super::Issuer;
use crate::house::House;

const FILE: &str = "olga@x.example: {subject: s-olga, groups: [owners]}";

/// A browser that keeps no cookie and follows nothing by itself.
struct Browser {
    issuer: Issuer,
    house: House,
    http: reqwest::Client,
    /// The host that it calls the gateway by.
    host: String,
}

impl Browser {
    async fn new(extra: &str) -> Self {
        let issuer = Issuer::start();
        let oidc = format!(
            "oidc: {{issuer: \"{}\", claims: {{person: email}}, \
             console: {{client_id: drawbridge-console, session: 1h}}}}\n{extra}",
            issuer.url
        );
        let house = House::open_with(FILE, &oidc).await;
        let http = reqwest::Client::builder().no_proxy();
        Self {
            host: house.url.replace("http://", ""),
            http: http.redirect(Policy::none()).build().unwrap(),
            issuer,
            house,
        }
    }

    async fn is(&self, claims: Value) {
        let user = json!({"claims": claims, "public": true});
        self.issuer.post("/user", user).await;
    }

    async fn get(&self, path: &str, cookie: &str) -> Response {
        let request = self.http.get(format!("{}{path}", self.house.url));
        let request = request.header("host", &self.host).header("cookie", cookie);
        request.send().await.unwrap()
    }

    /// Goes to the organisation's sign-in: what is kept, and the path that it comes back to.
    async fn away(&self, to: &str) -> (String, String) {
        let sent = self.get(&format!("/sign-in/oidc?to={to}"), "").await;
        assert_eq!(sent.status(), 303, "{sent:?}");
        let kept = cookies(&sent).remove(0);
        let asked = self.http.get(location(&sent)).send().await.unwrap();
        let back = location(&asked);
        let path = back.find("/sign-in/callback").unwrap();
        (kept, back[path..].to_owned())
    }

    /// The session of who signs in.
    async fn session(&self) -> String {
        let (kept, back) = self.away("/").await;
        let came = self.get(&back, pair(&kept)).await;
        assert_eq!(
            (came.status().as_u16(), location(&came)),
            (303, "/".to_owned())
        );
        pair(&cookies(&came)[0]).to_owned()
    }

    /// The groups of a session, by this file.
    async fn groups(&self, session: &str, file: &GatewayFile) -> Option<Vec<String>> {
        let (_, session) = session.split_once('=').unwrap();
        let identify = &self.house.app.identify;
        let caller = identify.visitor(session, &HeaderMap::new(), file).await;
        Some(caller.ok()?.person.groups.iter().cloned().collect())
    }
}

fn cookies(response: &Response) -> Vec<String> {
    let all = response.headers().get_all(header::SET_COOKIE).iter();
    all.map(|cookie| cookie.to_str().unwrap().to_owned())
        .collect()
}

fn location(response: &Response) -> String {
    let location = &response.headers()[header::LOCATION];
    location.to_str().unwrap().to_owned()
}

/// Name and value of a cookie.
fn pair(cookie: &str) -> &str {
    cookie.split(';').next().unwrap()
}

#[tokio::test]
async fn a_browser_goes_away_and_comes_back_with_a_session() {
    let browser = Browser::new("").await;
    browser.is(json!({"sub": "s-olga"})).await;
    let page = browser
        .get("/sign-in?to=/activity", "")
        .await
        .text()
        .await
        .unwrap();
    assert!(page.contains("/sign-in/oidc?to="), "{page}");
    let (kept, back) = browser.away("/activity").await;
    let port = browser.host.split(':').next_back().unwrap();
    assert!(
        kept.starts_with(&format!("drawbridge-sign-in-{port}=")),
        "{kept}"
    );
    assert!(
        kept.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600"),
        "{kept}"
    );
    let came = browser.get(&back, pair(&kept)).await;
    assert_eq!(
        (came.status().as_u16(), location(&came)),
        (303, "/activity".to_owned())
    );
    let set = cookies(&came);
    assert_eq!(set.len(), 2, "{set:?}");
    assert!(
        set[0].starts_with(&format!("drawbridge-{port}=dbr_")),
        "{set:?}"
    );
    assert!(set[0].contains("; HttpOnly; SameSite=Lax; "), "{set:?}");
    let seconds = set[0].split("Max-Age=").nth(1).unwrap();
    let seconds: u32 = seconds.parse().unwrap();
    assert!(
        (3_500..=3_600).contains(&seconds),
        "as long as the file says: {seconds}"
    );
    let forgotten =
        format!("drawbridge-sign-in-{port}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    assert_eq!(set[1], forgotten);
    let home = browser.get("/", pair(&set[0])).await;
    assert_eq!(home.status(), 200);
    assert!(home.text().await.unwrap().contains("olga@x.example"));
    // What was kept on the way is no session, and a session is nothing that was kept on the way.
    let way = pair(&kept).replace("-sign-in", "");
    assert_eq!(browser.get("/", &way).await.status(), 303);
    let operator = browser.house.token("olga@x.example").await;
    let path = "/api/v1/records?action=sign_in&limit=5";
    let (_, records) = browser.house.get(path, &operator).await;
    let records = records["data"]["records"].to_string();
    let told = records.contains("\"door\":\"console\"") && records.contains("olga@x.example");
    assert!(told, "{records}");
    assert!(
        !records.contains("code=") && !records.contains("dbr_"),
        "{records}"
    );
    browser.house.close().await;
}

#[tokio::test]
async fn what_comes_back_wrongly_makes_no_session_and_is_told() {
    let browser = Browser::new("").await;
    browser.is(json!({"sub": "s-olga"})).await;
    let (kept, back) = browser.away("/").await;
    let (other, _) = browser.away("/").await;
    let refused = async |path: &str, cookie: &str, words: &str| {
        let came = browser.get(path, cookie).await;
        assert_eq!(came.status(), 403, "{words}");
        let set = cookies(&came);
        assert!(
            set.iter().all(|cookie| cookie.contains("Max-Age=0")),
            "{set:?}"
        );
        let page = came.text().await.unwrap();
        assert!(page.contains(words), "{words}: {page}");
    };
    let again = "not begun in this browser";
    refused(&back, "", again).await;
    refused(&back, pair(&other), again).await;
    refused(&back, "drawbridge-sign-in-1=x", again).await;
    refused(&back, &format!("{0}; {0}", pair(&kept)), again).await;
    refused("/sign-in/callback", pair(&kept), again).await;
    assert_eq!(
        browser.get(&back, pair(&kept)).await.status(),
        303,
        "the right one"
    );
    refused(&back, pair(&kept), again).await;
    for (claims, words) in [
        (
            json!({"email": "olga@x.example"}),
            "claims a name that drawbridge.yaml gives",
        ),
        (
            json!({"email": "eve@x.example", "email_verified": false}),
            "have your address confirmed",
        ),
        (json!({"aud": "another"}), "ID token"),
    ] {
        browser.is(claims).await;
        let (kept, back) = browser.away("/").await;
        refused(&back, pair(&kept), words).await;
    }
    browser
        .issuer
        .post("/user", json!({"error": "access_denied"}))
        .await;
    let (kept, back) = browser.away("/").await;
    refused(&back, pair(&kept), "access_denied").await;
    // Nobody is sent elsewhere by a page that is no page here.
    browser.is(json!({"sub": "s-olga"})).await;
    for elsewhere in [
        "//evil.example",
        "https://evil.example",
        "/%5cevil.example",
        "/sign-in",
    ] {
        let (kept, back) = browser.away(elsewhere).await;
        let came = browser.get(&back, pair(&kept)).await;
        assert_eq!(location(&came), "/", "{elsewhere}");
    }
    let house = &browser.house;
    let owner = house.token("olga@x.example").await;
    let path = "/api/v1/records?action=sign_in&status=denied";
    let mut denied = 0;
    for _ in 0..1_000 {
        let (_, told) = house.get(path, &owner).await;
        denied = told["data"]["records"].as_array().unwrap().len();
        if denied > 0 {
            break;
        }
    }
    assert!(denied > 0, "failures are on the log");
    browser.house.close().await;
}

#[tokio::test]
async fn a_session_is_whom_the_sign_in_named_by_the_file_as_it_stands() {
    let browser = Browser::new("").await;
    let file = browser.house.app.gateway();
    browser
        .is(json!({"sub": "s-olga", "groups": ["board"]}))
        .await;
    let olga = browser.session().await;
    let groups = |list: &[&str]| Some(list.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(
        browser.groups(&olga, &file).await,
        groups(&["board", "owners"])
    );
    let mut changed = (*file).clone();
    let people = &mut changed.people;
    people.get_mut("olga@x.example").unwrap().groups = vec!["retired".to_owned()];
    let stands = browser.groups(&olga, &changed).await;
    assert_eq!(
        stands,
        groups(&["board", "retired"]),
        "the file's word counts at once"
    );
    changed.people.remove("olga@x.example");
    assert_eq!(
        browser.groups(&olga, &changed).await,
        None,
        "she is nobody any more"
    );
    // Somebody whom the file does not know is who the issuer says, until it gives that name itself.
    browser.is(json!({"groups": ["staff"]})).await;
    let eve = browser.session().await;
    assert_eq!(browser.groups(&eve, &file).await, groups(&["staff"]));
    let home = browser.get("/", &eve).await.text().await.unwrap();
    assert!(home.contains("eve@x.example"), "{home}");
    let known = PersonFile::default();
    changed.people.insert("eve@x.example".to_owned(), known);
    assert_eq!(browser.groups(&eve, &changed).await, None);
    browser.house.close().await;
}

#[tokio::test]
async fn who_is_not_in_the_file_is_known_by_what_the_sign_in_said_of_them() {
    let browser = Browser::new("").await;
    browser.is(json!({"sub": "s-olga"})).await;
    let olga = browser.session().await;
    browser.is(json!({"groups": ["staff"]})).await;
    browser.session().await;
    let page = async |path: &str| browser.get(path, &olga).await.text().await.unwrap();
    let people = page("/people?text=eve").await;
    assert!(
        people.contains("staff") && people.contains("as it said"),
        "{people}"
    );
    let asked = "/people/explain?tool=drawbridge_connectors&person=eve@x.example";
    let explained = page(asked).await;
    assert!(explained.contains("sign-in said"), "{explained}");
    let nobody = page(&asked.replace("eve", "nobody")).await;
    assert!(nobody.contains("is nobody this gateway knows"), "{nobody}");
    browser.house.close().await;
}

#[tokio::test]
async fn another_sign_in_ends_the_session_that_the_browser_had() {
    let browser = Browser::new("").await;
    browser.is(json!({"sub": "s-olga"})).await;
    let (first, apart) = (browser.session().await, browser.session().await);
    let (kept, back) = browser.away("/").await;
    let both = format!("{}; {first}", pair(&kept));
    let came = browser.get(&back, &both).await;
    let second = pair(&cookies(&came)[0]).to_owned();
    for (session, code) in [(&first, 303), (&apart, 200), (&second, 200)] {
        assert_eq!(browser.get("/", session).await.status(), code);
    }
    let operator = browser.house.token("olga@x.example").await;
    let path = "/api/v1/records?action=sign_in&limit=1";
    let (_, records) = browser.house.get(path, &operator).await;
    let asked = records["data"]["records"][0]["asked"]["arguments"].to_string();
    assert!(asked.contains("sign_in"), "{records:#}");
    browser.house.close().await;
}

#[tokio::test]
async fn behind_a_public_address_cookies_are_its_own_and_protected() {
    let mut browser = Browser::new("public_url: https://ai.acme.example\n").await;
    browser.host = "ai.acme.example".to_owned();
    browser.is(json!({"sub": "s-olga"})).await;
    let sent = browser.get("/sign-in/oidc", "").await;
    let away = location(&sent);
    let back = "redirect_uri=https%3A%2F%2Fai.acme.example%2Fsign-in%2Fcallback&";
    assert!(away.contains(back), "{away}");
    let kept = cookies(&sent).remove(0);
    assert!(kept.starts_with("__Host-drawbridge-sign-in="), "{kept}");
    assert!(kept.ends_with("; Secure"), "{kept}");
    let session = browser.session().await;
    assert!(session.starts_with("__Host-drawbridge=dbr_"), "{session}");
    browser.house.close().await;
}

#[tokio::test]
async fn a_gateway_without_it_says_so_and_one_whose_issuer_is_down_lets_nobody_in() {
    let house = House::open("").await;
    let page = house
        .http
        .get(format!("{}/sign-in", house.url))
        .send()
        .await;
    let page = page.unwrap().text().await.unwrap();
    assert!(!page.contains("/sign-in/oidc"), "{page}");
    let off = house.http.get(format!("{}/sign-in/oidc", house.url)).send();
    assert_eq!(off.await.unwrap().status(), 403);
    house.close().await;
    let browser = Browser::new("").await;
    browser.issuer.post("/mode", json!({"mode": "down"})).await;
    let down = browser.get("/sign-in/oidc", "").await;
    assert!(cookies(&down).is_empty());
    let told = down.text().await.unwrap();
    assert!(told.contains("try again in a minute"), "{told}");
    browser.house.close().await;
}
