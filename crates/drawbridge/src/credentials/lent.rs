//! What a connector has of its credential: the versions, and nothing of where they come from.

use std::sync::Arc;

use async_trait::async_trait;
use drawbridge_core::{
    answer::{Failure, Status},
    credential::{Credential, Version},
};

use super::{CredentialError, Credentials, oauth::Whose};

/// A credential as a connector has it.
pub(super) struct Lent {
    pub(super) name: String,
    /// The connector that has it, where one does.
    pub(super) connector: Option<String>,
    pub(super) whose: Whose,
    pub(super) credentials: Arc<Credentials>,
}

#[async_trait]
impl Credential for Lent {
    async fn versions(&self) -> Result<Vec<Version>, Failure> {
        let found = self.credentials.versions(&self.name, &self.whose).await;
        // Where a secret is kept is nothing that a caller must know.
        found.map_err(|error| {
            let told = match &error {
                CredentialError::Oauth(error) => error.told(self.connector.as_deref()),
                _ => None,
            };
            let told = told.unwrap_or_else(|| {
                let told = "the credential cannot be had at the moment; whoever looks after the \
                            connector sees why with `drawbridge check`";
                Failure::new(Status::Unavailable, told)
            });
            told.with_source(error)
        })
    }

    fn accepted(&self, version: &str) {
        self.credentials.accepted(&self.name, version);
    }

    fn refused(&self, version: &str) {
        if self.credentials.oauth(&self.name).is_some() {
            self.credentials
                .token_refused(&self.name, &self.whose, version);
        } else {
            self.credentials.refused(&self.name, version);
        }
    }

    fn may_end(&self) -> bool {
        self.credentials.oauth(&self.name).is_some()
    }

    async fn lacking(&self, challenge: &str) {
        let which = (self.name.as_str(), &self.whose);
        self.credentials.token_lacking(which, challenge).await;
    }

    fn of_person(&self, person: &str) -> Option<Arc<dyn Credential>> {
        (self.whose != Whose::Service).then(|| {
            let own: Arc<dyn Credential> = Arc::new(Self {
                name: self.name.clone(),
                connector: self.connector.clone(),
                whose: Whose::Person(person.to_owned()),
                credentials: self.credentials.clone(),
            });
            own
        })
    }
}
