//! Which calls of the kernel a program may not make, held by seccomp.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::launcher::{Refusal, cannot};

/// A call: its name, its number on `x86_64`, and the one that all newer architectures share.
pub(super) type Call = (&'static str, i64, Option<i64>);
/// A condition: which argument, how it is compared, and with what.
type Condition = (u8, SeccompCmpOp, u64);
/// The calls of a filter. One is denied when all conditions of one of its rules hold, or when it
/// has no rules.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Errors, as the kernel numbers them.
const NOT_PERMITTED: u32 = 1;
const ACCESS_DENIED: u32 = 13;
const NO_SUCH_CALL: u32 = 38;

/// What `x86_64` adds to a number for programs with short addresses. They share the numbers but for
/// a few.
const SHORT: i64 = 0x4000_0000;
const SHORT_ONLY: &[Call] = &[
    ("ptrace", 521 | SHORT, None),
    ("kexec_load", 528 | SHORT, None),
    ("process_vm_readv", 539 | SHORT, None),
    ("process_vm_writev", 540 | SHORT, None),
];

/// What no program may do.
pub(super) const DENIED: &[Call] = &[
    // What leaves the process group, which ends as a whole.
    ("setsid", 112, Some(157)),
    ("setpgid", 109, Some(154)),
    // What looks into other processes, or takes from them.
    ("ptrace", 101, Some(117)),
    ("process_vm_readv", 310, Some(270)),
    ("process_vm_writev", 311, Some(271)),
    ("kcmp", 312, Some(272)),
    ("pidfd_getfd", 438, Some(438)),
    // What makes another view of the machine, in which the rules do not hold.
    ("mount", 165, Some(40)),
    ("umount2", 166, Some(39)),
    ("pivot_root", 155, Some(41)),
    ("chroot", 161, Some(51)),
    ("fsopen", 430, Some(430)),
    ("fsconfig", 431, Some(431)),
    ("fsmount", 432, Some(432)),
    ("fspick", 433, Some(433)),
    ("open_tree", 428, Some(428)),
    ("move_mount", 429, Some(429)),
    ("mount_setattr", 442, Some(442)),
    ("unshare", 272, Some(97)),
    ("setns", 308, Some(268)),
    ("open_by_handle_at", 304, Some(265)),
    // What reaches into the kernel.
    ("bpf", 321, Some(280)),
    ("perf_event_open", 298, Some(241)),
    ("userfaultfd", 323, Some(282)),
    ("kexec_load", 246, Some(104)),
    ("kexec_file_load", 320, Some(294)),
    ("init_module", 175, Some(105)),
    ("finit_module", 313, Some(273)),
    ("delete_module", 176, Some(106)),
    ("fanotify_init", 300, Some(262)),
    // Keys of the account, and what its processes share.
    ("keyctl", 250, Some(219)),
    ("add_key", 248, Some(217)),
    ("request_key", 249, Some(218)),
    ("shmget", 29, Some(194)),
    ("shmat", 30, Some(196)),
    ("shmctl", 31, Some(195)),
    ("semget", 64, Some(190)),
    ("semop", 65, Some(193)),
    ("semtimedop", 220, Some(192)),
    ("semctl", 66, Some(191)),
    ("msgget", 68, Some(186)),
    ("msgsnd", 69, Some(189)),
    ("msgrcv", 70, Some(188)),
    ("msgctl", 71, Some(187)),
    ("mq_open", 240, Some(180)),
    ("mq_unlink", 241, Some(181)),
    // What changes the machine, when the gateway runs as root.
    ("reboot", 169, Some(142)),
    ("swapon", 167, Some(224)),
    ("swapoff", 168, Some(225)),
    ("iopl", 172, None),
    ("ioperm", 173, None),
    ("settimeofday", 164, Some(170)),
    ("clock_settime", 227, Some(112)),
    ("clock_adjtime", 305, Some(266)),
    ("adjtimex", 159, Some(171)),
    ("sethostname", 170, Some(161)),
    ("setdomainname", 171, Some(162)),
    ("acct", 163, Some(89)),
    ("quotactl", 179, Some(60)),
    ("quotactl_fd", 443, Some(443)),
    ("syslog", 103, Some(116)),
    ("vhangup", 153, Some(58)),
];

/// What programs find missing and do in another way: `clone3`, whose flags no filter can see, and
/// `io_uring`, whose work no filter sees.
pub(super) const ABSENT: &[Call] = &[
    ("clone3", 435, Some(435)),
    ("io_uring_setup", 425, Some(425)),
    ("io_uring_enter", 426, Some(426)),
    ("io_uring_register", 427, Some(427)),
];

/// What depends on its arguments.
pub(super) const CLONE: Call = ("clone", 56, Some(220));
pub(super) const PRCTL: Call = ("prctl", 157, Some(167));
pub(super) const PRLIMIT: Call = ("prlimit64", 302, Some(261));
pub(super) const SETRLIMIT: Call = ("setrlimit", 160, Some(164));
pub(super) const SOCKET: Call = ("socket", 41, Some(198));
pub(super) const SOCKETPAIR: Call = ("socketpair", 53, Some(199));

/// The flags of `clone` that make another view: of mounts, control groups, host names, shared
/// memory, accounts, processes and networks.
const VIEWS: [u64; 7] = [
    0x0002_0000,
    0x0200_0000,
    0x0400_0000,
    0x0800_0000,
    0x1000_0000,
    0x2000_0000,
    0x4000_0000,
];
const SET_PARENT_DEATH_SIGNAL: u64 = 1;

/// Families of sockets.
const UNIX: u64 = 1;
const INTERNET: u64 = 2;
const INTERNET_6: u64 = 10;
/// Programs learn their own addresses by it.
const NETLINK: u64 = 16;
/// Types of sockets; above these bits are flags.
const TYPES: u64 = 0xf;
const DATAGRAM: u64 = 2;
const RAW: u64 = 3;
/// An old way to every packet.
const PACKET: u64 = 10;

/// Takes the calls away. From here on this process can only become the program.
pub(super) fn confine(network: bool) -> Result<(), Refusal> {
    let filters = filters(network, rustix::process::geteuid().is_root());
    let filters = filters.map_err(|error| cannot("confine its calls", error))?;
    for filter in filters {
        seccompiler::apply_filter(&filter).map_err(|error| {
            Refusal::new(format!(
                "cannot confine its calls: {error}; run on a kernel with seccomp"
            ))
        })?;
    }
    Ok(())
}

fn filters(network: bool, root: bool) -> Result<Vec<BpfProgram>, BackendError> {
    let mut denied = Rules::new();
    for call in DENIED.iter().chain(SHORT_ONLY) {
        deny(&mut denied, *call, &[])?;
    }
    for view in VIEWS {
        deny(
            &mut denied,
            CLONE,
            &[(0, SeccompCmpOp::MaskedEq(view), view)],
        )?;
    }
    let signal = SET_PARENT_DEATH_SIGNAL;
    deny(&mut denied, PRCTL, &[(0, SeccompCmpOp::Eq, signal)])?;
    // The limits of another process are the gateway's.
    deny(&mut denied, PRLIMIT, &[(0, SeccompCmpOp::Ne, 0)])?;
    // Only root can raise its own.
    if root {
        deny(&mut denied, PRLIMIT, &[(2, SeccompCmpOp::Ne, 0)])?;
        deny(&mut denied, SETRLIMIT, &[])?;
    }
    let mut absent = Rules::new();
    for call in ABSENT {
        deny(&mut absent, *call, &[])?;
    }
    [
        (denied, NOT_PERMITTED),
        (sockets(network)?, ACCESS_DENIED),
        (absent, NO_SUCH_CALL),
    ]
    .into_iter()
    .map(|(rules, error)| filter(rules, error))
    .collect()
}

/// The sockets that are denied. Unix's are always, but for pairs: Landlock of most kernels lets a
/// program speak to every server whose socket is a file, such as a database or a container engine.
fn sockets(network: bool) -> Result<Rules, BackendError> {
    let mut denied = Rules::new();
    if network {
        let not = |family| (0, SeccompCmpOp::Ne, family);
        let others = [not(INTERNET), not(INTERNET_6), not(NETLINK)];
        deny(&mut denied, SOCKET, &others)?;
        for kind in [RAW, PACKET] {
            for family in [INTERNET, INTERNET_6] {
                let family = (0, SeccompCmpOp::Eq, family);
                deny(&mut denied, SOCKET, &[family, of(kind)])?;
            }
        }
        let routes = [(0, SeccompCmpOp::Eq, NETLINK), (2, SeccompCmpOp::Ne, 0)];
        deny(&mut denied, SOCKET, &routes)?;
    } else {
        deny(&mut denied, SOCKET, &[])?;
    }
    deny(&mut denied, SOCKETPAIR, &[(0, SeccompCmpOp::Ne, UNIX)])?;
    // One of a pair of these can speak to any other that is a file.
    for kind in [DATAGRAM, RAW] {
        deny(&mut denied, SOCKETPAIR, &[of(kind)])?;
    }
    Ok(denied)
}

fn of(kind: u64) -> Condition {
    (1, SeccompCmpOp::MaskedEq(TYPES), kind)
}

/// Denies a call when all conditions hold, in whatever way it can be made here.
fn deny(rules: &mut Rules, call: Call, when: &[Condition]) -> Result<(), BackendError> {
    for number in numbers(call) {
        let rules = rules.entry(number).or_default();
        if when.is_empty() {
            continue;
        }
        let when = when.iter().cloned().map(|(argument, how, value)| {
            // The third may be a pointer, all of which counts. The others are an `int`, or flags.
            let length = match argument {
                2 => SeccompCmpArgLen::Qword,
                _ => SeccompCmpArgLen::Dword,
            };
            SeccompCondition::new(argument, length, how, value)
        });
        rules.push(SeccompRule::new(when.collect::<Result<_, _>>()?)?);
    }
    Ok(())
}

fn numbers((_, long, shared): Call) -> Vec<i64> {
    if cfg!(target_arch = "x86_64") {
        vec![long, long | SHORT]
    } else {
        shared.into_iter().collect()
    }
}

fn filter(rules: Rules, error: u32) -> Result<BpfProgram, BackendError> {
    let here = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(error),
        here,
    )?
    .try_into()
}
