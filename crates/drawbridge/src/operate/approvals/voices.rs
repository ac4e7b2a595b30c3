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
            let token = match &voice.token {
                Some(id) => self.store.token(id).await?,
                None => None,
            };
            let ended =
                voice.token.is_some() && token.as_ref().is_none_or(|token| token.revoked.is_some());
            // Whom drawbridge.yaml does not list is who the organisation's sign-in said.
            let signed_in = || {
                token
                    .and_then(|token| token.claims)
                    .map(|claims| claims.person)
            };
            let person = snapshot.gateway.person(&voice.person).or_else(signed_in);
            let asked =
                person.is_some_and(|person| plan.approvers().any(|who| who.is_person(&person)));
            if asked && !ended {
                voices.push(voice.clone());
            }
        }
        Ok(voices)
    }
}
