//! Somebody between the connector and its server, who cuts a connection when it commits, or says
//! nothing any more on those that are there.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::super::super::{Database, base::Base, part::Target};

/// What it does to connections.
#[derive(Clone, Default)]
struct Does {
    cuts: Arc<AtomicBool>,
    made: Arc<AtomicUsize>,
    /// Connections with smaller numbers are silent.
    silent: Arc<AtomicUsize>,
}

pub(super) struct Proxy {
    port: u16,
    does: Does,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// Before a server; what it cuts off arrives there, or does not.
    pub(super) async fn before(server: &str, arrives: bool) -> Self {
        let (_, place) = server.rsplit_once('@').unwrap();
        let place = place.split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let does = Does::default();
        let done = does.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&place).await.unwrap();
                let number = done.made.fetch_add(1, Ordering::SeqCst);
                running.spawn(between((client, server), number, (done.clone(), arrives)));
            }
        });
        Self {
            port,
            does,
            _serving: serving,
        }
    }

    pub(super) fn cut_the_next_commit(&self) {
        self.does.cuts.store(true, Ordering::SeqCst);
    }

    /// Nothing comes through any more on the connections that are there.
    pub(super) fn silence(&self) {
        let made = self.does.made.load(Ordering::SeqCst);
        self.does.silent.store(made, Ordering::SeqCst);
    }

    /// Has a connector go through it.
    pub(super) fn lead(&self, database: &mut Database) {
        if let Target::Server(address) = &mut database.own.target {
            address.port = Some(self.port);
        }
        database.base = Base::new(&database.own, None);
    }
}

async fn between(
    (mut client, mut server): (TcpStream, TcpStream),
    number: usize,
    (does, arrives): (Does, bool),
) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(count @ 1..) = read else { return };
                if number < does.silent.load(Ordering::SeqCst) {
                    std::future::pending::<()>().await;
                }
                let bytes = &asked[..count];
                let commits = bytes.ends_with(b"COMMIT") || bytes.ends_with(b"COMMIT\0");
                if commits && does.cuts.swap(false, Ordering::SeqCst) {
                    if arrives {
                        server.write_all(bytes).await.unwrap();
                        // Its answer is read, and kept from the client.
                        let _ = server.read(&mut answered).await;
                    }
                    return;
                }
                if server.write_all(bytes).await.is_err() { return }
            }
            read = server.read(&mut answered) => {
                let Ok(count @ 1..) = read else { return };
                if client.write_all(&answered[..count]).await.is_err() { return }
            }
        }
    }
}
