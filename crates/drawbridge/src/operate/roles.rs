//! Who may do what with the gateway itself.

use drawbridge_core::{
    answer::{Failure, Status},
    call::{Caller, Door},
    file::Who,
    lifecycle::State,
};

use crate::{
    connectors::{Mounted, Snapshot},
    identify::COMMAND_LINE,
};

/// Whether it is the person at the keyboard, and not an AI client or program of theirs.
pub(super) fn at_command_line(caller: &Caller) -> bool {
    *caller.client == *COMMAND_LINE
}

/// What changes the gateway is done by a person at the command line, never through the channel of an AI client.
pub(super) fn own_client(caller: &Caller) -> Result<(), Failure> {
    if at_command_line(caller) {
        return Ok(());
    }
    Err(Failure::new(
        Status::Denied,
        "the gateway is changed by people at the command line, not through an AI client",
    ))
}

/// Stopping a connector only takes away, so that a person may do it with a token of their own, from
/// any machine; but not an AI, through the door where it calls tools.
pub(super) fn own_client_unless_pause(caller: &Caller, state: State) -> Result<(), Failure> {
    if state == State::Paused && caller.door == Door::Api {
        return Ok(());
    }
    own_client(caller)
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

pub(super) fn looked_after<'a>(
    snapshot: &'a Snapshot,
    caller: &Caller,
    name: &str,
) -> Result<&'a Mounted, Failure> {
    let mounted = snapshot
        .connectors
        .get(name)
        .filter(|mounted| looks_after(snapshot, caller, mounted));
    mounted.map(|mounted| &**mounted).ok_or_else(|| {
        Failure::new(
            Status::Denied,
            format!("there is no connector `{name}` that you look after"),
        )
    })
}
