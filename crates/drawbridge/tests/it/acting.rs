//! Effects through the doors: planned, decided, applied once, undone.

mod cheats;
mod clients;
mod crash;
mod decisions;
pub(crate) mod firm;
mod gates;
mod notices;
mod off;
mod races;
mod undo;
mod waits;
