//! Which files a program may open, held by Landlock.

use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    PathFdError, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
    RulesetStatus, Scope,
};

use super::{
    Confinement,
    launcher::{Refusal, cannot},
};

/// What the kernel must know: every access to files, and TCP.
const LEAST: ABI = ABI::V4;
/// What is asked of one that knows more: devices, signals, and sockets that are files.
const MOST: ABI = ABI::V9;

/// What any program needs, where it is there. Nothing of it is a secret: of `/etc`, whole folders
/// are named only when no keys lie in them.
const READ: &[&str] = &[
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/sbin",
    "/usr",
    // libraries
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    // time and names
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mime.types",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/group",
    // networks
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    // The file above is often a link into it, and is replaced while programs run.
    "/run/systemd/resolve",
    // certificates, without the keys beside them
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    // devices
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    // What it is itself, which Node and others measure. Another process that it starts is not: each
    // has a folder of its own, and the rules can hold none that is not there yet.
    "/proc/self",
    // The machine. Not `/proc` as a whole: it tells the arguments of every process, and root finds
    // the whole memory in it.
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/kernel/pid_max",
    "/proc/sys/vm/overcommit_memory",
    "/proc/uptime",
    "/proc/version",
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/possible",
];
/// What any program writes to.
const NOTHING: &str = "/dev/null";

/// Takes every access away that is not granted.
pub(super) fn confine(confinement: &Confinement) -> Result<(), Refusal> {
    let mut rules = ruleset(confinement.network).map_err(loosely)?;
    for path in READ.iter().map(Path::new) {
        if let Ok(opened) = PathFd::new(path) {
            rules = granted(rules, (path, opened), reading())?;
        }
    }
    if let Ok(opened) = PathFd::new(NOTHING) {
        let writes = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
        rules = granted(rules, (Path::new(NOTHING), opened), writes)?;
    }
    for (list, paths, access) in [
        ("read", &confinement.read, reading()),
        ("write", &confinement.write, writing()),
    ] {
        for path in paths {
            let opened = PathFd::new(path).map_err(|error| missing(path, list, error))?;
            rules = granted(rules, (path, opened), access)?;
        }
    }
    let status = rules.restrict_self().map_err(loosely)?;
    match status.ruleset {
        // In part: `LEAST` is there, or an error would have said so, and some of `MOST` is not.
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(loosely("it is switched off")),
    }
}

fn ruleset(network: bool) -> Result<RulesetCreated, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(LEAST))?;
    if !network {
        rules = rules.handle_access(AccessNet::from_all(LEAST))?;
    }
    rules
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(MOST))?
        .scope(Scope::from_all(MOST))?
        .create()
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::from_read(MOST)
}

/// All but making devices and commanding them: through one, root reaches every file of a disk.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::from_all(MOST) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev)
}

/// With an access to what was opened at this path, or is beneath; a link was followed.
fn granted(
    rules: RulesetCreated,
    (path, opened): (&Path, PathFd),
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, Refusal> {
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(MOST)
    };
    rules
        .add_rule(PathBeneath::new(opened, access))
        .map_err(|error| cannot(&format!("grant `{}`", path.display()), error))
}

fn missing(path: &Path, list: &str, error: PathFdError) -> Refusal {
    let path = path.display();
    let PathFdError::OpenCall { source, .. } = error else {
        return cannot(&format!("open `{path}` in `files.{list}`"), error);
    };
    Refusal::new(format!(
        "`{path}` in `files.{list}` cannot be opened: {source}; name a path that is there"
    ))
}

fn loosely(error: impl std::fmt::Display) -> Refusal {
    Refusal::new(format!(
        "this kernel's Landlock cannot confine the program wholly ({error}); run on Linux 6.7 or \
         newer with Landlock switched on"
    ))
}
