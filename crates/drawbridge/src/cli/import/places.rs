//! Where clients keep their settings, and reading them within bounds.

use std::{
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The largest settings file, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// A client of MCP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Client {
    ClaudeDesktop,
    ClaudeCode,
    Cursor,
    Vscode,
}

impl Client {
    const ALL: [Self; 4] = [
        Self::ClaudeDesktop,
        Self::ClaudeCode,
        Self::Cursor,
        Self::Vscode,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ClaudeDesktop => "Claude Desktop",
            Self::ClaudeCode => "Claude Code",
            Self::Cursor => "Cursor",
            Self::Vscode => "VS Code",
        }
    }

    /// The client that calls its settings so.
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let folder = path
            .parent()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str());
        match (name, folder) {
            ("claude_desktop_config.json", _) => Some(Self::ClaudeDesktop),
            (".claude.json" | ".mcp.json", _) => Some(Self::ClaudeCode),
            ("mcp.json", Some(".cursor")) => Some(Self::Cursor),
            ("mcp.json" | "settings.json", Some(".vscode" | "User")) => Some(Self::Vscode),
            _ => None,
        }
    }

    /// Its settings beneath the home folder, on Linux and on macOS.
    fn at_home(self) -> &'static [&'static str] {
        match self {
            Self::ClaudeDesktop => &[
                ".config/Claude/claude_desktop_config.json",
                "Library/Application Support/Claude/claude_desktop_config.json",
            ],
            Self::ClaudeCode => &[".claude.json"],
            Self::Cursor => &[".cursor/mcp.json"],
            Self::Vscode => &[
                ".config/Code/User/mcp.json",
                ".config/Code - Insiders/User/mcp.json",
                ".config/VSCodium/User/mcp.json",
                "Library/Application Support/Code/User/mcp.json",
                "Library/Application Support/Code - Insiders/User/mcp.json",
            ],
        }
    }

    /// Its settings in the folder of a project.
    fn in_project(self) -> &'static [&'static str] {
        match self {
            Self::ClaudeDesktop => &[],
            Self::ClaudeCode => &[".mcp.json"],
            Self::Cursor => &[".cursor/mcp.json"],
            Self::Vscode => &[".vscode/mcp.json"],
        }
    }
}

/// A settings file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) client: Option<Client>,
    /// The folder of the project that it is for.
    pub(super) project: Option<PathBuf>,
    /// Whether somebody named the file. One that just lies in a folder may have come with it, and nobody
    /// wants what it starts.
    pub(super) named: bool,
}

impl Place {
    /// A file that somebody names.
    pub(super) fn named(path: &Path, home: &Path) -> Self {
        let path = placed(path);
        let client = Client::of(&path);
        let folder = path.parent().map(Path::to_owned);
        let inner = folder
            .as_deref()
            .and_then(Path::file_name)
            .and_then(|name| name.to_str());
        let project = match inner {
            Some(".cursor" | ".vscode") => {
                folder.as_deref().and_then(Path::parent).map(Path::to_owned)
            }
            _ => folder,
        };
        // What stands at home is for no project.
        let alone = client.is_some_and(|client| {
            client
                .at_home()
                .iter()
                .any(|known| placed(&home.join(known)) == path)
        });
        Self {
            client,
            project: project.filter(|_| !alone),
            path,
            named: true,
        }
    }

    /// Whether its servers may be started: they are its person's own, or were asked for.
    pub(super) fn is_wanted(&self) -> bool {
        self.named || self.project.is_none()
    }

    /// What it is, for people.
    pub(super) fn told(&self) -> String {
        let path = self.path.display();
        match self.client {
            Some(client) => format!("{} (`{path}`)", client.name()),
            None => format!("`{path}`"),
        }
    }
}

/// Where settings can be: of one client, or of all.
pub(super) fn known(only: Option<Client>, home: &Path, here: &Path) -> Vec<Place> {
    let clients = Client::ALL
        .into_iter()
        .filter(|client| only.is_none_or(|only| only == *client));
    let mut places = Vec::new();
    for client in clients {
        let at_home = client.at_home().iter().map(|path| (home.join(path), None));
        let in_project = client
            .in_project()
            .iter()
            .map(|path| (here.join(path), Some(here.to_owned())));
        for (path, project) in at_home.chain(in_project) {
            // At home, a project's settings can be the person's own.
            let twice = places.iter().any(|place: &Place| place.path == path);
            if !twice {
                places.push(Place {
                    path,
                    client: Some(client),
                    project,
                    named: false,
                });
            }
        }
    }
    if only.is_none() {
        let (path, project) = (here.join("mcp.json"), Some(here.to_owned()));
        places.push(Place {
            path,
            client: None,
            project,
            named: false,
        });
    }
    places
}

/// The path with its folder as it really is; the file itself may be a link.
fn placed(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// The text of a file, within bounds. Nothing that waits or never ends is read.
pub(super) fn text(path: &Path) -> Result<String, String> {
    let told = |error: std::io::Error| format!("it cannot be read: {error}");
    let known = std::fs::metadata(path).map_err(told)?;
    if !known.is_file() {
        return Err("it is no file".to_owned());
    }
    let too_large = || {
        format!(
            "it has more than {} KiB, which no settings have; take out what is not needed",
            MOST_BYTES >> 10
        )
    };
    if known.size() > MOST_BYTES {
        return Err(too_large());
    }
    let file = std::fs::File::open(path).map_err(told)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(told)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(too_large());
    }
    // The error would hold the bytes.
    String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_looked_for_at_home_and_in_the_project() {
        let (home, here) = (Path::new("/home/ann"), Path::new("/work/acme"));
        let all = known(None, home, here);
        let at = |path: &str| all.iter().find(|place| place.path == Path::new(path));
        assert_eq!(
            at("/home/ann/.claude.json").and_then(|one| one.client),
            Some(Client::ClaudeCode)
        );
        let project = at("/work/acme/.vscode/mcp.json").and_then(|one| one.project.clone());
        assert_eq!(project.as_deref(), Some(here));
        assert!(at("/home/ann/.claude.json").is_some_and(Place::is_wanted));
        assert!(!at("/work/acme/.mcp.json").is_some_and(Place::is_wanted));
        assert!(at("/work/acme/mcp.json").is_some_and(|one| one.client.is_none()));
        let cursor = known(Some(Client::Cursor), home, here);
        assert_eq!(cursor.len(), 2);
        assert_eq!(known(Some(Client::Cursor), home, home).len(), 1);
    }

    #[test]
    fn a_file_that_is_named_is_known_by_its_place() {
        let home = Path::new("/home/ann");
        for (path, client, project) in [
            ("/w/.mcp.json", Some(Client::ClaudeCode), Some("/w")),
            ("/w/.cursor/mcp.json", Some(Client::Cursor), Some("/w")),
            ("/home/ann/.cursor/mcp.json", Some(Client::Cursor), None),
            ("/w/servers.json", None, Some("/w")),
        ] {
            let place = Place::named(Path::new(path), home);
            assert_eq!(place.client, client, "{path}");
            assert_eq!(place.project.as_deref(), project.map(Path::new), "{path}");
            assert!(place.is_wanted(), "{path}");
        }
    }
}
