//! Real programs that try what they may not.

mod acts;
mod ends;
mod starts;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use tokio::io::AsyncReadExt;

use super::*;

const HELPER: &str = "launch::tests::inside";
/// What the helper says before it becomes the program.
const BEFORE: &str = "\nrunning 1 test\n";
/// Far longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

#[test]
#[ignore = "it becomes another program: the tests start it in processes of its own"]
fn inside() {
    let mut words = std::env::args().skip_while(|word| word != "--").skip(1);
    if words.next().unwrap() == "keep" {
        let _ = keeper::child();
        std::process::exit(0);
    }
    let (request, command) = (words.next().unwrap(), words.skip(1).collect::<Vec<_>>());
    std::process::exit(launcher::told(&request, &command, std::env::vars_os()).into());
}

/// A folder with a program that is started as the gateway starts its own, a folder `granted` that
/// may be read, one `kept` that may be written, and a file `secret` that is not granted.
struct Bench {
    folder: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

/// What a program said, and how it ended.
struct Said {
    output: String,
    errors: String,
    status: ExitStatus,
}

impl Bench {
    fn new() -> Self {
        Self::prepared("")
    }

    /// With a line of shell before the program starts.
    fn prepared(line: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let test = std::env::current_exe().unwrap();
        // With two threads, the helper says nothing more before it is another program.
        let script = format!(
            "#!/bin/sh\n{line}\nexec '{}' --ignored --exact {HELPER} --nocapture \
             --test-threads=2 -- \"$@\"\n",
            test.display()
        );
        for name in ["granted", "kept"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join("secret"), "hush").unwrap();
        let bench = Self {
            folder,
            environment: BTreeMap::new(),
        };
        let program = bench.write("program", &script);
        fs::set_permissions(program, fs::Permissions::from_mode(0o700)).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    fn confinement(&self) -> Confinement {
        Confinement {
            read: vec![self.path("granted")],
            write: vec![self.path("kept")],
            network: false,
            memory: 1 << 30,
            processes: 4_096,
            open_files: 256,
            cpu: 60,
        }
    }

    fn start(&self, command: &[&str], confinement: &Confinement) -> Started {
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        start(&Launch {
            program: &self.path("program"),
            command: &command,
            folder: &self.path("granted"),
            environment: &self.environment,
            confinement,
        })
        .unwrap()
    }

    async fn said(&self, command: &[&str]) -> Said {
        self.said_with(command, &self.confinement()).await
    }

    /// What it says until it ends by itself.
    async fn said_with(&self, command: &[&str], confinement: &Confinement) -> Said {
        let mut started = self.start(command, confinement);
        let (mut stdout, mut stderr) = (started.stdout().unwrap(), started.stderr().unwrap());
        let (mut output, mut errors) = (String::new(), String::new());
        let said = async {
            let read = (
                stdout.read_to_string(&mut output),
                stderr.read_to_string(&mut errors),
            );
            let (output, errors) = tokio::join!(read.0, read.1);
            output.unwrap();
            errors.unwrap();
            started.ended().await;
        };
        tokio::time::timeout(LONG, said).await.unwrap();
        let output = output.strip_prefix(BEFORE).unwrap_or(&output).to_owned();
        let status = started.end().await.unwrap();
        Said {
            output,
            errors,
            status,
        }
    }
}

/// Where a program is that the tests need; `None` where the machine has it not.
fn found(name: &str) -> Option<PathBuf> {
    let mut paths = SEARCH.split(':').map(|folder| Path::new(folder).join(name));
    let found = paths.find(|path| path.exists());
    if found.is_none() {
        eprintln!("not shown here: there is no `{name}` in {SEARCH}");
    }
    found
}

/// The processes with this word on their command line; what has ended has none.
fn alive(mark: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(mark)).collect()
}

/// Waits until nothing with this word lives.
async fn gone(mark: &str) {
    let wait = async {
        while !alive(mark).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(LONG, wait).await;
    assert!(waited.is_ok(), "{:?}", alive(mark));
}
