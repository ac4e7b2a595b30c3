//! Finding the authorization server that guards a resource (RFC 9728, RFC 8414, OpenID Connect), by the
//! MCP SDK; and what the standard leaves to us to refuse.

use std::sync::Arc;

use drawbridge_core::file::OauthFile;
use http::{StatusCode, header};
use rmcp::transport::auth::{
    AuthorizationManager, AuthorizationMetadata, AuthorizationMetadataSource, OAuthClientConfig,
};
use serde_json::{Value, json};

use super::{OauthError, addresses::Way, issuer, kept::Client, limit};

/// The revision of MCP in which a resource is asked what it wants.
const MCP: &str = "2026-07-28";
/// The scope of refresh tokens.
pub(super) const OFFLINE: &str = "offline_access";
/// The path to which a browser comes back, on the machine of whoever agrees.
const BACK: &str = "/callback";

/// An authorization server that was found, and may be asked.
pub(super) struct Server {
    pub(super) manager: AuthorizationManager,
    pub(super) metadata: AuthorizationMetadata,
    pub(super) issuer: String,
    pub(super) way: Arc<Way>,
}

impl Server {
    /// Finds the one that guards the file's resource.
    pub(super) async fn find(file: &OauthFile) -> Result<Self, OauthError> {
        let mut named = vec![file.resource.as_str()];
        named.extend(file.issuer.as_deref());
        let way = Way::new(&named, limit(file)).await?;
        let resource = file.resource.as_str();
        let managing = AuthorizationManager::new_with_oauth_http_client(resource, way.clone());
        let mut manager = managing.await?;
        let challenge = challenge(&way, &file.resource).await;
        let resolving = manager.resolve_metadata_from_challenge(challenge.as_deref());
        let found = resolving.await?;
        let by_resource = found.source == AuthorizationMetadataSource::ProtectedResourceMetadata;
        let issuer = match &file.issuer {
            // A resource that says nothing of it is guarded by the server that the file names.
            Some(issuer) if !by_resource => issuer.clone(),
            _ if !found.source.is_discovered() => {
                return Err(OauthError::Unguarded(file.resource.clone()));
            }
            _ => found.metadata.issuer.ok_or(OauthError::OtherIssuer)?,
        };
        if file.issuer.as_ref().is_some_and(|wanted| *wanted != issuer) {
            return Err(OauthError::OtherIssuer);
        }
        let metadata = issuer::of_itself(&way, &issuer).await?;
        let registration = metadata.registration_endpoint.as_deref();
        for address in [Some(metadata.token_endpoint.as_str()), registration] {
            address.map_or(Ok(()), |address| way.allows(address))?;
        }
        manager.set_metadata(metadata.clone());
        Ok(Self {
            manager,
            metadata,
            issuer,
            way,
        })
    }

    /// What is asked of a person is refused where a code could be stolen: the address that they are sent
    /// to must be as safe as the others, and the server must say that it takes PKCE with S256.
    pub(super) fn takes_codes(&self) -> Result<(), OauthError> {
        self.way.allows(&self.metadata.authorization_endpoint)?;
        let methods = self.metadata.code_challenge_methods_supported.as_ref();
        let takes = methods.is_some_and(|methods| methods.iter().any(|method| method == "S256"));
        takes.then_some(()).ok_or(OauthError::NoPkce)
    }

    pub(super) fn says(&self, key: &str) -> bool {
        self.metadata.additional_fields.get(key) == Some(&Value::Bool(true))
    }

    /// The scopes to ask for: the file's, else what the resource says it needs; and those that are
    /// wanted beside, as far as the file allows them. Refresh tokens are asked for where that is known as a scope.
    pub(super) async fn scopes(&self, file: &OauthFile, beside: &[String]) -> Vec<String> {
        let mut scopes = if file.scopes.is_empty() {
            self.manager.select_initial_scopes(&[]).await
        } else {
            file.scopes.clone()
        };
        for scope in beside {
            if !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        scopes.retain(|scope| file.allows(scope) || scope == OFFLINE);
        let offline = OFFLINE.to_owned();
        let known = self.metadata.scopes_supported.as_ref();
        let known = known.is_some_and(|known| known.contains(&offline));
        if known && !scopes.is_empty() && !scopes.contains(&offline) {
            scopes.push(offline);
        }
        scopes
    }

    /// Speaks to it as this client.
    pub(super) fn speak_as(
        &mut self,
        client: &Client,
        secret: Option<String>,
        back: &str,
    ) -> Result<(), OauthError> {
        let mut config = OAuthClientConfig::new(client.id.clone(), back);
        if let Some(secret) = client.secret.clone().or(secret) {
            config = config.with_client_secret(secret);
        }
        Ok(self.manager.configure_client(config)?)
    }
}

/// What a resource says that it wants, asked without a token: where its metadata is, and which scopes it
/// needs. Some say so to questions of MCP only.
async fn challenge(way: &Way, resource: &str) -> Option<String> {
    let asked = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "server/discover",
        "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": MCP,
            "io.modelcontextprotocol/clientCapabilities": {},
        }},
    });
    let request = http::Request::post(resource)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", MCP)
        .header("mcp-method", "server/discover")
        .body(asked.to_string().into_bytes());
    let answer = way.send(request.ok()?).await.ok()?;
    if answer.status() != StatusCode::UNAUTHORIZED {
        return None;
    }
    let said = answer.headers().get_all(header::WWW_AUTHENTICATE).iter();
    let mut said = said.filter_map(|value| value.to_str().ok());
    let first = said.next()?.to_owned();
    let other = said.find(|value| value.contains("resource_metadata"));
    Some(
        other
            .filter(|_| !first.contains("resource_metadata"))
            .map_or(first, str::to_owned),
    )
}

/// The address to which a browser comes back.
pub(super) fn back(port: u16) -> String {
    format!("http://127.0.0.1:{port}{BACK}")
}

/// What the gateway says of itself to authorization servers, as a client id metadata document. The port
/// is the command line's, and another each time (RFC 8252, section 7.3).
pub(super) fn described(id: &str, name: &str, address: &str) -> Value {
    json!({
        "client_id": id,
        "client_name": format!("Drawbridge ({name})"),
        "client_uri": address,
        "redirect_uris": [format!("http://127.0.0.1{BACK}"), format!("http://localhost{BACK}")],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    })
}
