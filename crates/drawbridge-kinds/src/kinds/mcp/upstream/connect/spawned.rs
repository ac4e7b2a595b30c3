//! A program that is started here, within what its file lets it have.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use drawbridge_core::{connector::STATE, secret::Secret};
use tokio_util::sync::CancellationToken;

use super::{
    super::{
        Shared, Told, Why,
        pipe::Pipe,
        program::{Program, Said},
        progress::Progress,
    },
    secrets,
};
use crate::{
    kinds::mcp::part::System,
    launch::{self, Confinement, Launch, Started},
};

pub(super) fn spawned(
    shared: &Shared,
    secret: Option<&Secret<String>>,
    progress: &Progress,
) -> Result<(Pipe, Program, Why), Told> {
    let system = &shared.own.system;
    let context = &shared.context;
    if let Some(path) = opens_state(&context.workspace, system) {
        return Err(Told::unavailable(format!(
            "its file opens `{}`, where the gateway keeps its keys and records; under `files`, name what \
             the program needs and nothing that holds `.drawbridge`",
            path.display()
        )));
    }
    let lacking = |error: std::io::Error| Told {
        detail: error.to_string(),
        ..Told::unavailable("its program cannot be started")
    };
    // Its home: beside nothing else of ours, and thrown away with the rest of what is derived.
    let home = context.state.join("home");
    let temporary = context.state.join("tmp");
    for folder in [&home, &temporary] {
        std::fs::create_dir_all(folder).map_err(lacking)?;
    }
    let folder = system
        .folder
        .as_ref()
        .map_or_else(|| home.clone(), |folder| context.workspace.join(folder));
    let mut environment = system.environment.clone();
    for (name, folder) in [("HOME", &home), ("TMPDIR", &temporary)] {
        let folder = folder.to_string_lossy().into_owned();
        environment.entry(name.to_owned()).or_insert(folder);
    }
    if let (Some(place), Some(secret)) = (&system.credential_in, secret) {
        environment.extend(secrets::variables(place, secret)?);
    }
    let started = start(
        system,
        (&context.program, &context.workspace),
        (&folder, &environment),
        [home, temporary],
    );
    let mut started = started.map_err(lacking)?;
    let (Some(input), Some(output), Some(errors)) =
        (started.stdin(), started.stdout(), started.stderr())
    else {
        return Err(Told::unavailable("its program cannot be spoken to"));
    };
    let said = Said {
        bytes: Arc::default(),
        over: CancellationToken::new(),
        veil: secrets::veil(system, secret),
    };
    shared.tasks.spawn(said.clone().listen(errors));
    let why = Why::default();
    Ok((
        Pipe::new((input, output), why.clone(), progress.clone()),
        Program { started, said },
        why,
    ))
}

/// What the file grants that holds the gateway's own state, or is a part of it.
fn opens_state<'a>(workspace: &Path, system: &'a System) -> Option<&'a Path> {
    let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
    let state = real(workspace.join(STATE));
    let granted = system.files.read.iter().chain(&system.files.write);
    granted.map(PathBuf::as_path).find(|path| {
        let path = real(workspace.join(path));
        state.starts_with(&path) || path.starts_with(&state)
    })
}

fn start(
    system: &System,
    (program, workspace): (&Path, &Path),
    (folder, environment): (&Path, &BTreeMap<String, String>),
    own: [PathBuf; 2],
) -> std::io::Result<Started> {
    let beneath = |paths: &[PathBuf]| {
        paths
            .iter()
            .map(|path| workspace.join(path))
            .collect::<Vec<_>>()
    };
    let mut write = beneath(&system.files.write);
    write.extend(own);
    let confinement = Confinement {
        read: beneath(&system.files.read),
        write,
        network: system.network,
        memory: system.most.memory_mib.saturating_mul(1 << 20),
        processes: system.most.processes,
        open_files: system.most.open_files,
        cpu: system.most.processor_time.duration().as_secs(),
    };
    launch::start(&Launch {
        program,
        command: &system.command,
        folder,
        environment,
        confinement: &confinement,
    })
}
