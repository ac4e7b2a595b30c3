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

/// Every token, a page after the other.
async fn all(client: &Client) -> anyhow::Result<Value> {
    let mut whole = client.get("/tokens?limit=1000").await?;
    loop {
        let next = whole.pointer("/data/next").and_then(Value::as_str);
        let Some(next) = next.map(str::to_owned) else {
            return Ok(whole);
        };
        let mut page = client
            .get(&format!("/tokens?limit=1000&after={next}"))
            .await?;
        let part = |page: &mut Value, name: &str| Some(page.pointer_mut(name)?.take());
        let more = part(&mut page, "/data/tokens");
        let next = part(&mut page, "/data/next");
        let (Some(Value::Array(more)), Some(data)) = (more, whole.pointer_mut("/data")) else {
            return Ok(page);
        };
        if let Some(Value::Array(tokens)) = data.get_mut("tokens") {
            tokens.extend(more);
        }
        if let Some(place) = data.get_mut("next") {
            *place = next.unwrap_or_default();
        }
    }
}

pub(super) async fn run(client: &Client, command: TokenCommand) -> anyhow::Result<Value> {
    match command {
        TokenCommand::List => all(client).await,
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
