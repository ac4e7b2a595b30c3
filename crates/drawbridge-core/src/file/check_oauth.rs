//! What is wrong with what `drawbridge.yaml` asks of authorization servers.

use super::{
    CredentialFile, Fault, GatewayFile, Grant, OauthFile, Source,
    check_credentials::{bad_name, is_safe_address},
};

/// What is wrong with `oauth` of one credential; nothing where it has none.
pub(super) fn check_oauth(
    (at, name): (&str, &str),
    credential: &CredentialFile,
    file: &GatewayFile,
) -> Vec<Fault> {
    let Some(oauth) = credential.oauth() else {
        return Vec::new();
    };
    let at = format!("{at}/from/oauth");
    let mut wrong = Vec::new();
    let addresses = [
        ("resource", Some(&oauth.resource)),
        ("issuer", oauth.issuer.as_ref()),
    ];
    for (key, address) in addresses {
        let unsafe_one =
            |address: &&String| !is_safe_address(address) || address.contains(['@', '#']);
        if address.is_some_and(|address| unsafe_one(&address)) {
            wrong.push(Fault::new(
                format!("{at}/{key}"),
                "tokens are asked for and sent by https only",
                "write `https://…`; plain http is only for what is on this machine",
            ));
        }
    }
    wrong.extend(client(&at, oauth));
    if let Some(secret) = &oauth.client_secret {
        if oauth.issuer.is_none() {
            // Else whoever runs the resource could say who gets it.
            wrong.push(Fault::new(
                &at,
                "the client's secret is for one authorization server, and none is named",
                "write `issuer`, exactly as the server names itself in its metadata \
                 (`/.well-known/oauth-authorization-server`)",
            ));
        }
        wrong.extend(check_client_secret((&at, name), secret, file));
    }
    wrong.extend(check_scopes(&at, &oauth.scopes));
    wrong
}

/// What is wrong with a list of scopes.
pub(super) fn check_scopes(at: &str, scopes: &[String]) -> Option<Fault> {
    let is_word = |scope: &String| {
        !scope.is_empty()
            && scope
                .bytes()
                .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    };
    (!scopes.iter().all(is_word)).then(|| {
        Fault::new(
            format!("{at}/scopes"),
            "a scope is one word",
            "write each by itself, such as `[tickets.read, tickets.write]`",
        )
    })
}

fn client(at: &str, oauth: &OauthFile) -> Option<Fault> {
    let lacks = match oauth.grant {
        Grant::AuthorizationCode => oauth.client_secret.is_some() && oauth.client_id.is_none(),
        Grant::ClientCredentials | Grant::TokenExchange => {
            oauth.client_id.is_none() || oauth.client_secret.is_none()
        }
    };
    lacks.then(|| {
        Fault::new(
            at,
            "the client is not named whole",
            "write `client_id` and `client_secret`, as the authorization server gave them to you",
        )
    })
}

/// A client's secret must be kept by the gateway or at a place: one that is itself got by OAuth, or
/// the credential `name` that it is for, would have no end.
pub(super) fn check_client_secret(
    (at, name): (&str, &str),
    secret: &str,
    file: &GatewayFile,
) -> Option<Fault> {
    let at = format!("{at}/client_secret");
    if !CredentialFile::is_name(secret) {
        // It may be the secret itself, and is not repeated.
        let mut fault = bad_name(&at, "…");
        fault.rule =
            "that is no name of a credential, and a secret does not belong here".to_owned();
        return Some(fault);
    }
    let other = file.credentials.get(secret);
    let has_no_end = secret == name
        || other.is_some_and(|other| {
            matches!(&other.from, Source::Elsewhere(elsewhere) if elsewhere.oauth.is_some())
        });
    has_no_end.then(|| {
        Fault::new(
            at,
            "the client's secret cannot come from an authorization server itself",
            "name another credential, and set it by `drawbridge secret set`",
        )
    })
}
