//! MCP over stdin and stdout: one message a line, each looked at before anything parses it.

use std::sync::Arc;

use drawbridge_core::call::Caller;
use rmcp::ServiceExt;
use serde_json::json;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    sync::mpsc,
};
use tokio_util::task::TaskTracker;

use super::{Handler, Running, record_malformed};
use crate::{
    app::App,
    door::{body::MOST_BYTES, json},
};

/// Bytes between the lines and the protocol.
const PIPE: usize = 64 << 10;
/// Answers to broken lines that wait to be written; with more of them reading waits.
const MOST_FAULTS: usize = 16;

/// MCP over stdin and stdout, for one caller, until stdin ends.
///
/// # Errors
/// When the client does not speak MCP.
pub async fn stdio(app: Arc<App>, caller: Caller, connector: Option<String>) -> anyhow::Result<()> {
    let handler = Handler {
        app: app.clone(),
        connector,
        asks: None,
        fixed: Some(caller.clone()),
        running: Running::default(),
    };
    let (lines, reads) = tokio::io::duplex(PIPE);
    let (writes, written) = tokio::io::duplex(PIPE);
    let (faults, told) = mpsc::channel(MOST_FAULTS);
    let tasks = TaskTracker::new();
    tasks.spawn(async move {
        let input = BufReader::new(tokio::io::stdin());
        if let Err(error) = look(input, lines, (&app, &caller), &faults).await {
            tracing::warn!("stdin cannot be read: {error}");
        }
    });
    tasks.spawn(async move {
        let output = tokio::io::stdout();
        if let Err(error) = write(BufReader::new(written), told, output).await {
            tracing::warn!("stdout cannot be written: {error}");
        }
    });
    tasks.close();
    let service = handler.serve((reads, writes)).await?;
    service.waiting().await?;
    tasks.wait().await;
    Ok(())
}

/// Passes lines on that may be parsed, and answers the others, until the input ends.
async fn look(
    mut input: impl AsyncBufRead + Unpin,
    mut lines: impl AsyncWrite + Unpin,
    (app, caller): (&App, &Caller),
    faults: &mpsc::Sender<String>,
) -> std::io::Result<()> {
    let mut line = Vec::new();
    while let Some(whole) = next(&mut input, &mut line).await? {
        let fault = if whole {
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            json::check(text).err()
        } else {
            Some(format!("a message may have at most {MOST_BYTES} bytes"))
        };
        let Some(fault) = fault else {
            lines.write_all(&line).await?;
            continue;
        };
        let told = match record_malformed(app, (caller, "tools/call"), &fault).await {
            Ok(_) => fault,
            Err(error) => error.to_string(),
        };
        let error = json!({"code": -32700, "message": told});
        let answer = json!({"jsonrpc": "2.0", "id": null, "error": error});
        if faults.send(answer.to_string()).await.is_err() {
            return Ok(());
        }
    }
    lines.shutdown().await
}

/// Reads a line; `false` when it is too long, and then the rest of it is passed over.
async fn next(
    input: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> std::io::Result<Option<bool>> {
    line.clear();
    let most = MOST_BYTES as u64 + 1;
    let mut taken = (&mut *input).take(most);
    if taken.read_until(b'\n', line).await? == 0 {
        return Ok(None);
    }
    if line.len() <= MOST_BYTES || line.ends_with(b"\n") {
        // The last line may have no end; the protocol waits for one.
        if !line.ends_with(b"\n") {
            line.push(b'\n');
        }
        return Ok(Some(true));
    }
    while !line.ends_with(b"\n") {
        line.clear();
        let mut rest = (&mut *input).take(most);
        if rest.read_until(b'\n', line).await? == 0 {
            break;
        }
    }
    Ok(Some(false))
}

/// Writes the protocol's lines and the answers to broken ones, never one inside the other.
async fn write(
    written: impl AsyncBufRead + Unpin,
    mut told: mpsc::Receiver<String>,
    mut output: impl AsyncWrite + Unpin,
) -> std::io::Result<()> {
    let mut lines = written.lines();
    loop {
        let line = tokio::select! {
            Some(fault) = told.recv() => fault,
            line = lines.next_line() => match line? {
                Some(line) => line,
                None => break,
            },
        };
        output.write_all(line.as_bytes()).await?;
        output.write_all(b"\n").await?;
        output.flush().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_lines_are_passed_over_and_the_next_ones_are_read() {
        let long = "x".repeat(MOST_BYTES * 3);
        let text = format!("one\n{long}\ntwo\n\nthree");
        let mut input = BufReader::new(text.as_bytes());
        let mut line = Vec::new();
        let mut seen = Vec::new();
        while let Some(whole) = next(&mut input, &mut line).await.unwrap() {
            assert!(line.len() <= MOST_BYTES + 1);
            seen.push(if whole {
                String::from_utf8(line.clone()).unwrap()
            } else {
                "too long".to_owned()
            });
        }
        assert_eq!(seen, ["one\n", "too long", "two\n", "\n", "three\n"]);
    }
}
