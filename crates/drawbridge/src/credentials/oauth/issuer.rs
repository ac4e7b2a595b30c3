//! What an authorization server says of itself, where its name says that it is said (RFC 8414, OpenID
//! Connect Discovery).
//!
//! INVARIANT: no endpoint is used that does not come from here. A resource may say who guards it; what
//! somebody elsewhere says in another's name, of where codes and secrets go, is not taken.

use http::StatusCode;
use reqwest::Url;
use rmcp::transport::auth::AuthorizationMetadata;

use super::{OauthError, addresses::Way};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// What the server of just this name says of itself.
pub(super) async fn of_itself(
    way: &Way,
    issuer: &str,
) -> Result<AuthorizationMetadata, OauthError> {
    way.allows(issuer)?;
    for address in addresses(issuer) {
        let request = http::Request::get(address.as_str()).header("accept", "application/json");
        let request = request.body(Vec::new()).map_err(|_| OauthError::Form)?;
        let answer = way.send(request).await?;
        if answer.status() != StatusCode::OK {
            continue;
        }
        let said = serde_json::from_slice::<AuthorizationMetadata>(answer.body());
        let said = said
            .ok()
            .filter(|said| said.issuer.as_deref() == Some(issuer));
        if let Some(said) = said {
            return Ok(said);
        }
    }
    Err(OauthError::OtherIssuer)
}

/// Where it may stand, in the order of MCP.
fn addresses(issuer: &str) -> Vec<Url> {
    let Ok(issuer) = Url::parse(issuer) else {
        return Vec::new();
    };
    let path = issuer.path().trim_end_matches('/');
    let mut paths = vec![format!("{OAUTH}{path}"), format!("{OPENID}{path}")];
    if !path.is_empty() {
        paths.push(format!("{path}{OPENID}"));
    }
    let at = |path: &String| {
        let mut address = issuer.clone();
        address.set_query(None);
        address.set_fragment(None);
        address.set_path(path);
        address
    };
    paths.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn a_servers_name_says_where_it_speaks_of_itself() {
        let shown = |issuer: &str| -> Vec<String> {
            addresses(issuer).iter().map(ToString::to_string).collect()
        };
        let root = [
            "https://as.example/.well-known/oauth-authorization-server",
            "https://as.example/.well-known/openid-configuration",
        ];
        assert_eq!(shown("https://as.example"), root);
        assert_eq!(shown("https://as.example/?x=y#z"), root);
        let wanted = [
            "https://as.example/.well-known/oauth-authorization-server/a/b",
            "https://as.example/.well-known/openid-configuration/a/b",
            "https://as.example/a/b/.well-known/openid-configuration",
        ];
        assert_eq!(shown("https://as.example/a/b/"), wanted);
        assert_eq!(shown("no address"), [""; 0]);
    }
}
