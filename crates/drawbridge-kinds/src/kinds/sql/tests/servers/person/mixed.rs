//! Many people over few connections: none is ever taken for another.

use std::time::Duration;

use drawbridge_core::answer::Status;
use tokio::{runtime::Handle, task::JoinSet};

use super::{
    super::super::super::{apply, window::known_of},
    super::Other,
    *,
};

/// How many people ask at the same time, of more than there are connections.
const PEOPLE: usize = 14;
/// How often each of them asks.
const ROUNDS: usize = 20;

/// Asks again while all connections are lent.
async fn patient<T>(ask: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    loop {
        match ask().await {
            Err(failure) if failure.status == Status::Limited => {}
            done => return done,
        }
    }
}

/// What somebody does, turn by turn: looks who they are, goes away in the middle of a question, asks
/// what the database cannot work out, adds a row, lists.
async fn turns(database: Arc<Database>, who: Caller, (role, region): (String, String)) -> usize {
    let acting = database.own.acting(&known_of(&who)).unwrap();
    let id = &*who.person.id;
    let number: usize = id[1..].parse().unwrap();
    let stamp = match database.own.tables["tickets"].dialect {
        Dialect::MariaDb => format!("for {id}"),
        _ => format!("{role} for {id}"),
    };
    let subject = format!("{stamp} in {region}");
    let mut added = 0;
    for round in 0..ROUNDS {
        match (number + round) % 5 {
            0 => {
                let now = patient(async || {
                    let reading = database.base.read(&acting).await;
                    reading.map(drop)?;
                    Ok(state(&database, &acting).await)
                });
                let expected = [role.clone(), region.clone(), id.to_owned()];
                assert_eq!(now.await.unwrap(), expected);
            }
            1 => {
                let soon = Duration::from_micros(900 * (round as u64 % 7));
                let _ = tokio::time::timeout(soon, ask(&database, &who, ("list", "notes"))).await;
            }
            2 => {
                let text = "SELECT 9223372036854775807 + id FROM tickets";
                let asked = patient(async || question(&database, &who, text).await).await;
                assert_eq!(asked.unwrap_err().status, Status::Invalid);
            }
            3 => {
                let plan = patient(async || {
                    let values = json!({"values": {"subject": subject}});
                    planned(&database, &who, ("insert", "tickets"), values).await
                });
                let plan = plan.await.unwrap();
                let key = format!("{id}r{round}");
                patient(async || apply::apply(&database, &plan, &key).await)
                    .await
                    .unwrap();
                added += 1;
            }
            _ => {
                let listed = patient(async || ask(&database, &who, ("list", "tickets")).await);
                let listed = listed.await.unwrap();
                let rows = listed.data["rows"].as_array().unwrap();
                let foreign = rows.iter().any(|row| row["region"] != region.as_str());
                let all = database.own.tables["tickets"].dialect == Dialect::MariaDb;
                assert!(all || !foreign, "{rows:?}");
            }
        }
    }
    added
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn people_at_the_same_time_are_never_mixed_up() {
    for engine in SERVERS {
        let site = Site::new(engine).await;
        let database = Arc::new(site.open(&telling(), true));
        let mut people = JoinSet::new();
        for number in 0..PEOPLE {
            let region = ["north", "south"][number % 2];
            let who = site.caller(&format!("p{number}"), region);
            let of = (site.role(region), region.to_owned());
            let (database, here) = (database.clone(), Handle::current());
            people.spawn_blocking(move || here.block_on(turns(database, who, of)));
        }
        let mut added = 0;
        while let Some(done) = people.join_next().await {
            added += done.unwrap();
        }
        let rows = all(&site, "tickets").await;
        let made: Vec<&Value> = rows
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row[0].as_i64().unwrap() >= 1_000)
            .collect();
        assert_eq!(made.len(), added);
        for row in made {
            let stamp = format!(
                "{} in {}",
                row[3].as_str().unwrap(),
                row[1].as_str().unwrap()
            );
            assert_eq!(row[2], stamp.as_str(), "{row}");
        }
        println!(
            "{engine:?}: {} calls of {PEOPLE} people, {added} rows",
            PEOPLE * ROUNDS
        );
        assert_eq!(state(&database, &Acting::account()).await, nobody(&site));
    }
}

/// Leaves a connection as nobody should leave one, and looks what the next one finds.
#[tokio::test]
async fn nothing_of_a_person_is_left_on_a_connection() {
    for engine in SERVERS {
        let site = Site::new(engine).await;
        let database = site.open(&telling(), true);
        let anna = site.caller("anna", "north");
        let acting = database.own.acting(&known_of(&anna)).unwrap();
        // Acts for somebody, and so on the same connections, and tells nothing of who they are.
        let other = site.open(&json!({"settings": {"app.client": ":person.id"}}), true);
        let bare = other.own.acting(&known_of(&anna)).unwrap();
        let own = [site.role("north"), "north".to_owned(), "anna".to_owned()];
        for ending in ["end", "error", "drop", "cancel", "not a member"] {
            assert_eq!(state(&database, &acting).await, own, "{engine:?} {ending}");
            match ending {
                "error" => {
                    let mut reading = database.base.read(&acting).await.unwrap();
                    let broken = Statement::new("SELECT * FROM nowhere");
                    assert!(broken.rows(reading.connection()).await.is_err());
                }
                "drop" => {
                    let mut writing = database.base.write("k", &acting).await.unwrap();
                    let set = Statement::new("UPDATE tickets SET subject = 'x'");
                    set.run(writing.connection()).await.unwrap();
                }
                "cancel" => cancelled(&site, &database, &acting).await,
                "not a member" => {
                    let nobody = caller("bob", &[("role", "nowhere"), ("region", "south")]);
                    let refused = ask(&database, &nobody, ("list", "notes")).await;
                    assert_eq!(refused.unwrap_err().status, Status::Denied);
                }
                _ => {}
            }
            // What tidies up is done soon; a connection is lent only when it is tidy.
            for _ in 0..8 {
                assert_eq!(
                    state(&database, &bare).await,
                    nobody(&site),
                    "{engine:?} {ending}"
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let account = state(&database, &Acting::account()).await;
            assert_eq!(account, nobody(&site), "{engine:?} {ending}");
        }
        let rows = all(&site, "tickets").await;
        assert!(!rows.to_string().contains("\"x\""), "{rows}");
    }
}

/// A statement that is stopped by the server's hand, and one whose connection is ended.
async fn cancelled(site: &Site, database: &Database, acting: &Acting) {
    let words = match site.engine() {
        Engine::MariaDb => "SELECT SLEEP(20) FROM tickets",
        _ => "SELECT pg_sleep(20)::text FROM tickets",
    };
    for whole in [false, true] {
        let mut reading = database.base.read(acting).await.unwrap();
        let mut other = Other::new(&site.bench.place).await;
        let (stopped, ()) = tokio::join!(Statement::new(words).rows(reading.connection()), async {
            other.until_running(1).await;
            if whole {
                other.kill().await;
            } else {
                other.stop().await;
            }
        });
        // MariaDB calls a sleep that was stopped a short one.
        assert!(stopped.is_err() || !whole, "{stopped:?}");
    }
}

/// Stopping is the account's doing, whatever role the connection took.
#[tokio::test]
async fn what_a_person_does_not_wait_for_is_stopped_in_the_server() {
    for engine in SERVERS {
        let site = Site::new(engine).await;
        let database = site.open(&telling(), true);
        let (anna, bob) = (site.caller("anna", "north"), site.caller("bob", "south"));
        let mut holds = Other::new(&site.bench.place).await;
        holds.hold_table().await;
        let mut watches = Other::new(&site.bench.place).await;
        tokio::select! {
            _ = ask(&database, &anna, ("list", "tickets")) => panic!("it did not wait"),
            () = watches.until_running(1) => {}
        }
        // The other program holds the table all the time.
        watches.until_running(0).await;
        holds.let_go().await;
        let acting = database.own.acting(&known_of(&bob)).unwrap();
        let own = [site.role("south"), "south".to_owned(), "bob".to_owned()];
        assert_eq!(state(&database, &acting).await, own);
    }
}
