//! A credential as a connector has it: its versions, and nothing of where they come from.

use std::sync::Arc;

use async_trait::async_trait;
use drawbridge_core::{
    answer::{Failure, Status},
    credential::{Credential, Version},
};

use super::Credentials;

/// A credential as a connector has it.
pub(super) struct Lent {
    pub(super) name: String,
    pub(super) credentials: Arc<Credentials>,
}

#[async_trait]
impl Credential for Lent {
    async fn versions(&self) -> Result<Vec<Version>, Failure> {
        let found = self.credentials.versions(&self.name).await;
        // Where a secret is kept is nothing that a caller must know.
        found.map_err(|error| {
            let told = "the credential cannot be had at the moment; whoever looks after the connector \
                        sees why with `drawbridge check`";
            Failure::new(Status::Unavailable, told).with_source(error)
        })
    }

    fn accepted(&self, version: &str) {
        self.credentials.accepted(&self.name, version);
    }

    fn refused(&self, version: &str) {
        self.credentials.refused(&self.name, version);
    }
}
