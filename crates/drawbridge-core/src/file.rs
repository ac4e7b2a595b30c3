//! `drawbridge.yaml` and connector files as types; errors with file, line, column, rule and mend;
//! what a revision widens.

mod acts_for;
mod approval;
mod change;
mod check;
mod check_credentials;
mod check_oauth;
mod check_oidc;
mod connector;
mod credentials;
mod duration;
mod fault;
mod gates;
mod gateway;
mod labels;
mod notifications;
mod oidc;
mod read;
mod schema;
mod text;
mod tree;

pub use approval::{
    Amount, Approval, Clock, Day, EffectLimits, Escalate, Hours, Match, Several, When,
};
pub use change::{Change, Direction, changes};
pub use connector::{
    ActsFor, ConnectorFile, Content, Identity, Logging, Only, Permission, Purpose, Recovery,
    System, WhenStale, Who,
};
pub use credentials::{
    CredentialFile, Elsewhere, Grant, OauthFile, Place, Reference, Source, VaultFile,
};
pub use duration::Span;
pub use fault::{Fault, FileError, FileErrors};
pub use gateway::{GatewayFile, Limits, PersonFile, Rate, Roles};
pub use labels::Labels;
pub use notifications::{EmailFile, Notifications, Security, WebhookFile};
pub use oidc::{ClaimsFile, ConsoleFile, OidcFile};
pub use read::{Reader, read_connector, read_gateway, read_part};
pub use schema::{connector_schema, gateway_schema};
pub use text::{MOST_BYTES, text};
