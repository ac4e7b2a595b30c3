//! Connecting accounts elsewhere: that of a credential, by whoever may set its secret; and one's own at a
//! connector that acts for each person.

use drawbridge_core::{
    answer::{Failure, Found, Status},
    call::{Caller, Person},
    file::{ActsFor, Grant, OauthFile},
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Effect, Prepared, roles::own_client, secrets::with_reason, store_down};
use crate::{
    app::App,
    connectors::Snapshot,
    credentials::{CredentialError, Wish},
    store::{Ended, Holder},
};

/// Which account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// The one that a credential is for.
    Credential(String),
    /// The caller's own, at a connector.
    Connector(String),
    /// One person's, or everyone's, that is kept for a credential: to be ended by who looks after it.
    Kept {
        /// The credential.
        credential: String,
        /// The person; none where all are meant.
        person: Option<String>,
    },
}

/// What a browser came back with. The record holds all of it but that.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CameBack {
    /// Which account it is for.
    pub account: Account,
    /// The whole address.
    #[serde(skip)]
    pub address: Option<Secret<String>>,
}

impl App {
    /// Where to send a browser that comes back to a port of its own machine.
    pub(super) async fn connect(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (account, port): (&Account, u16),
    ) -> Prepared {
        let (holder, file) = self.account(snapshot, caller, account).await?;
        let by = &caller.person.id;
        let wish = Wish {
            holder: &holder,
            file: &file,
            by,
        };
        let (address, begun) = self
            .credentials
            .to_agree(&wish, port)
            .await
            .map_err(failed)?;
        let data = json!({"url": address, "expires": begun.expires, "resource": file.resource});
        let found = Found::new(data, String::new(), 1);
        Ok((found, Effect::BeginGrant(Box::new(begun))))
    }

    /// Takes up what a browser came back with.
    pub(super) async fn connected(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        came_back: &CameBack,
    ) -> Prepared {
        let account = &came_back.account;
        let (holder, file) = self.account(snapshot, caller, account).await?;
        let address = came_back.address.as_ref();
        let address = address.ok_or_else(|| Failure::invalid("`address`: it is missing"))?;
        let by = &caller.person.id;
        let wish = Wish {
            holder: &holder,
            file: &file,
            by,
        };
        let agreed = self
            .credentials
            .agreed(&wish, address)
            .await
            .map_err(failed)?;
        let data = json!({
            "account": account,
            "person": holder.person,
            "resource": file.resource,
            "issuer": agreed.issuer,
            "scopes": agreed.scopes,
        });
        let found = Found::new(data, String::new(), 1);
        Ok((found, Effect::KeepGrant(Box::new(agreed.grant))))
    }

    /// Forgets the tokens of an account, whatever the file says of it by now, and whether or not they can
    /// be opened.
    pub(super) async fn disconnect(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (account, reason): (&Account, &str),
    ) -> Prepared {
        let ended = match account {
            Account::Connector(name) => {
                own_client(caller)?;
                let name = own_account(snapshot, caller, name)?.clone();
                let person = Some(caller.person.id.clone());
                Ended::One(Holder { name, person })
            }
            Account::Credential(name) => {
                self.changeable(snapshot, caller, name).await?;
                let (name, person) = (name.clone(), None);
                Ended::One(Holder { name, person })
            }
            Account::Kept { credential, person } => {
                self.changeable(snapshot, caller, credential).await?;
                let name = credential.clone();
                match person.clone() {
                    None => Ended::All(name),
                    person => Ended::One(Holder { name, person }),
                }
            }
        };
        let count = self.store.grants_kept(&ended).await.map_err(store_down)?;
        if count == 0 {
            return Err(Failure::not_found("no such account is connected"));
        }
        // One's own is one's own business.
        if !matches!(account, Account::Connector(_)) {
            with_reason(reason)?;
        }
        let person = match &ended {
            Ended::One(holder) => holder.person.as_ref(),
            Ended::All(_) => None,
        };
        let data =
            json!({"account": account, "person": person, "disconnected": true, "accounts": count});
        let found = Found::new(data, String::new(), 1);
        Ok((found, Effect::EndGrants(ended)))
    }

    /// Keeps what became of an account. Whoever asks next is asked by what is in the store: nothing has
    /// to be taken up.
    pub(super) async fn keep_account(&self, effect: Effect, caller: &Caller) -> anyhow::Result<()> {
        match effect {
            Effect::BeginGrant(begun) => self.store.begin_grant(&begun, self.clock.now()).await?,
            Effect::KeepGrant(grant) => self.store.keep_grant(&grant, &caller.person.id).await?,
            Effect::EndGrants(ended) => self.store.end_grants(&ended).await?,
            _ => {}
        }
        Ok(())
    }

    /// Whose access it is, and what is asked for, if the caller may connect it.
    async fn account(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        account: &Account,
    ) -> Result<(Holder, OauthFile), Failure> {
        let (name, person) = match account {
            Account::Credential(name) => {
                self.changeable(snapshot, caller, name).await?;
                (name, None)
            }
            Account::Connector(name) => {
                own_client(caller)?;
                let credential = own_account(snapshot, caller, name)?;
                (credential, Some(caller.person.id.clone()))
            }
            Account::Kept { .. } => {
                let told = "only its person connects an account; `drawbridge connect CONNECTOR`";
                return Err(Failure::invalid(told));
            }
        };
        let file = self.credentials.oauth(name);
        let file = file.filter(|file| file.grant == Grant::AuthorizationCode);
        let file = file.ok_or_else(|| {
            let told = format!(
                "nobody has to agree to `{name}`: it has no `from: {{oauth: …}}` with `grant: \
                 authorization_code` under `credentials` in drawbridge.yaml"
            );
            Failure::new(Status::Conflict, told)
        })?;
        let name = name.clone();
        Ok((Holder { name, person }, file))
    }
}

/// The credential of a connector at which each person has an account of their own. A connector that the
/// caller may not use, and one that is not there, are answered alike.
fn own_account<'a>(
    snapshot: &'a Snapshot,
    caller: &Caller,
    name: &str,
) -> Result<&'a String, Failure> {
    if caller.person.id == Person::ANONYMOUS {
        let told = "who you are must be known for that; use a token of your own";
        return Err(Failure::new(Status::Denied, told));
    }
    let mounted = snapshot.connectors.get(name).filter(|mounted| {
        let mut actions = mounted.bridge.actions.iter();
        actions.any(|action| snapshot.rules.offers(caller, name, action))
    });
    let none = || Failure::not_found(format!("there is no connector `{name}` that you may use"));
    let identity = &mounted.ok_or_else(none)?.bridge.file.identity;
    let credential = identity.credential.as_ref();
    let own = credential.filter(|_| identity.acts_for == ActsFor::Person);
    own.ok_or_else(|| {
        let told = format!("`{name}` has one account for everyone; there is nothing to connect");
        Failure::new(Status::Conflict, told)
    })
}

/// Why it did not come about: only who may connect the account gets here, and it says what to do.
fn failed(error: CredentialError) -> Failure {
    match error {
        CredentialError::Store(error) => store_down(error),
        CredentialError::Oauth(error) => error.failure(),
        error => Failure::new(Status::Conflict, error.to_string()),
    }
}
