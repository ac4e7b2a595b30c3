//! A tool as callers see it.

use std::sync::Arc;

use drawbridge_core::call::Action;

/// A tool as a caller is offered it.
#[derive(Debug, Clone)]
pub struct Tool {
    /// `connector_action`; the bare action at the door of one connector.
    pub name: String,
    /// The action, with its power and schemas.
    pub action: Arc<Action>,
    /// The connector that offers it, with what that is for; none for the gateway's own tools.
    pub of: Option<(String, String)>,
}

impl Tool {
    /// A short title for people, who may have several connectors of one kind.
    #[must_use]
    pub fn title(&self) -> String {
        let title = &self.action.title;
        self.of.as_ref().map_or_else(
            || title.clone(),
            |(connector, _)| format!("{title} ({connector})"),
        )
    }

    /// What it does, for the AI that must choose among the tools of several connectors.
    #[must_use]
    pub fn description(&self) -> String {
        let does = &self.action.description;
        self.of.as_ref().map_or_else(
            || does.clone(),
            |(connector, purpose)| {
                let purpose = purpose.trim_end_matches('.');
                format!("The connector `{connector}` is there to: {purpose}. {does}")
            },
        )
    }
}
