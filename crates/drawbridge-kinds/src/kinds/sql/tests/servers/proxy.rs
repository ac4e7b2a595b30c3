//! Somebody between the connector and its server, who cuts a connection when it commits.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

pub(super) struct Proxy {
    pub(super) port: u16,
    cuts: Arc<AtomicBool>,
    _serving: JoinSet<()>,
}

impl Proxy {
    /// Before a server; what it cuts off arrives there, or does not.
    pub(super) async fn before(server: &str, arrives: bool) -> Self {
        let (_, place) = server.rsplit_once('@').unwrap();
        let place = place.split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = Arc::new(AtomicBool::new(false));
        let cut = cuts.clone();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&place).await.unwrap();
                running.spawn(between(client, server, (cut.clone(), arrives)));
            }
        });
        Self {
            port,
            cuts,
            _serving: serving,
        }
    }

    pub(super) fn cut_the_next_commit(&self) {
        self.cuts.store(true, Ordering::SeqCst);
    }
}

async fn between(
    mut client: TcpStream,
    mut server: TcpStream,
    (cuts, arrives): (Arc<AtomicBool>, bool),
) {
    let (mut asked, mut answered) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(count @ 1..) = read else { return };
                let bytes = &asked[..count];
                let commits = bytes.ends_with(b"COMMIT") || bytes.ends_with(b"COMMIT\0");
                if commits && cuts.swap(false, Ordering::SeqCst) {
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
