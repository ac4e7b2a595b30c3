//! By which names clients may call: `Host` and `Origin`. Pure functions.

use axum::http::{HeaderMap, Uri, header, uri::Authority};
use drawbridge_core::file::GatewayFile;

/// Names of this machine for itself. No page of another name can make a browser send them.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// The host and port a request was sent to, if it names one host and names it rightly.
pub fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = match hosts.next() {
        Some(host) => Some(plain(host.to_str().ok()?)?),
        None => None,
    };
    if hosts.next().is_some() {
        return None;
    }
    match (uri.authority(), host) {
        // Two readers of one request must not see two hosts.
        (Some(target), Some(host)) if *target != host => None,
        (Some(target), _) => plain(target.as_str()),
        (None, host) => host,
    }
}

/// Whether the gateway goes by this name. The port may be any: forwarded ports are common, and a
/// port does not help whoever rebinds a name.
pub fn is_own(gateway: &GatewayFile, authority: &Authority) -> bool {
    let host = authority.host().to_ascii_lowercase();
    let listens = gateway.address.parse::<Authority>().ok();
    let public = public(gateway).and_then(|uri| uri.authority().cloned());
    let same = |known: &Authority| known.host().eq_ignore_ascii_case(&host);
    LOOPBACK.contains(&host.as_str())
        || gateway
            .hosts
            .iter()
            .any(|own| own.eq_ignore_ascii_case(&host))
        || public.as_ref().is_some_and(same)
        || listens.as_ref().is_some_and(same)
}

/// Whether a page of this origin may call: the gateway's own pages, under the name and port they
/// were called by.
pub fn is_own_origin(gateway: &GatewayFile, origin: &str, called: &Authority) -> bool {
    let Some((scheme @ ("http" | "https"), rest)) = origin.split_once("://") else {
        return false;
    };
    let Some(from) = plain(rest) else {
        return false;
    };
    let default = default_port(scheme);
    let port = |authority: &Authority| authority.port_u16().unwrap_or(default);
    if let Some(public) = public(gateway)
        && public.scheme_str() == Some(scheme)
        && public.authority().is_some_and(|own| {
            own.host().eq_ignore_ascii_case(from.host()) && port(own) == port(&from)
        })
    {
        return true;
    }
    let loopback =
        |authority: &Authority| LOOPBACK.contains(&&*authority.host().to_ascii_lowercase());
    let same_host =
        from.host().eq_ignore_ascii_case(called.host()) || (loopback(&from) && loopback(called));
    same_host && port(&from) == port(called)
}

fn public(gateway: &GatewayFile) -> Option<Uri> {
    gateway.public_url.as_ref()?.parse().ok()
}

fn default_port(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

/// A host and perhaps a port, and nothing else.
fn plain(text: &str) -> Option<Authority> {
    let authority: Authority = text.parse().ok()?;
    let bare = match authority.port() {
        Some(port) => {
            authority.port_u16().is_some() && {
                let whole = format!("{}:{port}", authority.host());
                whole == text
            }
        }
        None => authority.host() == text,
    };
    (bare && !authority.host().is_empty()).then_some(authority)
}

#[cfg(test)]
mod tests {
    use drawbridge_core::file::read_gateway;

    use super::*;

    fn gateway(extra: &str) -> GatewayFile {
        let text =
            format!("gateway: test\noperator: ann@x.se\npeople: {{ann@x.se: {{}}}}\n{extra}");
        read_gateway("drawbridge.yaml", &text).unwrap()
    }

    fn called(hosts: &[&str], target: &str) -> Option<Authority> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().ok()?);
        }
        authority(&target.parse().ok()?, &headers)
    }

    #[test]
    fn only_own_names_are_answered() {
        let gateway = gateway("public_url: https://ai.acme.example\nhosts: [bridge.lan]\n");
        for good in [
            "127.0.0.1",
            "127.0.0.1:7300",
            "localhost:9",
            "LOCALHOST",
            "[::1]:7300",
            "ai.acme.example",
            "AI.acme.example:443",
            "bridge.lan:80",
        ] {
            assert!(
                called(&[good], "/").is_some_and(|host| is_own(&gateway, &host)),
                "{good}"
            );
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "127.0.0.2",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0.0.0.0",
            "[::]",
            "[::ffff:127.0.0.1]",
            "localhost.",
            "me@localhost",
            "localhost@evil.example",
            "localhost:",
            "localhost:x",
            "localhost:99999",
            "localhost#evil",
            "localhost/evil",
            "bridge.lan.evil.example",
            "xbridge.lan",
            "",
            ":7300",
            "ai.acme.example.",
            "localhost evil",
        ] {
            assert!(
                !called(&[bad], "/").is_some_and(|host| is_own(&gateway, &host)),
                "{bad}"
            );
        }
        assert!(called(&[], "/").is_none(), "no host");
        assert!(
            called(&["localhost", "localhost"], "/").is_none(),
            "two hosts"
        );
        assert!(
            called(&["localhost"], "http://evil.example/").is_none(),
            "two names"
        );
        assert!(called(&["localhost"], "http://localhost/").is_some());
        assert!(called(&[], "http://localhost/").is_some(), "HTTP/2");
    }

    #[test]
    fn only_own_pages_may_call() {
        let gateway = gateway("public_url: https://ai.acme.example\n");
        let local: Authority = "127.0.0.1:7300".parse().unwrap();
        let public: Authority = "ai.acme.example".parse().unwrap();
        for (origin, called, good) in [
            ("http://127.0.0.1:7300", &local, true),
            ("http://localhost:7300", &local, true),
            ("https://ai.acme.example", &local, true),
            ("https://ai.acme.example", &public, true),
            ("https://ai.acme.example:443", &public, true),
            ("http://localhost:7301", &local, false),
            ("http://localhost", &local, false),
            ("http://evil.example:7300", &local, false),
            ("https://ai.acme.example:8443", &public, false),
            ("https://ai.acme.example.evil.example", &public, false),
            ("https://evil.example", &public, false),
            ("null", &local, false),
            ("", &local, false),
            ("file://", &local, false),
            ("ftp://127.0.0.1:7300", &local, false),
            ("http://127.0.0.1:7300@evil.example", &local, false),
            ("http://127.0.0.1:7300/path", &local, false),
            ("chrome-extension://abc", &local, false),
        ] {
            assert_eq!(
                is_own_origin(&gateway, origin, called),
                good,
                "{origin} to {called}"
            );
        }
    }
}
