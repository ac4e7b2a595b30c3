//! Secrets on their way from a client's settings into the sealed store.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use drawbridge_core::{
    answer::Failure,
    credential::{Credential, Version},
    file::GatewayFile,
    secret::Secret,
};
use serde_json::{Value, json};

use super::names;
use crate::{cli::client::Client, workspace::Workspace};

/// The gateway that keeps secrets, and the names of credentials that are free no more.
pub(super) struct Sealer {
    client: Client,
    taken: BTreeSet<String>,
}

impl Sealer {
    pub(super) async fn new(
        workspace: &Workspace,
        gateway: &GatewayFile,
        person: Option<&str>,
    ) -> anyhow::Result<Self> {
        let client = Client::connect(workspace, person.map(str::to_owned)).await?;
        let known = match client.keeps_secrets() {
            Ok(()) => client.get("/secrets").await,
            Err(error) => Err(error),
        };
        let known = match known {
            Ok(known) => known,
            Err(error) => {
                client.close().await;
                return Err(error);
            }
        };
        let known = known.pointer("/data/secrets").and_then(Value::as_array);
        let names = known.into_iter().flatten();
        let names = names.filter_map(|one| one.get("name")?.as_str());
        let mut taken: BTreeSet<String> = names.map(str::to_owned).collect();
        taken.extend(gateway.credentials.keys().cloned());
        Ok(Self { client, taken })
    }

    pub(super) async fn close(self) {
        self.client.close().await;
    }

    /// A name that no credential has: a secret beside another would be its rotation.
    pub(super) fn free(&self, name: &str) -> Option<String> {
        let mut names = (1..).map(|number| names::numbered(name, number));
        names.find(|name| !self.taken.contains(name))
    }

    /// Keeps a secret by the gateway's own operation, as `secret set` does.
    pub(super) async fn seal(
        &mut self,
        name: &str,
        secret: &Secret<String>,
        why: &str,
    ) -> anyhow::Result<()> {
        let wanted = json!({"secret": secret.expose(), "owner": null, "approved_by": null,
                            "reason": why, "new_key": false});
        let answer = self
            .client
            .post(&format!("/secrets/{name}"), &wanted)
            .await?;
        self.taken.insert(name.to_owned());
        if answer.get("status").and_then(Value::as_str) == Some("ok") {
            return Ok(());
        }
        let notices = answer.get("notices").and_then(Value::as_array);
        let notices = notices.into_iter().flatten().filter_map(Value::as_str);
        let notices: Vec<&str> = notices.collect();
        anyhow::bail!("its secret was not kept: {}", notices.join("; "))
    }

    pub(super) async fn forget(&self, name: &str) {
        let why = json!({"reason": "the connector it was for was not written"});
        // Why the server was left out is told already; this secret is left over then.
        let _ = self
            .client
            .post(&format!("/secrets/{name}/remove"), &why)
            .await;
    }
}

/// A secret that is not kept yet, for asking a server what it offers.
pub(super) struct Held(pub(super) Secret<String>);

#[async_trait]
impl Credential for Held {
    async fn versions(&self) -> Result<Vec<Version>, Failure> {
        Ok(vec![Version {
            id: Arc::from("import"),
            secret: self.0.clone(),
        }])
    }

    fn accepted(&self, _: &str) {}

    fn refused(&self, _: &str) {}
}
