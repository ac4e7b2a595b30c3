//! What a child of this program gives up before it parses what others wrote.

use drawbridge_core::connector::Problem;
use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus};
use rustix::{
    process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit},
    thread::{
        CapabilitiesSecureBits as Bits, CapabilitySet, CapabilitySets, capabilities,
        set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
    },
};

/// What a child says first when the kernel confines it wholly.
pub(crate) const WHOLLY: u8 = 1;
/// What it says when the kernel knows Landlock in part, or not at all.
const PARTLY: u8 = 0;

/// What a child may use. Linux counts processes for the whole account, so theirs only stops what
/// multiplies without end.
pub(crate) const LIMITS: [(Resource, u64); 5] = [
    // bytes
    (Resource::As, 1 << 30),
    // bytes
    (Resource::Core, 0),
    // seconds
    (Resource::Cpu, 120),
    // bytes
    (Resource::Fsize, 0),
    (Resource::Nproc, 4_096),
];
/// Standard input, output and error. With no number left for another, neither a file nor a socket
/// of any sort can be opened, whatever the kernel knows of Landlock.
const OPEN: u64 = 3;

/// No files, no network, little memory and time, and no life after the gateway's. Says whether the
/// kernel has all of the Landlock that is asked for; the limits hold without it.
pub(crate) fn confine() -> std::io::Result<u8> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    powerless()?;
    for (resource, most) in LIMITS {
        limit(resource, most)?;
    }
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V4))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI::V4)))
        .and_then(|rules| rules.create()?.restrict_self());
    let status = rules.map_err(std::io::Error::other)?;
    limit(Resource::Nofile, OPEN)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => WHOLLY,
        RulesetStatus::PartiallyEnforced | RulesetStatus::NotEnforced => PARTLY,
    })
}

/// Gives up whatever root, or an account that was given some of it, can do beyond others. What is
/// started later gets none of it back, by whichever file.
pub(crate) fn powerless() -> std::io::Result<()> {
    set_no_new_privs(true)?;
    // Root gets all of it anew with every program, unless this says that it does not.
    if capabilities(None)?
        .effective
        .contains(CapabilitySet::SETPCAP)
    {
        set_capabilities_secure_bits(
            Bits::NO_ROOT
                | Bits::NO_ROOT_LOCKED
                | Bits::NO_CAP_AMBIENT_RAISE
                | Bits::NO_CAP_AMBIENT_RAISE_LOCKED,
        )?;
    }
    let none = CapabilitySet::empty();
    let none = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    Ok(set_capabilities(None, none)?)
}

/// Lowers a limit; one that is lower already stays.
pub(crate) fn limit(resource: Resource, most: u64) -> std::io::Result<()> {
    let most = getrlimit(resource).maximum.unwrap_or(most).min(most);
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    Ok(setrlimit(resource, limit)?)
}

/// What is told where a child said that the kernel does not confine it as it asked.
pub(crate) fn loosely() -> Problem {
    Problem {
        path: "/".to_owned(),
        reason: "this kernel's Landlock does not fully confine what reads the files; limits on \
                 memory, time and open files hold"
            .to_owned(),
        mend: "run on Linux 6.7 or newer with Landlock switched on".to_owned(),
    }
}
