//! A server that was started here, over its standard input and output: a message a line.

use std::{io, sync::Arc};

use rmcp::{
    RoleClient,
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{ChildStdin, ChildStdout},
    sync::Mutex,
    task::JoinHandle,
};

use super::{
    MOST_BYTES, Why,
    progress::Progress,
    question::client,
    whole::{self, Come},
};

/// The id of the question by which a server's age is told. No id of the SDK is a text.
const PROBE: &str = "drawbridge-probe";
/// How many messages may come that answer nothing, before one that does.
const MOST_UNASKED: u32 = 100_000;

/// Both ends, and what of a line has come so far.
pub(super) struct Pipe {
    input: Arc<Mutex<Option<ChildStdin>>>,
    output: BufReader<ChildStdout>,
    line: Vec<u8>,
    /// A large message that is being read.
    reading: Option<JoinHandle<serde_json::Result<Come>>>,
    /// How many messages came since the last answer.
    unasked: u32,
    why: Why,
    progress: Progress,
}

/// Whether a server speaks MCP without a handshake, as since 2026-07-28.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Era {
    Modern,
    Legacy,
}

impl Pipe {
    pub(super) fn new(
        (input, output): (ChildStdin, ChildStdout),
        why: Why,
        progress: Progress,
    ) -> Self {
        Self {
            input: Arc::new(Mutex::new(Some(input))),
            output: BufReader::with_capacity(64 << 10, output),
            line: Vec::new(),
            reading: None,
            unasked: 0,
            why,
            progress,
        }
    }

    /// Asks which era the server is of. The SDK's own way gives up after ten seconds and is confused by
    /// an answer that comes later; a program that is fetched before it starts takes longer.
    ///
    /// None where the server ended on being asked: it is of an older era, and must be started again.
    pub(super) async fn era(&mut self) -> io::Result<Option<Era>> {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": client(),
        });
        let ask = json!({"jsonrpc": "2.0", "id": PROBE, "method": "server/discover", "params": {"_meta": meta}});
        if write(&self.input, ask.to_string()).await.is_err() {
            return Ok(None);
        }
        loop {
            match self.next().await? {
                None => return Ok(None),
                Some(come) if come.head.get("id").is_some_and(|id| *id == PROBE) => {
                    let modern = come.head.get("result").is_some();
                    return Ok(Some(if modern { Era::Modern } else { Era::Legacy }));
                }
                // It may answer an error without an id, for want of one that it understands.
                Some(come) if come.head.get("error").is_some() => return Ok(Some(Era::Legacy)),
                Some(_) => {}
            }
        }
    }

    /// The next message; none when there are no more. May be dropped at any point: what has come of
    /// a line is kept, and a message that is being read.
    async fn next(&mut self) -> io::Result<Option<Come>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let read = reading.await;
                self.reading = None;
                return read?.map(Some).map_err(|_| not_read());
            }
            let come = self.output.fill_buf().await?;
            if come.is_empty() {
                return Ok(None);
            }
            // Most of a long line holds no end, and looking for one is quicker than looking where it is.
            let end = come
                .contains(&b'\n')
                .then(|| come.iter().position(|byte| *byte == b'\n'));
            let end = end.flatten();
            let (taken, whole) = end.map_or((come.len(), false), |end| (end + 1, true));
            if self.line.len() + taken > MOST_BYTES {
                let told = format!("it sent a message of more than {MOST_BYTES} bytes");
                return Err(io::Error::other(told));
            }
            self.line
                .extend_from_slice(come.get(..taken).unwrap_or_default());
            self.output.consume(taken);
            if !whole {
                continue;
            }
            let line = std::mem::take(&mut self.line);
            // Programs that print something of their own to standard output are common; what looks
            // like a message and is none is an answer that somebody waits for.
            if line.trim_ascii_start().first() != Some(&b'{') {
                continue;
            }
            if line.len() < whole::LARGE {
                return Come::read(&line).map(Some).map_err(|_| not_read());
            }
            self.reading = Some(tokio::task::spawn_blocking(move || Come::read(&line)));
        }
    }
}

fn not_read() -> io::Error {
    io::Error::other("it sent a message that is no JSON, too deep, or of too many parts")
}

async fn write(input: &Mutex<Option<ChildStdin>>, message: String) -> io::Result<()> {
    let mut line = message.into_bytes();
    line.push(b'\n');
    // Held while a message is written: two would mix.
    match &mut *input.lock().await {
        Some(input) => {
            input.write_all(&line).await?;
            input.flush().await
        }
        None => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

impl Transport<RoleClient> for Pipe {
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let input = self.input.clone();
        async move { write(&input, serde_json::to_string(&message)?).await }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            let Come { head, message } = match self.next().await {
                Ok(come) => come?,
                Err(error) => {
                    self.why.say(error.to_string());
                    return None;
                }
            };
            // An answer that came after it was no longer waited for; the SDK knows of no question.
            if head.get("id").is_some_and(|id| *id == PROBE) {
                continue;
            }
            self.unasked = match head.get("method") {
                Some(_) => self.unasked + 1,
                None => 0,
            };
            if self.unasked > MOST_UNASKED {
                self.why
                    .say("it tells without end what it was not asked for");
                return None;
            }
            if self.progress.take(&head) {
                continue;
            }
            match message {
                Ok(message) => return Some(message),
                Err(_) => {
                    self.why.say("it sent a message that is none of MCP");
                    return None;
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.input.lock().await.take();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    /// The SDK drops what it waits for whenever it has something to send.
    #[tokio::test]
    async fn a_large_message_is_not_lost_with_who_waited_for_it() {
        let mut cat = tokio::process::Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let ends = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
        let mut pipe = Pipe::new(ends, Why::default(), Progress::default());
        let text = "x".repeat(whole::LARGE);
        let input = pipe.input.clone();
        let mut sending = tokio::task::JoinSet::new();
        sending.spawn(async move {
            for id in 0..3 {
                let message = json!({"jsonrpc": "2.0", "id": id, "result": {"text": text}});
                write(&input, message.to_string()).await.unwrap();
            }
        });
        let (mut come, mut dropped) = (Vec::new(), 0);
        while come.len() < 3 {
            tokio::select! {
                biased;
                message = pipe.receive() => come.push(message.unwrap()),
                () = tokio::task::yield_now() => dropped += 1,
            }
        }
        sending.join_next().await.unwrap().unwrap();
        assert!(dropped > 0);
        for (id, message) in come.into_iter().enumerate() {
            let message = serde_json::to_value(message).unwrap();
            assert_eq!(message["id"], id);
            assert!(message.to_string().len() > whole::LARGE);
        }
    }
}
