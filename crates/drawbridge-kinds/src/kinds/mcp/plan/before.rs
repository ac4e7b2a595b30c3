//! What is there before an effect, as the preview shows it that the file names.

use drawbridge_core::{
    answer::{Failure, Status},
    exchange::Exchange,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::filled;
use crate::kinds::mcp::{
    Server, arguments,
    fetch::{Asker, asked},
    part::Tool,
    upstream::Trouble,
};

/// What was there before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Before {
    /// The preview's answer.
    Shown(Map<String, Value>),
    /// The preview says that it failed: nothing is there, as a rule.
    Nothing,
}

impl Before {
    pub(super) fn shown(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Shown(result) => Some(result),
            Self::Nothing => None,
        }
    }
}

/// What the preview shows; none where the file names none.
pub(super) async fn before(
    server: &Server,
    tool: &Tool<'_>,
    arguments: &Map<String, Value>,
) -> Result<Option<Before>, Failure> {
    let Some(preview) = &tool.scope.preview else {
        return Ok(None);
    };
    let other = server.other(&preview.tool)?;
    server.unchanged(other.name).await?;
    let mut filled = filled(preview, (arguments, None, None))?;
    arguments::made_up(&other, &mut filled)?;
    match asked(server, &other, filled, Asker::nobody(&Exchange::default())).await {
        Ok(mut result) => {
            // What changes with every answer is no part of what is there.
            result.shift_remove("_meta");
            Ok(Some(Before::Shown(result)))
        }
        Err(Trouble::Failed(_)) => Ok(Some(Before::Nothing)),
        Err(trouble) => Err(not_shown(trouble.failure())),
    }
}

/// Nobody can tell what is there. What its server says of the preview's arguments is nothing that a caller
/// could mend.
fn not_shown(failure: Failure) -> Failure {
    let status = match failure.status {
        passes if passes.passes() => passes,
        _ => Status::Failed,
    };
    Failure {
        status,
        message: format!("what is there before cannot be shown: {failure}"),
        words: None,
        asks: None,
        ..failure
    }
}

/// Whether a preview shows all that its server says: what is left out may have changed unseen.
pub(super) fn tells_all(server: &Server, tool: &Tool<'_>) -> bool {
    let preview = tool.scope.preview.as_ref();
    let preview = preview.and_then(|preview| server.own.tool(&preview.tool));
    preview.is_some_and(|preview| preview.scope.result.is_nothing())
}
