//! Who may do what with the gateway itself.

use drawbridge_core::{
    answer::{Failure, Status},
    call::{Caller, Door},
    file::Who,
    lifecycle::State,
};

use crate::{
    connectors::{Mounted, Snapshot},
    identify::{COMMAND_LINE, CONSOLE},
};

/// Whether it is the person themselves: at the console, at the command line or with a token of their
/// own, and not an AI client or program of theirs.
pub(super) fn in_person(caller: &Caller) -> bool {
    *caller.client == *COMMAND_LINE || at_console(caller)
}

/// Whether it is a person who has signed in at the console.
pub(super) fn at_console(caller: &Caller) -> bool {
    *caller.client == *CONSOLE && caller.door == Door::Console
}

/// Whether they may see how everyone works with the gateway: owners and auditors, in person.
pub(super) fn oversees(snapshot: &Snapshot, caller: &Caller) -> bool {
    let auditors = &snapshot.gateway.roles.auditor;
    in_person(caller) && (is_owner(snapshot, caller) || has_role(snapshot, caller, auditors))
}

/// Whether it is whoever holds the workspace: at the command line of the gateway's own machine.
pub(super) fn holds_workspace(caller: &Caller) -> bool {
    *caller.client == *COMMAND_LINE && caller.token.is_none()
}

/// What concerns people is done by people, never through the channel of an AI client.
pub(super) fn own_client(caller: &Caller) -> Result<(), Failure> {
    if in_person(caller) {
        return Ok(());
    }
    Err(Failure::new(
        Status::Denied,
        "people do this themselves, at the console, at the command line or with a token of their own, \
         not through an AI client",
    ))
}

/// What loosens the gateway is done by people who are there: at the console, or at the command line of
/// its own machine.
pub(super) fn signed_in(caller: &Caller) -> Result<(), Failure> {
    if at_console(caller) || holds_workspace(caller) {
        return Ok(());
    }
    Err(Failure::new(
        Status::Denied,
        "the gateway is changed at the console, or at the command line of its own machine, not through \
         an AI client and not with a token from elsewhere",
    ))
}

/// What concerns secrets and the machine is done at the command line of its own machine.
pub(super) fn own_machine(caller: &Caller) -> Result<(), Failure> {
    if holds_workspace(caller) {
        return Ok(());
    }
    Err(Failure::new(
        Status::Denied,
        "the gateway is changed at the command line of its own machine, not from elsewhere and not \
         through an AI client",
    ))
}

/// Stopping a connector only takes away, so that a person may do it with a token of their own, from
/// any machine; but not an AI, through the door where it calls tools.
pub(super) fn signed_in_unless_pause(caller: &Caller, state: State) -> Result<(), Failure> {
    if state == State::Paused && caller.door == Door::Api {
        return Ok(());
    }
    signed_in(caller)
}

pub(super) fn has_role(snapshot: &Snapshot, caller: &Caller, members: &[Who]) -> bool {
    caller.person.id == snapshot.gateway.operator || members.iter().any(|who| who.is(caller))
}

pub(super) fn is_owner(snapshot: &Snapshot, caller: &Caller) -> bool {
    has_role(snapshot, caller, &snapshot.gateway.roles.owner)
}

pub(super) fn looks_after(snapshot: &Snapshot, caller: &Caller, mounted: &Mounted) -> bool {
    let file = &mounted.bridge.file;
    is_owner(snapshot, caller)
        || file.purpose.owner == caller.person.id
        || file.recovery.pause.iter().any(|who| who.is(caller))
}

/// A connector that the caller looks after.
pub(super) fn looked_after<'a>(
    snapshot: &'a Snapshot,
    caller: &Caller,
    name: &str,
) -> Result<&'a Mounted, Failure> {
    named(snapshot, name, |mounted| {
        looks_after(snapshot, caller, mounted)
    })
}

/// Whether what is to be done about a connector is theirs to do: who looks after it, and reviewers.
pub(super) fn sees_to(snapshot: &Snapshot, caller: &Caller, mounted: &Mounted) -> bool {
    let reviewers = &snapshot.gateway.roles.reviewer;
    looks_after(snapshot, caller, mounted)
        || (in_person(caller) && has_role(snapshot, caller, reviewers))
}

/// Whether they see how a connector is and what its file says: who looks after it, and in person owners,
/// auditors, and reviewers, who must see what they put into force.
pub(super) fn looks_at(snapshot: &Snapshot, caller: &Caller, mounted: &Mounted) -> bool {
    sees_to(snapshot, caller, mounted) || oversees(snapshot, caller)
}

/// A connector that the caller sees whole.
pub(super) fn looked_at<'a>(
    snapshot: &'a Snapshot,
    caller: &Caller,
    name: &str,
) -> Result<&'a Mounted, Failure> {
    named(snapshot, name, |mounted| {
        looks_at(snapshot, caller, mounted)
    })
}

/// The connector of this name, if it is the caller's to know; one that is not and none are answered alike.
fn named<'a>(
    snapshot: &'a Snapshot,
    name: &str,
    theirs: impl Fn(&Mounted) -> bool,
) -> Result<&'a Mounted, Failure> {
    let mounted = snapshot
        .connectors
        .get(name)
        .filter(|mounted| theirs(mounted));
    mounted.map(|mounted| &**mounted).ok_or_else(|| {
        let told = format!("there is no connector `{name}` that you look after");
        Failure::new(Status::Denied, told)
    })
}
