//! Whose yes still counts.

use drawbridge_core::plan::{KeptPlan, Voice};

use crate::{app::App, connectors::Snapshot, store::StoreError};

impl App {
    /// Those of the yeses to a plan whose people may still say them.
    pub(crate) async fn voices(
        &self,
        snapshot: &Snapshot,
        plan: &KeptPlan,
    ) -> Result<Vec<Voice>, StoreError> {
        let mut voices = Vec::new();
        for voice in &plan.voices {
            let person = snapshot.gateway.person(&voice.person);
            let asked =
                person.is_some_and(|person| plan.approvers().any(|who| who.is_person(&person)));
            let ended = match &voice.token {
                Some(id) => self
                    .store
                    .token(id)
                    .await?
                    .is_none_or(|token| token.revoked.is_some()),
                None => false,
            };
            if asked && !ended {
                voices.push(voice.clone());
            }
        }
        Ok(voices)
    }
}
