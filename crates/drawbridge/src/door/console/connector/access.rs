//! What it reaches, who may do what with it, and what of that is used.

use askama::Template;
use axum::extract::Path;
use drawbridge_core::call::Power;
use serde::Deserialize;

use super::{
    super::{
        frame::Frame,
        visitor::{Shown, Visitor, read, show},
    },
    Connector, Head, connector,
    reach::{Named, Node, tree},
    usage::usage_of,
};
use crate::operate::Operation;

/// `GET /connectors/{name}/access`.
#[derive(Deserialize)]
struct Access {
    permissions: Vec<Permission>,
    grants: Vec<Grant>,
    people: Vec<UsedBy>,
}

#[derive(Deserialize)]
struct Permission {
    who: Vec<String>,
    may: Vec<Power>,
    only: String,
}

#[derive(Deserialize)]
struct Grant {
    who: String,
    used: Vec<PowerUsed>,
    unused: Vec<String>,
}

#[derive(Deserialize)]
struct PowerUsed {
    power: String,
    count: u64,
}

#[derive(Deserialize)]
struct UsedBy {
    person: String,
    client: String,
    powers: Vec<PowerUsed>,
}

impl Permission {
    fn may(&self, power: &Power) -> bool {
        self.may.contains(power)
    }
}

#[derive(Template)]
#[template(path = "access.html")]
struct Page {
    frame: Frame,
    head: Head,
    one: Connector,
    access: Access,
    scope: Vec<Node>,
    looked_at: u64,
}

impl Page {
    /// The powers that it has at all: those it has not need no column.
    fn powers(&self) -> &[Power] {
        &self.one.file.access
    }
}

/// What it reaches, who may do what with it, and what of that is used.
pub(in crate::door::console) async fn page(visitor: Visitor, Path(name): Path<String>) -> Shown {
    let frame = Frame::of(&visitor, "/").await?;
    let one = connector(&visitor, &name).await?;
    let usage = usage_of(&visitor, &name).await?;
    let access = read(visitor.look(Operation::Access { name }).await?)?;
    let lately = usage.lately;
    let looked_at = lately.as_ref().map_or(0, |lately| lately.calls);
    let targets = lately.map(|lately| lately.targets).unwrap_or_default();
    let targets: Vec<(String, u64)> = targets
        .into_iter()
        .map(|named| (named.target, named.count))
        .collect();
    show(&Page {
        frame,
        head: one.head("/access"),
        scope: tree(
            &one.file.scope,
            Named {
                reaches: &one.reaches,
                targets: &targets,
            },
        ),
        one,
        access,
        looked_at,
    })
}
