//! The child that reads files: it gives up what it does not need, then parses.

use std::{
    io::{Read, Write},
    process::ExitCode,
};

use super::{Unreadable, read};
use crate::confine::confine;

/// The largest file that is read, in bytes.
pub(super) const MOST_BYTES: usize = 64 << 20;
/// The stack of the thread that parses: nested input must not overflow it.
const STACK: usize = 256 << 20;

/// The child's main: confines itself, then answers on stdout for each file on stdin.
#[must_use]
pub fn child() -> ExitCode {
    let Ok(confined) = confine() else {
        return ExitCode::FAILURE;
    };
    let serve = move || {
        let mut output = std::io::stdout().lock();
        output.write_all(&[confined])?;
        output.flush()?;
        answer_all(&mut std::io::stdin().lock(), &mut output)
    };
    let worker = std::thread::Builder::new().stack_size(STACK).spawn(serve);
    match worker.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Answers for each file on `input`, until it ends.
///
/// # Errors
/// When a frame is too long or cut off, and when `output` does not take the answer.
pub fn answer_all(input: &mut impl Read, output: &mut impl Write) -> std::io::Result<()> {
    loop {
        let Ok(path) = frame(input) else {
            return Ok(());
        };
        let bytes = frame(input)?;
        let path = String::from_utf8_lossy(&path).into_owned();
        let extracted =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&path, &bytes)))
                .unwrap_or_else(|_| Err(Unreadable::new("the parser broke on it")));
        let answer = serde_json::to_vec(&extracted)?;
        let length = u32::try_from(answer.len()).map_err(std::io::Error::other)?;
        output.write_all(&length.to_be_bytes())?;
        output.write_all(&answer)?;
        output.flush()?;
    }
}

fn frame(input: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MOST_BYTES {
        return Err(std::io::Error::other("a frame is too long"));
    }
    // Grows with what is there, not with what is announced.
    let mut bytes = Vec::new();
    let announced = u64::try_from(length).map_err(std::io::Error::other)?;
    if Read::take(&mut *input, announced).read_to_end(&mut bytes)? < length {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        net::{TcpListener, TcpStream, UdpSocket},
        os::unix::net::UnixStream,
        process::Command,
    };

    use rustix::process::getrlimit;

    use super::*;
    use crate::confine::LIMITS;

    const HELPER: &str = "kinds::documents::extract::child::tests::inside";

    #[test]
    #[ignore = "it takes its process's rights away: the test below runs it in one of its own"]
    fn inside() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        fs::read("/etc/passwd").unwrap();
        TcpStream::connect(address).unwrap();
        let status = confine().unwrap();
        let outcomes = [
            ("read", fs::read("/etc/passwd").map(drop)),
            ("list", fs::read_dir("/").map(drop)),
            ("write", fs::write("/tmp/drawbridge-escaped", "x")),
            ("connect", TcpStream::connect(address).map(drop)),
            ("listen", TcpListener::bind("127.0.0.1:0").map(drop)),
            ("datagram", UdpSocket::bind("127.0.0.1:0").map(drop)),
            ("local", UnixStream::pair().map(drop)),
            ("start", Command::new("/bin/true").spawn().map(drop)),
        ];
        for (name, outcome) in outcomes {
            println!("\n{name}: {}", outcome.is_err());
        }
        for resource in LIMITS.map(|(resource, _)| resource) {
            println!("{resource:?} {:?}", getrlimit(resource).maximum);
        }
        println!("status {status}");
    }

    #[test]
    fn a_confined_process_opens_no_file_and_no_socket() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", HELPER, "--nocapture"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        for attempt in [
            "read", "list", "write", "connect", "listen", "datagram", "local", "start",
        ] {
            assert!(
                said.contains(&format!("\n{attempt}: true")),
                "{attempt}: {said}"
            );
        }
        for limit in ["As Some(1073741824)", "Core Some(0)", "Cpu Some(120)"] {
            assert!(said.contains(limit), "{limit}: {said}");
        }
        println!("{said}");
    }
}
