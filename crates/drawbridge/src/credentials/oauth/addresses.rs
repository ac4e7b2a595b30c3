//! The way to authorization servers: by https, to no address that only this machine or its network has
//! unless the server that is guarded is there itself, no further than it was sent, and not without end.
//!
//! INVARIANT: who answers for a name opens nothing by it. This machine is open only where the file names
//! it; one's own network only to what the file names there, by address or by a name that is nowhere else.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header,
    redirect::Policy,
};
use rmcp::transport::auth::{AuthError, OAuthHttpClient, OAuthHttpClientFuture, OAuthHttpRequest};

use super::problem::OauthError;
use crate::credentials::lock;

/// The largest answer, in bytes.
const MOST_BYTES: usize = 256 << 10;

/// Where an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Public,
    /// In a network of one's own.
    Private,
    /// On this machine.
    Here,
    /// Where no authorization server can be: a cloud's own services, everybody, nobody.
    Nowhere,
}

/// The way to the authorization server of one resource.
pub(super) struct Way {
    client: Client,
    places: BTreeSet<Place>,
    limit: Duration,
    /// Why the last request got no answer, where it got none: libraries tell no more of that than text.
    failed: Mutex<Option<OauthError>>,
}

impl Way {
    /// The way from these addresses, which the file names: where they are for certain, others may be too.
    pub(super) async fn new(named: &[&str], limit: Duration) -> Result<Arc<Self>, OauthError> {
        let mut places = BTreeSet::from([Place::Public]);
        let mut found = Vec::new();
        for address in named {
            let url = Url::parse(address).map_err(|_| not_there(address))?;
            if let Some(place) = literal(&url) {
                places.insert(place);
                continue;
            }
            let host = url.host_str().unwrap_or_default().to_owned();
            let addresses = addresses_of(&host).await;
            places.extend(opened(&addresses));
            found.push((host, addresses));
        }
        places.remove(&Place::Nowhere);
        let mut client = Client::builder();
        for (host, mut addresses) in found {
            // What a name stood for when it was looked at is what it stands for.
            addresses.retain(|address| places.contains(&place(address.ip())));
            if !addresses.is_empty() {
                client = client.resolve_to_addrs(&host, &addresses);
            }
        }
        let client = client
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(limit)
            .timeout(limit)
            .dns_resolver(Arc::new(Allowed(places.clone())))
            .build()
            .map_err(|_| OauthError::Unreachable)?;
        Ok(Arc::new(Self {
            client,
            places,
            limit,
            failed: Mutex::default(),
        }))
    }

    /// Whether tokens may be asked for there.
    pub(super) fn allows(&self, address: &str) -> Result<(), OauthError> {
        let url = Url::parse(address).map_err(|_| not_there(address))?;
        let place = literal(&url);
        let here = place == Some(Place::Here);
        let secure = url.scheme() == "https" || (url.scheme() == "http" && here);
        let plain = url.username().is_empty() && url.password().is_none();
        if secure && plain && place.is_none_or(|place| self.places.contains(&place)) {
            return Ok(());
        }
        Err(not_there(address))
    }

    /// Sends a request, and takes what is answered. No redirect is followed.
    pub(super) async fn send(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, OauthError> {
        let answer = self.answered(request).await;
        *lock(&self.failed) = answer.as_ref().err().cloned();
        answer
    }

    /// Why what was just asked for by a library came to nothing.
    pub(super) fn why(&self, error: AuthError) -> OauthError {
        let failed = lock(&self.failed).take();
        failed.unwrap_or_else(|| error.into())
    }

    async fn answered(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, OauthError> {
        self.allows(&request.uri().to_string())?;
        let asks = request.method() == http::Method::POST;
        let request = reqwest::Request::try_from(request).map_err(|_| OauthError::Form)?;
        let broken = |error: reqwest::Error| {
            if error.is_timeout() {
                OauthError::Slow(self.limit)
            } else {
                OauthError::Unreachable
            }
        };
        let mut answer = self.client.execute(request).await.map_err(broken)?;
        // Whatever such an answer holds, it is no refusal.
        if asks && (answer.status().is_server_error() || answer.status() == 429) {
            return Err(OauthError::Down(answer.status().as_u16()));
        }
        let mut response = http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            response = response.header(name, value);
        }
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let mut body = Vec::new();
        // A stream of events has no end, and nothing of it is asked for here.
        if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            while let Some(chunk) = answer.chunk().await.map_err(broken)? {
                if body.len() + chunk.len() > MOST_BYTES {
                    return Err(OauthError::Form);
                }
                body.extend_from_slice(&chunk);
            }
        }
        response.body(body).map_err(|_| OauthError::Form)
    }
}

impl OAuthHttpClient for Way {
    fn execute(&self, request: OAuthHttpRequest) -> OAuthHttpClientFuture<'_> {
        Box::pin(async move { self.send(request.request).await.map_err(Into::into) })
    }
}

fn not_there(address: &str) -> OauthError {
    let shown: String = address.chars().take(200).collect();
    // What stands behind `?` may be more than an address.
    let shown = shown.split(['?', '#']).next().unwrap_or_default();
    OauthError::Unsafe(shown.to_owned())
}

/// Names are resolved to allowed addresses only, so that none can be changed after it was looked at.
struct Allowed(BTreeSet<Place>);

impl Resolve for Allowed {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found
                .filter(|address| allowed.contains(&place(address.ip())))
                .collect();
            if kept.is_empty() {
                return Err(OauthError::Unsafe(name.as_str().to_owned()).into());
            }
            let kept: Addrs = Box::new(kept.into_iter());
            Ok(kept)
        })
    }
}

/// Where an address is that says so itself; none for a name that must be looked up.
fn literal(url: &Url) -> Option<Place> {
    let host = url.host_str()?;
    let address = host.trim_matches(['[', ']']).parse().ok().map(place);
    let named = host.trim_end_matches('.');
    let here = named == "localhost" || named.ends_with(".localhost");
    address.or(here.then_some(Place::Here))
}

async fn addresses_of(host: &str) -> Vec<SocketAddr> {
    let found = tokio::net::lookup_host((host, 0)).await;
    found.map_or_else(|_| Vec::new(), Iterator::collect)
}

/// Which place a name opens for others that stands for these addresses: one's own network, where it is
/// nowhere else. A name elsewhere is answered for by somebody else, who may say anything.
fn opened(addresses: &[SocketAddr]) -> Option<Place> {
    let private = |address: &SocketAddr| place(address.ip()) == Place::Private;
    let all = !addresses.is_empty() && addresses.iter().all(private);
    all.then_some(Place::Private)
}

fn place(address: IpAddr) -> Place {
    match address.to_canonical() {
        IpAddr::V4(address) => of_four(address),
        IpAddr::V6(address) => of_six(address),
    }
}

fn of_four(address: Ipv4Addr) -> Place {
    let [first, second, third, _] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let reserved = first == 0
        || first >= 240
        || (first == 198 && (18..20).contains(&second))
        || (first, second, third) == (192, 0, 0);
    if address.is_loopback() {
        Place::Here
    } else if address.is_private() || shared {
        Place::Private
    } else if reserved
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
    {
        Place::Nowhere
    } else {
        Place::Public
    }
}

fn of_six(address: Ipv6Addr) -> Place {
    let four = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        of_four(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Here,
        // What stands for an address of the older kind is where that is: NAT64, 6to4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => four(high, low),
        [0, 0, 0, 0, 0, 0, ..] | [0x2001, 0, ..] | [0x64, 0xff9b, ..] => Place::Nowhere,
        _ if address.is_unique_local() => Place::Private,
        _ if address.is_unicast_link_local() || address.is_multicast() => Place::Nowhere,
        _ => Place::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Way, opened, place};
    use std::net::SocketAddr;
    use std::time::Duration;

    #[test]
    fn each_address_is_where_it_is() {
        for (address, wanted) in [
            ("93.184.215.14", Place::Public),
            ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", Place::Public),
            ("10.1.2.3", Place::Private),
            ("172.16.0.1", Place::Private),
            ("192.168.1.1", Place::Private),
            ("100.64.0.1", Place::Private),
            ("fd00::1", Place::Private),
            ("::ffff:10.0.0.1", Place::Private),
            ("64:ff9b::a00:1", Place::Private),
            ("2002:a00:1::1", Place::Private),
            ("127.0.0.1", Place::Here),
            ("127.9.9.9", Place::Here),
            ("::1", Place::Here),
            ("::ffff:127.0.0.1", Place::Here),
            ("169.254.169.254", Place::Nowhere),
            ("64:ff9b::a9fe:a9fe", Place::Nowhere),
            ("fe80::1", Place::Nowhere),
            ("0.0.0.0", Place::Nowhere),
            ("::", Place::Nowhere),
            ("224.0.0.1", Place::Nowhere),
            ("255.255.255.255", Place::Nowhere),
            ("2001:0:1::1", Place::Nowhere),
        ] {
            assert_eq!(place(address.parse().unwrap()), wanted, "{address}");
        }
    }

    #[tokio::test]
    async fn an_inner_address_is_allowed_only_where_the_file_is_there_itself() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let way = async |named: &str| Way::new(&[named], Duration::from_secs(1)).await.unwrap();
        let outside = way("https://93.184.215.14/mcp").await;
        for address in [
            "http://93.184.215.14/token",
            "https://10.0.0.1/token",
            "https://127.0.0.1/token",
            "https://localhost/token",
            "https://169.254.169.254/token",
            "https://me:word@93.184.215.14/token",
            "ftp://93.184.215.14/token",
            "token",
        ] {
            assert!(outside.allows(address).is_err(), "{address}");
        }
        assert!(outside.allows("https://as.example/token").is_ok());
        let inside = way("https://10.0.0.7/mcp").await;
        assert!(inside.allows("https://10.0.0.1/token").is_ok());
        assert!(inside.allows("http://10.0.0.1/token").is_err());
        assert!(inside.allows("https://169.254.169.254/token").is_err());
        let here = way("http://127.0.0.1:1/mcp").await;
        assert!(here.allows("http://127.0.0.1:2/token").is_ok());
        assert!(here.allows("http://localhost:2/token").is_ok());
    }

    #[tokio::test]
    async fn a_name_opens_no_place_but_a_network_that_it_is_in_wholly() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        for (addresses, wanted) in [
            (&["10.0.0.1", "fd00::1"][..], Some(Place::Private)),
            (&["10.0.0.1", "93.184.215.14"], None),
            (&["10.0.0.1", "127.0.0.1"], None),
            (&["10.0.0.1", "169.254.169.254"], None),
            (&["127.0.0.1"], None),
            (&["93.184.215.14"], None),
            (&[], None),
        ] {
            let at = |address: &&str| SocketAddr::new(address.parse().unwrap(), 0);
            let found: Vec<SocketAddr> = addresses.iter().map(at).collect();
            assert_eq!(opened(&found), wanted, "{addresses:?}");
        }
        // Every resolver says that this name is on this machine; the file does not.
        let way = Way::new(&["https://ip6-localhost/mcp"], Duration::from_secs(1));
        let way = way.await.unwrap();
        for address in ["http://127.0.0.1:1/token", "https://localhost/token"] {
            assert!(way.allows(address).is_err(), "{address}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_followed() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let way = Way::new(&["https://93.184.215.14/mcp"], Duration::from_secs(1));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Every resolver knows this name, and `allows` cannot tell where it is.
        let host = "ip6-localhost";
        let request = http::Request::get(format!("https://{host}:{port}/")).body(Vec::new());
        let sent = way.await.unwrap().send(request.unwrap()).await;
        assert!(sent.is_err());
        let nobody = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
        assert!(nobody.is_err(), "somebody came");
    }
}
