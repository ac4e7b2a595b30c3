//! The program.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// A call allocates some hundred times on several threads, at which the system's allocator takes a tenth of
/// its time more. Of the quick ones this takes address space only as it is used: children have a limit of it.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    drawbridge::cli::run()
}
