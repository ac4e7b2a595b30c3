//! Reading a secret: from stdin, or from whoever is at the terminal, without showing it.

use std::io::{IsTerminal, Read, Stdin, Write, stderr, stdin};

use drawbridge_core::{credential::Version, secret::Secret};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The secret for a credential. Of what comes by stdin, one line break at the end is left out unless
/// it is to be taken exactly.
pub(in crate::cli) async fn read(name: &str, exact: bool) -> anyhow::Result<Secret<String>> {
    let name = name.to_owned();
    // Nobody knows when somebody types.
    let read = tokio::task::spawn_blocking(move || {
        if stdin().is_terminal() {
            asked(&name)
        } else {
            piped(exact)
        }
    });
    read.await?
}

fn piped(exact: bool) -> anyhow::Result<Secret<String>> {
    let most = Version::MOST_BYTES;
    let mut bytes = Vec::new();
    stdin()
        .lock()
        .take(most as u64 + 3)
        .read_to_end(&mut bytes)?;
    if !exact && bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() {
        anyhow::bail!(
            "no secret came on stdin; pipe it in from where it is kept, or run this at a terminal to \
             be asked"
        );
    }
    if bytes.len() > most {
        anyhow::bail!("what came on stdin has more than {most} bytes; pipe in the secret alone");
    }
    // The error would hold the bytes.
    let text = String::from_utf8(bytes).map_err(|_| {
        anyhow::anyhow!("what came on stdin is no UTF-8 text; pipe it through base64")
    })?;
    Ok(Secret::new(text))
}

fn asked(name: &str) -> anyhow::Result<Secret<String>> {
    let first = line(&format!("Secret for {name}: "))?;
    if first.expose().is_empty() {
        anyhow::bail!("nothing was typed; the secret stays as it was");
    }
    let again = line("The same again: ")?;
    if first.expose() != again.expose() {
        anyhow::bail!("these were two different secrets; start over");
    }
    Ok(first)
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Silent {
    terminal: Stdin,
    before: Termios,
}

impl Silent {
    fn new() -> anyhow::Result<Self> {
        let terminal = stdin();
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        // Keys come one by one, and Ctrl-C as a key: the terminal is put right before this ends.
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
        let _ = writeln!(stderr());
    }
}

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const CTRL_U: u8 = 21;
const DELETE: u8 = 127;

fn line(question: &str) -> anyhow::Result<Secret<String>> {
    // Nobody types before the question stands there.
    let silent = Silent::new()?;
    let mut shown = stderr();
    write!(shown, "{question}")?;
    shown.flush()?;
    let mut typed = Vec::new();
    for key in silent.terminal.lock().bytes() {
        match key? {
            b'\n' | b'\r' | CTRL_D => break,
            CTRL_C => anyhow::bail!("stopped; the secret stays as it was"),
            CTRL_U => typed.clear(),
            BACKSPACE | DELETE => take_back(&mut typed),
            _ if typed.len() >= Version::MOST_BYTES => anyhow::bail!("that is too long"),
            key => typed.push(key),
        }
    }
    let text = String::from_utf8(typed).map_err(|_| anyhow::anyhow!("that is no UTF-8 text"))?;
    Ok(Secret::new(text))
}

/// Takes the last letter back, which may be several bytes.
fn take_back(typed: &mut Vec<u8>) {
    while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}
