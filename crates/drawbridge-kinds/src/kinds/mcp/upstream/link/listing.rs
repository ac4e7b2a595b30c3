//! What a server offers: asked page by page, kept for a while, and asked again when it says that it
//! changed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use drawbridge_core::{
    answer::{Failure, Status},
    connector::Changed,
};
use rmcp::model::{ProtocolVersion, ServerNotification, SubscriptionFilter};
use serde_json::{Value, json};

use super::{Link, Trouble};
use crate::kinds::mcp::{definition::Definition, upstream::Beside};

/// How old the list of what a server offers may be when one of its tools is called. A server that
/// changes a tool without saying so is found out after as long.
const LIST_EVERY: Duration = Duration::from_secs(60);
/// How long a server may take for one page of a list.
const LIST_WITHIN: Duration = Duration::from_secs(20);
const MOST_PAGES: usize = 100;
/// The most tools, and the most prompts.
const MOST_LISTED: usize = 2_000;
/// What a server offers, as it says by now.
#[derive(Debug, Default)]
pub(in super::super::super) struct Listing {
    pub(in super::super::super) tools: BTreeMap<String, Definition>,
    pub(in super::super::super) prompts: BTreeMap<String, Definition>,
    /// Names that it offers more than once, so that nobody can tell which is meant.
    pub(in super::super::super) twice: Vec<String>,
}
impl Link {
    /// What the server offers; asked again where that is old, or the server said that it changed.
    pub(in super::super::super) async fn listing(&self) -> Result<Arc<Listing>, Trouble> {
        // Held while it is asked, so that all who need it wait for one answer.
        let mut kept = self.listing.lock().await;
        let changed = self.handler.take_changed();
        if let Some((at, listing)) = &*kept
            && !changed
            && self.clock.monotonic().saturating_sub(*at) < LIST_EVERY
        {
            return Ok(listing.clone());
        }
        *kept = None;
        let mut listing = Listing::default();
        let tools = self.listed("tools/list", "tools").await?;
        collect(tools, &mut listing.tools, &mut listing.twice);
        if let Some(direct) = &self.direct {
            direct.listed(&listing.tools);
        }
        let info = self.peer.peer_info();
        if info.is_some_and(|info| info.capabilities.prompts.is_some()) {
            let prompts = self.listed("prompts/list", "prompts").await?;
            collect(prompts, &mut listing.prompts, &mut listing.twice);
        }
        let listing = Arc::new(listing);
        *kept = Some((self.clock.monotonic(), listing.clone()));
        Ok(listing)
    }

    /// Hears that what the server offers changed. Servers without a handshake say so only to those who
    /// ask to hear it. Never returns.
    pub(in super::super) async fn hears(&self) {
        let info = self.peer.peer_info();
        if info.is_some_and(|info| info.protocol_version == ProtocolVersion::V_2026_07_28) {
            let wanted = SubscriptionFilter::builder()
                .tools_list_changed()
                .prompts_list_changed()
                .build();
            if let Ok(mut heard) = self.peer.listen(wanted).await {
                // It is asked again after a while in any case, so that the end of this is no harm.
                while let Ok(Some(said)) = heard.next().await {
                    self.handler.changed(match said {
                        ServerNotification::PromptListChangedNotification(_) => Changed::Prompts,
                        _ => Changed::Actions,
                    });
                }
            }
        }
        std::future::pending().await
    }

    /// All pages of a list, of which the answers have what is listed under a key.
    pub(in super::super::super) async fn listed(
        &self,
        method: &str,
        key: &str,
    ) -> Result<Vec<Value>, Trouble> {
        let wrong = |told: &str| Trouble::Refused(Failure::new(Status::Failed, told));
        let listing = Beside {
            within: LIST_WITHIN,
            ..Beside::default()
        };
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let params = cursor
                .iter()
                .map(|cursor| ("cursor".to_owned(), json!(cursor)));
            let mut page = self.ask(method, params.collect(), &listing).await?;
            let Some(Value::Array(items)) = page.get_mut(key).map(Value::take) else {
                return Err(wrong(
                    "its server lists what it offers in no form that MCP knows",
                ));
            };
            all.extend(items);
            if all.len() > MOST_LISTED {
                return Err(wrong("its server offers more than can be reviewed"));
            }
            let next = page.get("nextCursor").and_then(Value::as_str);
            let Some(next) = next.filter(|next| !next.is_empty()) else {
                return Ok(all);
            };
            if cursor.as_deref() == Some(next) {
                break;
            }
            cursor = Some(next.to_owned());
        }
        Err(wrong("its server's list of what it offers has no end"))
    }
}

/// What was listed, by name. What has no name cannot be called, and is left out.
fn collect(items: Vec<Value>, named: &mut BTreeMap<String, Definition>, twice: &mut Vec<String>) {
    for item in items {
        let Value::Object(fields) = item else {
            continue;
        };
        if let Some((name, definition)) = Definition::listed(fields)
            && named.insert(name.clone(), definition).is_some()
        {
            twice.push(name);
        }
    }
}
