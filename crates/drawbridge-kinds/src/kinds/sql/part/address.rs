//! Where the database is, taken out of its URL.

use std::{net::IpAddr, path::PathBuf};

use drawbridge_core::{connector::STATE, file::Fault};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    super::{
        dialect::Dialect,
        shape::{MAIN, PUBLIC},
    },
    System,
};

/// What a SQLite file's URL begins with.
const FILE: &str = "sqlite:";
/// What the URL of a folder of reports begins with.
const REPORTS: &str = "reports:";
/// What the URL of a server begins with.
const SERVERS: [(&str, Brand); 4] = [
    ("postgres://", Brand::Postgres),
    ("postgresql://", Brand::Postgres),
    ("mariadb://", Brand::MariaDb),
    ("mysql://", Brand::MariaDb),
];

/// What is told of a URL that is none of these.
const UNKNOWN: &str = "this is neither a SQLite file, a folder nor a server that can be reached";
/// How it is written rightly.
const LIKE: &str = "write it like `sqlite:crm.db`, `reports:exports`, `postgres://account@host/database` or \
                    `mariadb://account@host/database`, without options";

/// Which engine a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Brand {
    Postgres,
    MariaDb,
}

/// How a connection to a server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Tls {
    /// By TLS, and the server's certificate is verified, with its name.
    Verify,
    /// By TLS, whoever the server is: somebody in between could read along.
    Encrypt,
    /// Not at all: only on this machine.
    Off,
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Target {
    /// In a file, by its path.
    File(String),
    /// In the files of a folder, by its path.
    Reports(String),
    /// On a server.
    Server(Address),
}

/// A database on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Address {
    pub(in super::super) brand: Brand,
    pub(in super::super) host: String,
    pub(in super::super) port: Option<u16>,
    pub(in super::super) user: String,
    pub(in super::super) database: String,
    pub(in super::super) tls: Tls,
    /// The certificates of those who may vouch for the server besides the public ones.
    pub(in super::super) ca: Option<PathBuf>,
}

impl Target {
    /// Whose words are spoken there, and the schema of tables that name none.
    pub(super) fn home(&self) -> (Dialect, &str) {
        match self {
            Self::File(_) | Self::Reports(_) => (Dialect::Sqlite, MAIN),
            Self::Server(address) => match address.brand {
                Brand::Postgres => (address.dialect(), PUBLIC),
                Brand::MariaDb => (address.dialect(), &address.database),
            },
        }
    }
}

impl Address {
    pub(in super::super) fn dialect(&self) -> Dialect {
        match self.brand {
            Brand::Postgres => Dialect::Postgres,
            Brand::MariaDb => Dialect::MariaDb,
        }
    }

    /// The account, as it stands in statements that grant it something.
    pub(in super::super) fn account(&self) -> String {
        let name = self.dialect().quoted(&self.user);
        match self.brand {
            Brand::Postgres => name,
            Brand::MariaDb if is_here(&self.host) => format!("{name}@`localhost`"),
            Brand::MariaDb => format!("{name}@`%`"),
        }
    }

    /// As people are told of it.
    pub(in super::super) fn shown(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}/{}", self.host, self.database),
            None => format!("{}/{}", self.host, self.database),
        }
    }
}

/// What is wrong with a URL, and how to mend it.
type Wrong = (String, String);

/// Whether it is a folder of reports.
pub(super) fn is_reports(url: &str) -> bool {
    url.starts_with(REPORTS)
}

/// Where the database of this part is.
pub(super) fn target(system: &System) -> Result<Target, Wrong> {
    let url = system.url.as_str();
    if let Some(path) = url.strip_prefix(FILE) {
        return file(path).map(|path| Target::File(path.to_owned()));
    }
    if let Some(path) = url.strip_prefix(REPORTS) {
        return file(path).map(|path| Target::Reports(path.to_owned()));
    }
    for (scheme, brand) in SERVERS {
        if let Some(rest) = url.strip_prefix(scheme) {
            return server(brand, rest, system).map(Target::Server);
        }
    }
    Err(wrong(UNKNOWN, LIKE))
}

fn wrong(rule: &str, mend: &str) -> Wrong {
    (rule.to_owned(), mend.to_owned())
}

fn file(path: &str) -> Result<&str, Wrong> {
    let odd = path.is_empty()
        || path.starts_with("//")
        || path.starts_with(':')
        || path.contains(|letter: char| letter == '?' || letter.is_control());
    if odd {
        return Err(wrong("this names no file and no folder", LIKE));
    }
    let ours = |part: std::path::Component<'_>| part.as_os_str() == STATE;
    if std::path::Path::new(path).components().any(ours) {
        let rule = "`.drawbridge` holds the gateway's own state, which no connector may reach";
        return Err(wrong(rule, "put what it reads elsewhere"));
    }
    Ok(path)
}

fn server(brand: Brand, rest: &str, system: &System) -> Result<Address, Wrong> {
    if rest.contains(['?', '#']) {
        let rule = "options in a URL are not read";
        return Err(wrong(
            rule,
            "take them out; `tls` and `ca` are keys of their own",
        ));
    }
    let (place, database) = rest
        .split_once('/')
        .filter(|(_, database)| !database.is_empty())
        .ok_or_else(|| wrong("it names no database", LIKE))?;
    let (user, host) = place
        .rsplit_once('@')
        .ok_or_else(|| wrong("it names no account", LIKE))?;
    if user.contains(':') {
        let rule = "a password stands in the file, where everybody can read it";
        return Err(wrong(
            rule,
            "take it out and change it in the database; name it in `identity.credential`",
        ));
    }
    let (host, port) = host_and_port(host)?;
    let odd = |text: &str| {
        text.is_empty()
            || text.contains(|letter: char| {
                letter.is_control() || letter.is_whitespace() || "%/@:\\".contains(letter)
            })
    };
    if odd(user) || odd(database) || host.is_empty() || host.contains(['/', '%', ' ']) {
        return Err(wrong("this is no account, host or database", LIKE));
    }
    let here = is_here(&host);
    Ok(Address {
        brand,
        port,
        user: user.to_owned(),
        database: database.to_owned(),
        tls: match system.tls {
            Some(tls) => tls,
            None if here => Tls::Off,
            None => Tls::Verify,
        },
        ca: system.ca.as_ref().map(PathBuf::from),
        host,
    })
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), Wrong> {
    let bad = || wrong("this is no host and port", LIKE);
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(bad)?;
            (host, port.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map(str::parse).transpose().map_err(|_| bad())?;
    Ok((host.to_owned(), port))
}

/// Whether nothing leaves this machine on the way to a host.
pub(in super::super) fn is_here(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// What is wrong with where the database is.
pub(super) fn faults(system: &System) -> Vec<Fault> {
    let mut faults = Vec::new();
    match target(system) {
        Err((rule, mend)) => faults.push(Fault::new("/system/url", rule, mend)),
        Ok(Target::File(_) | Target::Reports(_)) => {
            for (name, given) in [("tls", system.tls.is_some()), ("ca", system.ca.is_some())] {
                if given {
                    let rule = "nothing is sent over a network to a file";
                    faults.push(Fault::new(format!("/system/{name}"), rule, "take it out"));
                }
            }
        }
        Ok(Target::Server(address)) => {
            if address.tls == Tls::Off && !is_here(&address.host) {
                let rule = "everybody on the way could read and change what is sent";
                let mend = "write `tls: verify`, or leave it out";
                faults.push(Fault::new("/system/tls", rule, mend));
            }
            if address.ca.is_some() && address.tls != Tls::Verify {
                let rule = "nobody looks at the server's certificate";
                let mend = "write `tls: verify`, or take `ca` out";
                faults.push(Fault::new("/system/ca", rule, mend));
            }
        }
    }
    faults
}
