//! `check`: every error in every file, and the eight areas of each connector.

use std::process::ExitCode;

use drawbridge_core::{
    decide::{RuleBook, Ruled},
    file::{FileError, read_connector},
};
use serde_json::json;

use super::show as out;
use crate::{
    check::{Area, Colour, grade},
    workspace::Workspace,
};

pub(super) fn run(
    workspace: &Workspace,
    only: Option<&str>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let files = workspace.read();
    let gateway = files.gateway?;
    let mut errors = files.unreadable;
    let mut good = Vec::new();
    for (name, text) in &files.connectors {
        match read_connector(
            &text.name,
            name,
            &text.text,
            &gateway,
            drawbridge_kinds::kinds::KINDS,
        ) {
            Ok((file, kind)) => {
                let actions = kind
                    .actions(&file.part())
                    .into_iter()
                    .map(std::sync::Arc::new)
                    .collect::<Vec<_>>();
                good.push((name, file, kind, actions));
            }
            Err(found) => errors.extend(found.0),
        }
    }
    let ruled: Vec<Ruled<'_>> = good
        .iter()
        .map(|(_, file, kind, actions)| Ruled {
            file,
            kind: *kind,
            actions,
        })
        .collect();
    if let Err(found) = RuleBook::build(&gateway, &ruled, &files.policies) {
        errors.extend(found.0);
    }
    let graded: Vec<(&String, Vec<Area>)> = good
        .iter()
        .filter(|(name, ..)| only.is_none_or(|only| only == *name))
        .map(|(name, file, ..)| (*name, grade(file, &gateway)))
        .collect();
    let red = graded
        .iter()
        .any(|(_, areas)| areas.iter().any(|area| area.colour == Colour::Red));
    show(&errors, &graded, json);
    Ok(ExitCode::from(if !errors.is_empty() {
        2
    } else {
        u8::from(red)
    }))
}

fn show(errors: &[FileError], graded: &[(&String, Vec<Area>)], json: bool) {
    if json {
        let connectors: serde_json::Map<String, serde_json::Value> = graded
            .iter()
            .map(|(name, areas)| ((*name).clone(), json!(areas)))
            .collect();
        out::line(&json!({"errors": errors, "connectors": connectors}).to_string());
    } else {
        for error in errors {
            out::error(&error.to_string());
        }
        for (name, areas) in graded {
            out::line(name);
            for area in areas {
                out::line(&format!(
                    "  {:<6} {:<12} {}",
                    area.colour.word(),
                    area.name,
                    area.sentence
                ));
            }
        }
    }
}
