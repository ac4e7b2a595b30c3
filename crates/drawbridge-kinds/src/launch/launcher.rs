//! The child that becomes a foreign program, after it has given up what is not granted.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt::Display,
    fs,
    io::{self, Read, Write},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use rustix::process::{Resource, Signal, getppid, set_parent_process_death_signal};

use super::{Confinement, NOT_FOUND, NOT_STARTED, REFUSED, Request, SEARCH, calls, files};
use crate::confine::{limit, powerless};

/// How the name of a program's variable begins until it is the program's: the launcher itself must not obey
/// it, since it is not confined yet, and its loader and allocator have variables of their own.
const VARIABLE: &str = "DRAWBRIDGE_VARIABLE_";
/// The first descriptor after standard input, output and error.
const FIRST_CLOSED: i32 = 3;
/// As much of a script's first line as the kernel reads, in bytes.
const FIRST_LINE: u64 = 256;

/// Why the program was not started, for people, and the code to exit with.
pub(super) struct Refusal {
    pub code: u8,
    pub reason: String,
}

impl Refusal {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            code: REFUSED,
            reason: reason.into(),
        }
    }

    fn not_found(reason: String) -> Self {
        let code = NOT_FOUND;
        Self { code, reason }
    }
}

/// A program's environment on its way past the launcher.
pub(super) fn veiled(
    environment: &BTreeMap<String, String>,
) -> impl Iterator<Item = (String, &String)> {
    let variables = environment.iter();
    variables.map(|(name, value)| (format!("{VARIABLE}{name}"), value))
}

/// The same out of the launcher's own environment, once it may be obeyed.
fn unveiled(
    own: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    own.filter_map(|(name, value)| {
        let name = name.as_bytes().strip_prefix(VARIABLE.as_bytes())?;
        Some((OsStr::from_bytes(name).to_owned(), value))
    })
}

/// The child's main, with its environment: confines itself and becomes the program `command`. It comes
/// back only when it cannot, and has said why on standard error.
#[must_use]
pub fn child(
    request: &str,
    command: &[String],
    own: impl Iterator<Item = (OsString, OsString)>,
) -> ExitCode {
    ExitCode::from(told(request, command, own))
}

/// As [`child`]: the code to exit with.
pub(super) fn told(
    request: &str,
    command: &[String],
    own: impl Iterator<Item = (OsString, OsString)>,
) -> u8 {
    let Err(refusal) = become_program(request, command, own);
    let line = refusal.reason.replace('\n', " ");
    // Without anyone who reads it, the exit code tells as much as there is to tell.
    let _ = writeln!(io::stderr(), "{NOT_STARTED}{line}");
    refusal.code
}

fn become_program(
    request: &str,
    command: &[String],
    own: impl Iterator<Item = (OsString, OsString)>,
) -> Result<std::convert::Infallible, Refusal> {
    let request: Request = serde_json::from_str(request)
        .map_err(|error| Refusal::new(format!("the request is not understood: {error}")))?;
    let [name, arguments @ ..] = command else {
        return Err(Refusal::new("no program is named"));
    };
    die_with(request.parent)?;
    // All that the gateway opens is closed by the kernel, but not what it was given by others.
    close_fds::set_fds_cloexec_threadsafe(FIRST_CLOSED, &[]);
    let path = found(name, &request.search)?;
    limits(&request.confinement).map_err(|error| cannot("limit what it uses", error))?;
    powerless().map_err(|error| cannot("give up what only root may do", error))?;
    files::confine(&request.confinement)?;
    calls::confine(request.confinement.network)?;
    let error = Command::new(&path)
        .arg0(name)
        .args(arguments)
        .env_clear()
        .env("PATH", SEARCH)
        .envs(unveiled(own))
        .exec();
    Err(not_executed(&path, &error))
}

pub(super) fn cannot(what: &str, error: impl Display) -> Refusal {
    Refusal::new(format!("cannot {what}: {error}"))
}

/// Sees to it that this process ends with the gateway.
fn die_with(parent: i32) -> Result<(), Refusal> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| cannot("end with the gateway", error))?;
    // One that died before is not told of any more.
    match getppid() {
        Some(now) if now.as_raw_nonzero().get() == parent => Ok(()),
        _ => Err(Refusal::new("the gateway is gone")),
    }
}

fn limits(confinement: &Confinement) -> io::Result<()> {
    // Secrets are in its memory: no crash writes it to a disk.
    limit(Resource::Core, 0)?;
    // What it can write to, and not `Resource::As`: V8 and others reserve many times the addresses
    // that they ever use.
    limit(Resource::Data, confinement.memory)?;
    limit(Resource::Cpu, confinement.cpu)?;
    limit(Resource::Nofile, confinement.open_files)?;
    limit(Resource::Nproc, confinement.processes)
}

/// Where the program is: as it is named if that is a path, else the first that can be executed.
fn found(name: &str, search: &str) -> Result<PathBuf, Refusal> {
    if name.contains('/') {
        let path = PathBuf::from(name);
        return match path.try_exists() {
            Ok(true) => Ok(path),
            Ok(false) => Err(Refusal::not_found(format!(
                "there is no program `{name}`; install it, or name where it is"
            ))),
            Err(error) => Err(cannot(&format!("look for `{name}`"), error)),
        };
    }
    let folders = search.split(':').filter(|folder| !folder.is_empty());
    let mut paths = folders.map(|folder| Path::new(folder).join(name));
    paths.find(|path| executable(path)).ok_or_else(|| {
        Refusal::not_found(format!(
            "there is no program `{name}` in `{search}`; install it, name its whole path, or set \
             `PATH` in its environment"
        ))
    })
}

fn executable(path: &Path) -> bool {
    let about = fs::metadata(path);
    about.is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

/// Why the kernel did not execute what is there.
fn not_executed(path: &Path, error: &io::Error) -> Refusal {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {}
        // It was there before: what is missing is what its first line names.
        io::ErrorKind::NotFound => {
            let interpreter = interpreter(path).unwrap_or_else(|| "what executes it".into());
            let interpreter = interpreter.display();
            return Refusal::not_found(format!(
                "`{shown}` needs `{interpreter}`, which is not there; install it"
            ));
        }
        _ => return cannot(&format!("execute `{shown}`"), error),
    }
    let mut links = vec![path.to_owned()];
    links.extend(interpreter(path));
    let real = links.iter().filter_map(|path| fs::canonicalize(path).ok());
    for real in real {
        if fs::File::open(&real).is_err() {
            let folder = real.parent().unwrap_or(&real).display();
            let real = real.display();
            return Refusal::new(format!(
                "`{shown}` may not execute `{real}`; add `{folder}` to `files.read`"
            ));
        }
    }
    Refusal::new(format!(
        "`{shown}` may not be executed; make it executable, and add the folders of what it is \
         executed by to `files.read`"
    ))
}

/// The program that a script's first line names.
fn interpreter(path: &Path) -> Option<PathBuf> {
    let mut first = Vec::new();
    let file = fs::File::open(path).ok()?;
    file.take(FIRST_LINE).read_to_end(&mut first).ok()?;
    let line = first.strip_prefix(b"#!")?;
    let line = String::from_utf8_lossy(line.split(|byte| *byte == b'\n').next()?);
    line.split_whitespace().next().map(PathBuf::from)
}
