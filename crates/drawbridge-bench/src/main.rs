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
mod databases;
mod decide;
mod direct;
mod disk;
mod load;
mod mariadb;
mod pages;
mod peers;
mod postgres;
mod process;
mod report;
mod run;
mod unit;

use std::{path::PathBuf, time::Duration};

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
    /// Writes a workspace of so many documents into a new folder, and prints a token for it: to run a
    /// gateway on it by hand, under a profiler.
    Prepare {
        program: PathBuf,
        folder: PathBuf,
        documents: u64,
    },
    /// Calls a gateway by hand: `load http://127.0.0.1:7300/mcp TOKEN small 8 10`.
    Load {
        url: String,
        token: String,
        work: load::Work,
        connections: usize,
        seconds: u64,
    },
    /// Asks a database without a gateway, and prints what came of it.
    #[command(hide = true)]
    Statements(databases::statements::Loop),
    /// Serves `echo` by the least code that speaks MCP: the unit of the goals.
    #[command(hide = true)]
    Unit,
}

fn main() -> anyhow::Result<()> {
    match Line::parse().command {
        Command::Run(wanted) => run::run(&wanted),
        Command::Direct { workspace, program } => direct::serve(&workspace, &program),
        Command::Unit => unit::serve(),
        Command::Statements(wanted) => databases::statements::run(&wanted),
        Command::Prepare {
            program,
            folder,
            documents,
        } => {
            company::write(&folder, documents, "sqlite")?;
            println!("{}", company::open(&program, &folder, &[])?);
            Ok(())
        }
        Command::Load {
            url,
            token,
            work,
            connections,
            seconds,
        } => {
            let target = load::Target {
                url,
                token: Some(token),
            };
            load::by_hand((&target, work), connections, Duration::from_secs(seconds))
        }
    }
}
