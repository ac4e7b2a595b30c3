//! Sessions and tokens as they are kept: so many of each person, told in pages, and forgotten after a
//! while.

use std::time::Duration;

use drawbridge::{
    identify::{CONSOLE, LINK, mint},
    store::{Claims, NewToken, Store, TokenFilter},
};
use drawbridge_core::call::Person;
use jiff::Timestamp;

use crate::log::stored::Stored;

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// A token that begins so many minutes after noon, and lasts a day.
fn token(person: &str, client: &str, minutes: u64) -> NewToken {
    let begun = now() + Duration::from_secs(60 * minutes);
    mint((person, client, ""), begun, Some(begun + DAY))
        .unwrap()
        .0
}

async fn added(store: &Store, token: NewToken) -> String {
    store.add_token(&token).await.unwrap();
    token.id
}

async fn good(store: &Store, id: &str, at: Timestamp) -> bool {
    let token = store.token(id).await.unwrap();
    token.is_some_and(|token| token.is_good(at))
}

#[tokio::test]
async fn the_oldest_session_ends_where_somebody_has_too_many_or_its_browser_has_another() {
    for stored in [Stored::sqlite(), Stored::postgres().await] {
        let (store, _) = stored.open().await;
        let other = added(&store, token("bob", CONSOLE, 0)).await;
        let client = added(&store, token("ann", "claude", 0)).await;
        let mut sessions = Vec::new();
        for minute in 0..60 {
            sessions.push(added(&store, token("ann", CONSOLE, minute)).await);
        }
        let later = now() + Duration::from_secs(2 * 3_600);
        let mut stand = Vec::new();
        for session in &sessions {
            stand.push(good(&store, session, later).await);
        }
        assert!(stand[..10].iter().all(|stands| !stands), "{stand:?}");
        assert!(stand[10..].iter().all(|stands| *stands), "{stand:?}");
        assert!(good(&store, &other, later).await && good(&store, &client, later).await);
        let mut next = token("bob", CONSOLE, 61);
        next.replaces = Some(other.clone());
        let next = added(&store, next).await;
        assert!(good(&store, &next, later).await && !good(&store, &other, later).await);
        // Only a session is replaced, whatever is named.
        let mut next = token("ann", CONSOLE, 62);
        next.replaces = Some(client.clone());
        added(&store, next).await;
        assert!(good(&store, &client, later).await);
        store.close().await;
    }
}

#[tokio::test]
async fn sessions_that_begin_together_keep_within_the_bound() {
    for stored in [Stored::sqlite(), Stored::postgres().await] {
        let (one, _) = stored.open().await;
        let other = Store::open(&stored.place).await.unwrap();
        let begin = (0..70).map(|at| {
            let store = if at % 2 == 0 { &one } else { &other };
            let session = token("ann", CONSOLE, 0);
            async move { store.add_token(&session).await }
        });
        for begun in futures_util::future::join_all(begin).await {
            begun.unwrap();
        }
        let counted = one.tokens_by_person(Some("ann"), now()).await.unwrap();
        assert_eq!(counted["ann"].in_force, 50);
        other.close().await;
        one.close().await;
    }
}

#[tokio::test]
async fn a_sign_in_comes_back_once_at_whichever_gateway() {
    for stored in [Stored::sqlite(), Stored::postgres().await] {
        let (one, _) = stored.open().await;
        let other = Store::open(&stored.place).await.unwrap();
        let until = now() + DAY;
        assert!(one.end_sign_in("a", until).await.unwrap());
        assert!(!other.end_sign_in("a", until).await.unwrap());
        assert!(other.end_sign_in("b", until).await.unwrap());
        one.forget_sign_ins(until).await.unwrap();
        let again = one.end_sign_in("b", until).await.unwrap();
        assert!(!again, "it is not forgotten before its time");
        one.forget_sign_ins(until + DAY).await.unwrap();
        assert!(one.end_sign_in("b", until).await.unwrap());
        other.close().await;
        one.close().await;
    }
}

#[tokio::test]
async fn sessions_and_links_are_forgotten_after_their_end_and_tokens_are_not() {
    for stored in [Stored::sqlite(), Stored::postgres().await] {
        let (store, _) = stored.open().await;
        let session = added(&store, token("ann", CONSOLE, 0)).await;
        let link = added(&store, token("ann", LINK, 0)).await;
        let ended = added(&store, token("ann", CONSOLE, 60 * 24 * 9)).await;
        let client = added(&store, token("ann", "claude", 0)).await;
        store.revoke_token(&ended, "ann", now()).await.unwrap();
        assert_eq!(store.forget_sessions(now()).await.unwrap(), 0);
        let after = now() + DAY + Duration::from_secs(1);
        assert_eq!(store.forget_sessions(after).await.unwrap(), 2);
        let later = after + 9 * DAY;
        assert_eq!(store.forget_sessions(later).await.unwrap(), 1);
        for (id, kept) in [
            (session, false),
            (link, false),
            (ended, false),
            (client, true),
        ] {
            assert_eq!(store.token(&id).await.unwrap().is_some(), kept);
        }
        store.close().await;
    }
}

#[tokio::test]
async fn tokens_are_told_page_by_page_and_counted_for_each_person() {
    for stored in [Stored::sqlite(), Stored::postgres().await] {
        let (store, _) = stored.open().await;
        for minute in 0..7 {
            // Some begin at the same moment.
            added(&store, token("ann", "claude", minute / 2)).await;
            added(&store, token("ann", CONSOLE, minute / 2)).await;
            added(&store, token("bob", CONSOLE, minute)).await;
            added(&store, token("ann", LINK, minute)).await;
        }
        let mut filter = TokenFilter {
            limit: 2,
            ..TokenFilter::default()
        };
        let mut told = Vec::new();
        loop {
            let page = store.tokens(&filter).await.unwrap();
            let Some(last) = page.last() else { break };
            filter.after = Some(last.clone());
            told.extend(page);
        }
        assert_eq!(told.len(), 21, "each once");
        let mut ids: Vec<&String> = told.iter().map(|token| &token.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 21);
        let clients = told.iter().take_while(|token| token.client == "claude");
        assert_eq!(clients.count(), 7, "those of AI clients come first");
        let later = now() + DAY + Duration::from_secs(1);
        filter = TokenFilter {
            person: Some("bob".to_owned()),
            in_force: Some(later),
            limit: 100,
            after: None,
        };
        assert_eq!(store.tokens(&filter).await.unwrap().len(), 6);
        let counted = store.tokens_by_person(None, later).await.unwrap();
        assert_eq!(counted["bob"].in_force, 6);
        let alone = store.tokens_by_person(Some("bob"), later).await.unwrap();
        assert_eq!(alone.keys().collect::<Vec<_>>(), ["bob"]);
        for (minute, group) in [(20, "old"), (21, "new")] {
            let mut session = token("eve", CONSOLE, minute);
            let person = Person {
                id: "eve".to_owned(),
                groups: [group.to_owned()].into(),
                ..Person::unknown()
            };
            session.claims = Some(Claims {
                person,
                listed: false,
            });
            added(&store, session).await;
        }
        let said = store.signed_in(None).await.unwrap();
        assert_eq!(said.len(), 1, "the last of each: {said:?}");
        let groups = &said[0].claims.as_ref().unwrap().person.groups;
        assert!(groups.contains("new"), "{said:?}");
        store.close().await;
    }
}
