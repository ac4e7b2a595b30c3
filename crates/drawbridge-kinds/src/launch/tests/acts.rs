//! What a program may not do.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    os::{linux::net::SocketAddrExt, unix::net::UnixListener},
};

use super::*;

/// What every program may do, whatever it may do else.
const MAY: &[&str] = &[
    "fork",
    "kill own",
    "pair",
    "read granted",
    "read own",
    "read random",
    "start kept",
    "start true",
    "write kept",
    "write null",
];

/// How an attempt must end; the others must end with a refusal of files.
const REFUSED_BY: &[(&str, &str)] = &[
    ("abstract", "EACCES"),
    ("account", "EPERM"),
    ("bpf", "EPERM"),
    ("clone3", "ENOSYS"),
    ("connect", "EACCES"),
    ("datagram pair", "EACCES"),
    ("families", "[]"),
    ("io_uring", "ENOSYS"),
    ("keys", "EPERM"),
    ("limit gateway", "EPERM"),
    ("limit own", "EPERM"),
    ("listen", "EACCES"),
    ("mount", "EPERM"),
    ("namespace", "EPERM"),
    ("owner", "EPERM"),
    ("parent death", "EPERM"),
    (
        "powers",
        "['CapInh:0', 'CapPrm:0', 'CapEff:0', 'CapAmb:0', 'NoNewPrivs:1']",
    ),
    ("raw", "EACCES"),
    ("read memory of another", "EPERM"),
    ("setpgid", "EPERM"),
    ("setsid", "EPERM"),
    ("short setsid", "EPERM"),
    ("signal gateway", "EPERM"),
    ("trace", "EPERM"),
    ("trace me", "EPERM"),
    ("unix", "EACCES"),
    ("unshare", "EPERM"),
];

/// How each attempt of `acts.py` ended.
async fn attempts(bench: &Bench, confinement: &Confinement) -> BTreeMap<String, String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let folder = bench.folder.path().display().to_string();
    let _socket = UnixListener::bind(bench.path("socket")).unwrap();
    let name = std::os::unix::net::SocketAddr::from_abstract_name(&folder).unwrap();
    let _abstract = UnixListener::bind_addr(&name).unwrap();
    let script = bench.write("granted/acts.py", include_str!("acts.py"));
    let gateway = std::process::id().to_string();
    let command = ["python3", &script, &folder, &port, &gateway];
    let said = bench.said_with(&command, confinement).await;
    assert!(said.status.success(), "{}{}", said.output, said.errors);
    let lines = said.output.lines().filter_map(|line| line.split_once(": "));
    lines
        .map(|(name, how)| (name.to_owned(), how.to_owned()))
        .collect()
}

#[tokio::test]
async fn a_program_does_nothing_that_is_not_granted() {
    if found("python3").is_none() {
        return;
    }
    let bench = Bench::new();
    let mut attempts = attempts(&bench, &bench.confinement()).await;
    for name in MAY {
        let how = attempts.remove(*name);
        assert_eq!(how.as_deref(), Some("done"), "{name}");
    }
    for (name, refused) in REFUSED_BY {
        // Numbers of calls are tried where they are known.
        if let Some(how) = attempts.remove(*name) {
            assert_eq!(how, *refused, "{name}");
        }
    }
    assert!(attempts.len() > 15, "{attempts:?}");
    // A link or a move from one folder to another is told like one between disks, or as denied.
    attempts.retain(|_, how| how != "EACCES" && how != "EXDEV");
    assert_eq!(attempts, BTreeMap::new());
    assert_eq!(fs::read_to_string(bench.path("secret")).unwrap(), "hush");
}

#[tokio::test]
async fn a_network_is_the_internet_and_no_other_socket() {
    if found("python3").is_none() {
        return;
    }
    let bench = Bench::new();
    let granted = Confinement {
        network: true,
        ..bench.confinement()
    };
    let attempts = attempts(&bench, &granted).await;
    for (name, how) in [
        ("connect", "done"),
        ("listen", "done"),
        ("families", "[2, 10, 16]"),
        ("raw", "EACCES"),
        ("unix", "EACCES"),
        ("abstract", "EACCES"),
        ("datagram pair", "EACCES"),
    ] {
        assert_eq!(attempts[name], how, "{name}");
    }
}

#[tokio::test]
async fn a_program_that_takes_too_much_fails_alone() {
    if found("python3").is_none() {
        return;
    }
    let bench = Bench::new();
    let little = Confinement {
        memory: 256 << 20,
        open_files: 32,
        cpu: 1,
        ..bench.confinement()
    };
    for (script, told) in [
        ("held = bytearray(512 << 20)", "MemoryError"),
        (
            "held = []\nwhile True: held.append(bytearray(1 << 20))",
            "MemoryError",
        ),
        (
            "held = [open('/dev/null') for _ in range(40)]",
            "Too many open files",
        ),
    ] {
        let said = bench.said_with(&["python3", "-c", script], &little).await;
        assert_eq!(said.status.code(), Some(1), "{script}: {}", said.errors);
        assert!(said.errors.contains(told), "{script}: {}", said.errors);
    }
    let said = bench
        .said_with(&["sh", "-c", "while :; do :; done"], &little)
        .await;
    assert!(!said.status.success(), "{:?}", said.status);
}

/// Starts others without end, which say nothing and stay.
const MULTIPLIES: &str = "import errno, os, time\n\
    made = 0\n\
    try:\n\
    \x20   while made < 1000:\n\
    \x20       if os.fork() == 0:\n\
    \x20           os.close(1), os.close(2)\n\
    \x20           while True: time.sleep(1000)\n\
    \x20       made += 1\n\
    except OSError as error: print(errno.errorcode[error.errno])\n\
    print(made)\n";

/// The kernel does not hold root to it, as whom tests run in containers: then it is shown of another
/// account, which has no other process.
#[tokio::test]
async fn a_program_that_multiplies_is_stopped_and_ends_as_a_whole() {
    if found("python3").is_none() || found("setpriv").is_none() {
        return;
    }
    let other = "setpriv --reuid 54321 --regid 54321 --clear-groups";
    let line = format!("[ $(id -u) != 0 ] || exec {other} \"$0\" \"$@\"");
    let bench = Bench::prepared(&line);
    // What the other account executes lies where it may look.
    let test = std::env::current_exe().unwrap().display().to_string();
    fs::copy(&test, bench.path("granted/test")).unwrap();
    let copy = bench.path("granted/test").display().to_string();
    let program = fs::read_to_string(bench.path("program")).unwrap();
    bench.write("program", &program.replace(&test, &copy));
    for path in [bench.folder.path(), &bench.path("program")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let few = Confinement {
        processes: 24,
        ..bench.confinement()
    };
    let mark = format!("multiplies-in-{}", bench.folder.path().display());
    let said = bench
        .said_with(&["python3", "-c", MULTIPLIES, &mark], &few)
        .await;
    let lines: Vec<&str> = said.output.lines().collect();
    let [why, made] = lines[..] else {
        panic!("{}{}", said.output, said.errors);
    };
    assert_eq!(why, "EAGAIN");
    assert!(made.parse::<u64>().unwrap() < 24, "{made} were started");
    gone(&mark).await;
}

/// The tables of numbers, against the headers of a machine that has them.
#[test]
fn calls_have_the_numbers_of_the_kernel() {
    let singles = [
        calls::CLONE,
        calls::PRCTL,
        calls::PRLIMIT,
        calls::SETRLIMIT,
        calls::SOCKET,
        calls::SOCKETPAIR,
    ];
    let all = calls::DENIED.iter().chain(calls::ABSENT).chain(&singles);
    let all: Vec<&calls::Call> = all.collect();
    let long = fs::read_to_string("/usr/include/x86_64-linux-gnu/asm/unistd_64.h");
    let shared = fs::read_to_string("/usr/include/asm-generic/unistd.h");
    for (header, at) in [(long, 0), (shared, 1)] {
        let Ok(header) = header else {
            eprintln!("not shown here: the headers of the kernel are not there");
            continue;
        };
        for (name, long, shared) in &all {
            let number = if at == 0 { Some(*long) } else { *shared };
            assert_eq!(numbered(&header, name), number, "{name}");
        }
    }
}

fn numbered(header: &str, name: &str) -> Option<i64> {
    header.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let defined = words.next() == Some("#define") && words.next()? == format!("__NR_{name}");
        defined.then(|| words.next()?.parse().ok()).flatten()
    })
}
