//! `token`: making, listing and ending tokens of AI clients.

use clap::Subcommand;
use drawbridge_core::file::Span;
use serde_json::{Value, json};

use super::{client::Client, text};

#[derive(Subcommand)]
pub(super) enum TokenCommand {
    /// Makes a token and shows it once. Example: drawbridge token new --client claude --expires-in 90d
    New {
        /// The AI client that will use it.
        #[arg(
            long,
            required_unless_present = "personal",
            conflicts_with = "personal"
        )]
        client: Option<String>,
        /// A person's own, to decide on approvals with; no AI client must have it.
        #[arg(long)]
        personal: bool,
        /// What to call it.
        #[arg(long, default_value = "")]
        name: String,
        /// When it ends by itself.
        #[arg(long)]
        expires_in: Option<Span>,
    },
    /// Lists tokens. Example: drawbridge token list
    List,
    /// Ends a token. Example: drawbridge token revoke 0123456789ab
    Revoke {
        /// The token's id.
        id: String,
    },
}

impl TokenCommand {
    /// How people read what it answers.
    pub(super) fn readable(&self) -> text::Text {
        match self {
            Self::New { .. } => text::new_token,
            Self::List => text::tokens,
            Self::Revoke { .. } => text::revoked,
        }
    }
}

pub(super) async fn run(client: &Client, command: TokenCommand) -> anyhow::Result<Value> {
    match command {
        TokenCommand::List => client.get("/tokens").await,
        TokenCommand::Revoke { id } => client.delete(&format!("/tokens/{id}")).await,
        TokenCommand::New {
            client: through,
            personal,
            name,
            expires_in,
        } => {
            let wanted = json!({"client": through, "personal": personal, "person": client.person(),
                                "name": name, "expires_in": expires_in});
            client.post("/tokens", &wanted).await
        }
    }
}
