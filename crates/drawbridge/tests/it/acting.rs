//! Effects through the doors: planned, decided, applied once, undone.

mod bounds;
mod cheats;
mod clients;
mod crash;
mod decisions;
pub(crate) mod firm;
mod gates;
mod lost;
mod notices;
mod off;
mod races;
mod random;
mod undo;
mod unseen;
mod waits;
