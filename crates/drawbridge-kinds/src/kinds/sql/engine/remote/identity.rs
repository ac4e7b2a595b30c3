//! How a connection proves whose it is. Nothing of a secret is in what it tells.

use std::{future::Future, sync::Arc};

use drawbridge_core::{
    answer::{Failure, Status},
    credential::{Admission, Credential, admitted},
    secret::Secret,
};

use super::CONNECT;

/// What a server refuses of somebody who signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Refusal {
    /// The secret: with another one the account may be let in.
    Secret,
    /// The account, whatever its secret is.
    Account,
}

/// What the connections of a connector prove whose they are with.
pub(in super::super) struct Identity {
    credential: Option<Arc<dyn Credential>>,
    shown: String,
}

impl Identity {
    /// `shown` is the database as people are told of it.
    pub(in super::super) fn new(credential: Option<Arc<dyn Credential>>, shown: String) -> Self {
        Self { credential, shown }
    }

    /// Signs in with the newest secret that the server lets in; where the file names no credential,
    /// without any.
    ///
    /// # Errors
    /// `unavailable` when the server cannot be reached, or lets nobody in.
    pub(in super::super) async fn signed_in<C, Connecting>(
        &self,
        connect: impl Fn(Option<Secret<String>>) -> Connecting + Send,
        refusal: fn(&sqlx::Error) -> Option<Refusal>,
    ) -> Result<C, Failure>
    where
        Connecting: Future<Output = Result<C, sqlx::Error>> + Send,
    {
        let tried = async |secret| {
            let connected = tokio::time::timeout(CONNECT, connect(secret)).await;
            match connected {
                Ok(Ok(connection)) => Admission::LetIn(connection),
                Ok(Err(error)) => match refusal(&error) {
                    // Why a client cannot send a secret is told with letters of it.
                    Some(Refusal::Secret) if error.as_database_error().is_none() => {
                        Admission::Refused(self.refused(Refusal::Secret))
                    }
                    Some(Refusal::Secret) => {
                        Admission::Refused(self.refused(Refusal::Secret).with_source(error))
                    }
                    Some(Refusal::Account) => {
                        Admission::Failed(self.refused(Refusal::Account).with_source(error))
                    }
                    None => Admission::Failed(self.unreachable().with_source(error)),
                },
                Err(_) => Admission::Failed(self.unreachable()),
            }
        };
        match &self.credential {
            Some(credential) => admitted(&**credential, |secret| tried(Some(secret))).await,
            None => match tried(None).await {
                Admission::LetIn(connection) => Ok(connection),
                Admission::Refused(failure) | Admission::Failed(failure) => Err(failure),
            },
        }
    }

    /// The failure of a server that does not answer as it should.
    pub(in super::super) fn unreachable(&self) -> Failure {
        let told = format!(
            "its database `{}` cannot be reached at this moment; tell whoever keeps the connector",
            self.shown
        );
        Failure::new(Status::Unavailable, told)
    }

    fn refused(&self, refusal: Refusal) -> Failure {
        let shown = &self.shown;
        let told = match (refusal, &self.credential) {
            (Refusal::Secret, Some(_)) => format!(
                "its database `{shown}` refuses the connector's credential; tell whoever keeps the \
                 connector to look at the credential"
            ),
            (Refusal::Secret, None) => format!(
                "its database `{shown}` asks for a credential, and the connector's file names none; \
                 tell whoever keeps the connector to set `identity.credential`"
            ),
            (Refusal::Account, _) => format!(
                "its database `{shown}` does not let the connector's account in; tell whoever keeps \
                 the connector to look at the account"
            ),
        };
        Failure::new(Status::Unavailable, told)
    }
}
