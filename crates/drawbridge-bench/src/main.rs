//! What a call through Drawbridge costs beside a direct call to the same work.
//!
//! Figures are compared within one run, in which the peers take turns: this machine may be busy.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a program for people at a terminal, which reads clocks and spawns what it measures"
)]

mod company;
mod decide;
mod direct;
mod disk;
mod load;
mod peers;
mod postgres;
mod process;
mod report;
mod run;
mod unit;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures everything and prints a table.
    Run(run::Wanted),
    /// Serves a folder of documents by MCP with nothing between: the direct call.
    #[command(hide = true)]
    Direct {
        workspace: PathBuf,
        program: PathBuf,
    },
    /// Serves `echo` by the least code that speaks MCP: the unit of the goals.
    #[command(hide = true)]
    Unit,
}

fn main() -> anyhow::Result<()> {
    match Line::parse().command {
        Command::Run(wanted) => run::run(&wanted),
        Command::Direct { workspace, program } => direct::serve(&workspace, &program),
        Command::Unit => unit::serve(),
    }
}
