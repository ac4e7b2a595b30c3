//! `secret`: what connectors prove their identity with. A secret comes in by stdin or a prompt, never
//! as an argument, and goes out nowhere.

pub(super) mod hidden;

use clap::Subcommand;
use drawbridge_core::file::CredentialFile;
use serde_json::{Value, json};

use super::{
    client::Client,
    connect::{self, Connect},
    text,
};

#[derive(Subcommand)]
pub(super) enum SecretCommand {
    /// Sets a secret, beside the one there is. It is read from stdin, or asked for. Example: drawbridge secret set crm-support
    Set(Set),
    /// Lists the credentials, without their secrets. Example: drawbridge secret list
    List,
    /// Shows what is known of a credential, never its secret. Example: drawbridge secret show crm-support
    Show {
        /// The credential.
        name: String,
    },
    /// Ends the old version, once a target let the new one in. Example: drawbridge secret retire crm-support
    Retire(Retire),
    /// Connects the account of a credential that an authorization server gives tokens for. Example: drawbridge secret connect tracker
    Connect(Connect),
    /// Forgets its tokens, of the account for everyone, of one person's, or all. Example: drawbridge secret disconnect tracker --of ann@acme.example --reason "left"
    Disconnect(Disconnect),
    /// Ends a credential that no connector uses. Example: drawbridge secret remove crm-support --reason "moved to the vault"
    Remove {
        /// The credential.
        name: String,
        /// Why, for those who look at it later.
        #[arg(long)]
        reason: String,
    },
}

#[derive(clap::Args)]
pub(super) struct Set {
    /// The credential: letters, digits, `.`, `_` and `-`.
    name: String,
    /// Who answers for it. Default: the one before, else who sets it.
    #[arg(long)]
    owner: Option<String>,
    /// Who allowed it to be used.
    #[arg(long)]
    approved_by: Option<String>,
    /// Why, for those who look at it later.
    #[arg(long, default_value = "")]
    reason: String,
    /// Keeps a line break at the end of stdin, which is left out otherwise.
    #[arg(long)]
    exact: bool,
    /// Seals with another key than other secrets are sealed with: theirs is lost.
    #[arg(long)]
    new_key: bool,
}

#[derive(clap::Args)]
pub(super) struct Disconnect {
    /// The credential.
    name: String,
    /// The account of this person. Default: the one that is for everyone.
    #[arg(long, value_name = "PERSON")]
    of: Option<String>,
    /// Every account, of everyone.
    #[arg(long, conflicts_with = "of")]
    all: bool,
    /// Why, for those who look at it later.
    #[arg(long, default_value = "")]
    reason: String,
}

#[derive(clap::Args)]
pub(super) struct Retire {
    /// The credential.
    name: String,
    /// Which version. Default: the oldest in force.
    #[arg(long)]
    version: Option<String>,
    /// Though no target let the newest in yet, or though it is the newest.
    #[arg(long, requires = "reason")]
    force: bool,
    /// Why, for those who look at it later.
    #[arg(long)]
    reason: Option<String>,
}

impl SecretCommand {
    /// How people read what it answers.
    pub(super) fn readable(&self) -> text::Text {
        match self {
            Self::Set(_) => text::secret_set,
            Self::List => text::secrets,
            Self::Show { .. } => text::secret,
            Self::Retire(_) => text::secret_retired,
            Self::Remove { .. } => text::secret_removed,
            Self::Connect(_) => text::connected,
            Self::Disconnect(_) => text::disconnected,
        }
    }
}

pub(super) async fn run(client: &Client, command: SecretCommand) -> anyhow::Result<Value> {
    match command {
        SecretCommand::List => client.get("/secrets").await,
        SecretCommand::Show { name } => client.get(&at(&name, "")?).await,
        SecretCommand::Set(set) => {
            let path = at(&set.name, "")?;
            client.keeps_secrets()?;
            let secret = hidden::read(&set.name, set.exact).await?;
            let wanted = json!({"secret": secret.expose(), "owner": set.owner,
                                "approved_by": set.approved_by, "reason": set.reason,
                                "new_key": set.new_key});
            client.post(&path, &wanted).await
        }
        SecretCommand::Retire(retire) => {
            let wanted = json!({"version": retire.version, "force": retire.force,
                                "reason": retire.reason.unwrap_or_default()});
            client.post(&at(&retire.name, "/retire")?, &wanted).await
        }
        SecretCommand::Connect(wanted) => {
            connect::run(client, &at(&wanted.name, "")?, &wanted).await
        }
        SecretCommand::Disconnect(wanted) => {
            let path = at(&wanted.name, "/disconnect")?;
            let wanted = json!({"person": wanted.of, "all": wanted.all, "reason": wanted.reason});
            client.post(&path, &wanted).await
        }
        SecretCommand::Remove { name, reason } => {
            let wanted = json!({"reason": reason});
            client.post(&at(&name, "/remove")?, &wanted).await
        }
    }
}

/// Where a credential is in the API. A name that is none would be another address.
fn at(name: &str, act: &str) -> anyhow::Result<String> {
    if CredentialFile::is_name(name) {
        return Ok(format!("/secrets/{name}{act}"));
    }
    anyhow::bail!(
        "`{name}` cannot be the name of a credential; write letters, digits, `.`, `_` and `-`"
    )
}
