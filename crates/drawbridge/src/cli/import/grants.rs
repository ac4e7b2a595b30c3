//! What a program is given of the machine: what stands in its settings, and nothing that holds secrets.

use std::{
    collections::BTreeSet,
    io::Read,
    path::{Component, Path, PathBuf},
};

use drawbridge_core::connector::STATE;

/// Where every program is looked for, and what it may read anyway.
const SYSTEM: [&str; 8] = [
    "/bin",
    "/lib",
    "/lib64",
    "/opt",
    "/sbin",
    "/usr",
    "/usr/local",
    "/usr/bin",
];
/// Where programs are looked for when nothing says otherwise.
const SEARCH: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];
/// What no server is given, with all beneath.
const MACHINE: [&str; 8] = [
    "/boot", "/dev", "/etc", "/proc", "/run", "/sys", "/var/lib", "/var/run",
];
/// Beneath the home folder: keys, sign-ins, and the settings of clients, whose servers' secrets they hold.
const SECRETS: [&str; 33] = [
    ".ssh",
    ".aws",
    ".azure",
    ".gnupg",
    ".kube",
    ".docker",
    ".password-store",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".pgpass",
    ".my.cnf",
    ".git-credentials",
    ".gitconfig",
    ".bash_history",
    ".zsh_history",
    ".cargo/credentials.toml",
    ".config/gcloud",
    ".config/gh",
    ".config/op",
    ".config/Claude",
    ".config/Code",
    ".config/google-chrome",
    ".config/chromium",
    ".mozilla",
    ".claude",
    ".claude.json",
    ".cursor",
    ".local/share/keyrings",
    ".terraform.d",
    ".vault-token",
    "Library/Keychains",
    "Library/Application Support",
];
/// Programs that run the file that is their argument.
const RUNNERS: [&str; 12] = [
    "python", "node", "deno", "bun", "ruby", "perl", "php", "java", "bash", "sh", "tsx", "uv",
];
/// How programs that are run by another end.
const SCRIPTS: [&str; 11] = [
    "py", "js", "mjs", "cjs", "ts", "mts", "rb", "pl", "php", "sh", "jar",
];
/// What the folder of a whole program has.
const MARKS: [&str; 6] = [
    "package.json",
    "node_modules",
    "pyproject.toml",
    ".venv",
    "Gemfile",
    "deno.json",
];
/// The folder in which packages of Node lie beside each other.
const PACKAGES: &str = "node_modules";
/// How much of a program is read for its first line, in bytes: what Linux reads.
const MOST_FIRST_LINE: u64 = 256;
/// How far above a script its program's folder is looked for.
const ABOVE: usize = 4;
/// Programs that fetch what they run.
const FETCH: [&str; 8] = [
    "npx", "uvx", "bunx", "pnpx", "pipx", "docker", "podman", "nerdctl",
];
/// Programs that fetch what they run when their first word says so.
const FETCH_WITH: [(&str, &[&str]); 6] = [
    ("pnpm", &["dlx", "exec"]),
    ("yarn", &["dlx"]),
    ("npm", &["exec", "x", "start", "run"]),
    ("bun", &["x"]),
    ("uv", &["run", "tool", "x"]),
    ("deno", &["run"]),
];

/// What may not be given, and where programs are.
pub(super) struct Bounds {
    pub(super) home: PathBuf,
    /// The folder of `drawbridge.yaml`, with the gateway's state.
    pub(super) workspace: PathBuf,
    /// Where the client's person has programs.
    pub(super) search: Vec<PathBuf>,
}

/// What a program is given.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Grants {
    pub(super) read: BTreeSet<PathBuf>,
    pub(super) write: BTreeSet<PathBuf>,
    pub(super) network: bool,
    /// What was left out, and why: sentences for people.
    pub(super) notes: Vec<String>,
}

impl Bounds {
    /// Why a path is not given to a server.
    fn refuses(&self, path: &Path) -> Option<String> {
        let why = |what: &str| Some(format!("`{}` is not granted: {what}", path.display()));
        if path == Path::new("/") || self.home.starts_with(path) {
            return why(
                "it holds everything of a person; name the folders within it that are needed",
            );
        }
        if self.workspace.starts_with(path) || path.starts_with(self.workspace.join(STATE)) {
            return why("it holds the gateway's own keys; keep what the server needs elsewhere");
        }
        let machine = MACHINE.iter().map(PathBuf::from);
        let secrets = SECRETS.iter().map(|name| self.home.join(name));
        let holds = |folder: &PathBuf| path.starts_with(folder) || folder.starts_with(path);
        let found = machine.chain(secrets).find(holds)?;
        why(&format!(
            "secrets of a person or of the machine are in `{}`",
            found.display()
        ))
    }

    /// The path itself, with links followed, if it is there.
    fn real(path: &Path) -> Option<PathBuf> {
        let climbs = path.components().any(|part| part == Component::ParentDir);
        (path.is_absolute() && !climbs).then_some(())?;
        path.canonicalize().ok()
    }

    /// Gives a path to a server, or says why not.
    fn give(&self, path: &Path, write: bool, grants: &mut Grants) -> bool {
        let Some(real) = Self::real(path) else {
            return false;
        };
        if let Some(why) = self.refuses(&real).or_else(|| self.refuses(path)) {
            grants.notes.push(why);
            return false;
        }
        if is_system(&real) {
            if write {
                grants.notes.push(format!(
                    "`{}` can be read, and is not granted to be changed: it is the system's",
                    real.display()
                ));
            }
            return true;
        }
        if write {
            grants.write.insert(real);
        } else {
            grants.read.insert(real);
        }
        true
    }

    /// A folder that the program works in: it may read what is there.
    pub(super) fn folder(&self, folder: &Path, grants: &mut Grants) {
        self.give(folder, false, grants);
    }

    /// The program as the file names it: where it is not the system's, its whole path, and what lies beside it
    /// is read. What comes back second is what `PATH` must begin with.
    pub(super) fn program(
        &self,
        name: &str,
        folder: Option<&Path>,
        grants: &mut Grants,
    ) -> (String, Option<PathBuf>) {
        let as_it_is = (name.to_owned(), None);
        let found = if name.contains('/') {
            let path = folder.map_or_else(|| PathBuf::from(name), |folder| folder.join(name));
            path.is_absolute().then_some(path)
        } else {
            self.found(name)
        };
        let Some(found) = found.filter(|path| path.is_file()) else {
            return as_it_is;
        };
        let beside = found.parent().unwrap_or(&found).to_owned();
        if SEARCH.iter().any(|folder| beside == Path::new(folder)) {
            return as_it_is;
        }
        self.placed(&found, grants);
        if let Some(interpreter) = self.interpreter(&found) {
            self.placed(&interpreter, grants);
        }
        (
            found.to_string_lossy().into_owned(),
            (!is_system(&found)).then_some(beside),
        )
    }

    /// A program where it is named and where it really is, with what each is installed with.
    fn placed(&self, program: &Path, grants: &mut Grants) {
        let real = program.canonicalize().ok();
        for path in real.iter().map(PathBuf::as_path).chain([program]) {
            if !is_system(path) {
                self.installed(path, grants);
            }
        }
    }

    /// What runs a program that is a script, by its first line.
    fn interpreter(&self, program: &Path) -> Option<PathBuf> {
        let mut start = Vec::new();
        let file = std::fs::File::open(program).ok()?;
        file.take(MOST_FIRST_LINE).read_to_end(&mut start).ok()?;
        let line = start
            .strip_prefix(b"#!")?
            .split(|byte| *byte == b'\n')
            .next()?;
        let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
        let path = Path::new(words.next()?);
        if path.file_name()? != "env" {
            return Some(path.to_owned());
        }
        let name = words.find(|word| !word.starts_with('-'))?;
        self.found(name)
    }

    /// A program of this name where its person has programs.
    fn found(&self, name: &str) -> Option<PathBuf> {
        let mut places = self.search.iter().map(|folder| folder.join(name));
        places.find(|path| path.is_file())
    }

    /// What a program is installed with: the folder above `bin`, or the program alone where that holds more.
    fn installed(&self, program: &Path, grants: &mut Grants) {
        let folder = program.parent().unwrap_or(program);
        let named = folder.file_name().and_then(|name| name.to_str());
        let whole = match named {
            Some("bin" | "shims" | "sbin") => folder.parent().unwrap_or(folder),
            _ => folder,
        };
        if self.refuses(whole).is_none() && whole != Path::new("/tmp") {
            self.give(whole, false, grants);
        } else {
            self.give(program, false, grants);
        }
    }

    /// What stands in the arguments and variables: folders may be changed, files read.
    pub(super) fn words<'a>(
        &self,
        words: impl Iterator<Item = &'a str>,
        runs: bool,
        grants: &mut Grants,
    ) {
        for word in words {
            let path = match word.split_once('=') {
                Some((flag, path)) if flag.starts_with('-') => path,
                _ => word,
            };
            let path = Path::new(path.strip_prefix("file://").unwrap_or(path));
            if !path.is_absolute() || path.components().count() < 2 {
                if path == Path::new("/") {
                    self.give(path, true, grants);
                }
                continue;
            }
            let Some(real) = Self::real(path) else {
                // Long ones are addresses and the like; what is a path has a folder that is there.
                if path
                    .parent()
                    .is_some_and(|folder| folder != Path::new("/") && folder.is_dir())
                {
                    grants.notes.push(format!(
                        "`{}` is not there, and nothing may be written there: if the server keeps its data in it, put it into a folder \
                         of its own, and that folder under `files: {{write: […]}}` in the connector's file",
                        path.display()
                    ));
                }
                continue;
            };
            if real.is_dir() {
                self.give(path, true, grants);
            } else if runs && is_script(&real) {
                self.script(&real, grants);
            } else if self.give(path, false, grants) && !is_system(&real) {
                grants.notes.push(format!(
                    "`{}` may be read; if the server changes it, move it to `files.write`",
                    path.display()
                ));
            }
        }
    }

    /// A script, with the folder of the program that it belongs to.
    fn script(&self, script: &Path, grants: &mut Grants) {
        let folder = script.parent().unwrap_or(script);
        let installed =
            |folder: &&Path| folder.file_name().and_then(|name| name.to_str()) == Some(PACKAGES);
        let mut near = script.ancestors().skip(1).take(ABOVE);
        // One that is installed among others uses what is installed beside it.
        let whole = script.ancestors().filter(installed).last().or_else(|| {
            near.find(|folder| {
                self.refuses(folder).is_none()
                    && MARKS.iter().any(|mark| folder.join(mark).exists())
            })
        });
        let folder = whole.unwrap_or(folder);
        if self.refuses(folder).is_some() || folder == Path::new("/tmp") {
            self.give(script, false, grants);
        } else {
            self.give(folder, false, grants);
        }
    }
}

/// Whether programs may read it anyway.
fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|folder| path.starts_with(folder))
}

fn is_script(path: &Path) -> bool {
    let end = path.extension().and_then(|end| end.to_str());
    end.is_some_and(|end| SCRIPTS.contains(&end))
}

/// A program's name without its folder.
pub(super) fn base(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// Whether a program runs scripts.
pub(super) fn runs(program: &str) -> bool {
    let name =
        base(program).trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    RUNNERS.contains(&name) || is_script(Path::new(program))
}

/// Whether a program fetches what it runs, and cannot start without a network.
pub(super) fn fetches(command: &[&str]) -> bool {
    let Some((program, arguments)) = command.split_first() else {
        return false;
    };
    let name = base(program);
    let first = arguments
        .iter()
        .find(|word| !word.starts_with('-') && !word.starts_with('/'));
    let with = FETCH_WITH.iter().find(|(program, _)| *program == name);
    let remote = |word: &&str| {
        ["npm:", "jsr:", "https://"]
            .iter()
            .any(|start| word.starts_with(start))
    };
    FETCH.contains(&name)
        || with.is_some_and(|(program, words)| {
            let said = first.is_some_and(|first| words.contains(first));
            said && (*program != "deno" || arguments.iter().any(remote))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(root: &Path) -> Bounds {
        for folder in [
            "home/docs",
            "home/.ssh",
            "home/app/build",
            "home/app/node_modules/@of/server/dist",
            "acme/.drawbridge",
            "home/.nvm/v20/bin",
            "home/.local/bin",
        ] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in [
            "home/app/build/index.js",
            "home/app/node_modules/@of/server/dist/index.js",
            "home/app/node_modules/@of/server/package.json",
            "home/note.txt",
            "home/server.py",
            "home/.nvm/v20/bin/npx",
            "home/.local/bin/own",
        ] {
            std::fs::write(root.join(file), "").unwrap();
        }
        Bounds {
            home: root.join("home"),
            workspace: root.join("acme"),
            search: vec![
                root.join("home/.nvm/v20/bin"),
                root.join("home/.local/bin"),
                PathBuf::from("/usr/bin"),
            ],
        }
    }

    fn rooted() -> (tempfile::TempDir, PathBuf) {
        let keep = tempfile::tempdir().unwrap();
        let root = keep.path().canonicalize().unwrap();
        (keep, root)
    }

    #[test]
    fn folders_files_and_scripts_of_the_arguments_are_granted() {
        let (_keep, root) = rooted();
        let bounds = bounds(&root);
        let given = |words: &[&str]| {
            let words: Vec<String> = words
                .iter()
                .map(|word| word.replace("ROOT", root.to_str().unwrap()))
                .collect();
            let mut grants = Grants::default();
            bounds.words(words.iter().map(String::as_str), true, &mut grants);
            let short = |paths: &BTreeSet<PathBuf>| -> Vec<String> {
                paths
                    .iter()
                    .map(|path| {
                        path.strip_prefix(&root)
                            .unwrap_or(path)
                            .display()
                            .to_string()
                    })
                    .collect()
            };
            (
                short(&grants.read),
                short(&grants.write),
                grants.notes.len(),
            )
        };
        let none: Vec<String> = Vec::new();
        let one = |path: &str| vec![path.to_owned()];
        assert_eq!(
            given(&["ROOT/home/docs", "-y", "x"]),
            (none.clone(), one("home/docs"), 0)
        );
        assert_eq!(
            given(&["--root=ROOT/home/docs"]),
            (none.clone(), one("home/docs"), 0)
        );
        assert_eq!(
            given(&["ROOT/home/app/build/index.js"]),
            (one("home/app"), none.clone(), 0)
        );
        assert_eq!(
            given(&["ROOT/home/app/node_modules/@of/server/dist/index.js"]),
            (one("home/app/node_modules"), none.clone(), 0)
        );
        assert_eq!(
            given(&["ROOT/home/server.py"]),
            (one("home/server.py"), none.clone(), 0)
        );
        assert_eq!(
            given(&["ROOT/home/note.txt"]),
            (one("home/note.txt"), none.clone(), 1)
        );
        assert_eq!(
            given(&["ROOT/home/docs/new.db"]),
            (none.clone(), none.clone(), 1)
        );
    }

    #[test]
    fn nothing_that_holds_secrets_is_granted() {
        let (_keep, root) = rooted();
        let bounds = bounds(&root);
        std::os::unix::fs::symlink(root.join("home/.ssh"), root.join("home/docs/link")).unwrap();
        for path in [
            "/",
            "ROOT",
            "ROOT/home",
            "ROOT/home/.ssh",
            "ROOT/home/docs/link",
            "ROOT/acme",
            "ROOT/acme/.drawbridge",
            "/etc",
            "/proc/self",
            "/etc/passwd",
            "ROOT/home/.local",
        ] {
            let path = path.replace("ROOT", root.to_str().unwrap());
            let mut grants = Grants::default();
            bounds.words(std::iter::once(path.as_str()), true, &mut grants);
            assert!(
                grants.read.is_empty() && grants.write.is_empty(),
                "{path}: {grants:?}"
            );
            assert_eq!(grants.notes.len(), 1, "{path}");
        }
        let mut grants = Grants::default();
        let climbing = format!("{}/home/docs/../.ssh", root.display());
        bounds.words(
            [climbing.as_str(), "/usr/share"].into_iter(),
            true,
            &mut grants,
        );
        assert!(
            grants.read.is_empty() && grants.write.is_empty(),
            "{grants:?}"
        );
    }

    #[test]
    fn a_program_of_a_person_is_granted_with_what_it_is_installed_with() {
        let (_keep, root) = rooted();
        let bounds = bounds(&root);
        let program = |name: &str| {
            let mut grants = Grants::default();
            let (name, path) = bounds.program(name, None, &mut grants);
            (name, path, grants.read)
        };
        let beside = root.join("home/.nvm/v20/bin");
        let npx = beside.join("npx").to_string_lossy().into_owned();
        assert_eq!(
            program("npx"),
            (
                npx,
                Some(beside),
                BTreeSet::from([root.join("home/.nvm/v20")])
            )
        );
        let own = root.join("home/.local/bin/own");
        assert_eq!(program("own").2, BTreeSet::from([own]));
        assert_eq!(program("env"), ("env".to_owned(), None, BTreeSet::new()));
        assert_eq!(
            program("/bin/nothing"),
            ("/bin/nothing".to_owned(), None, BTreeSet::new())
        );
    }

    #[test]
    fn what_runs_a_script_is_granted_with_it() {
        let (_keep, root) = rooted();
        let bounds = bounds(&root);
        let tool = root.join("home/.local/share/uv/tools/notes/bin");
        let base = root.join("home/.local/share/uv/python/3.12/bin");
        for folder in [&tool, &base] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(base.join("python3.12"), "").unwrap();
        std::os::unix::fs::symlink(base.join("python3.12"), tool.join("python")).unwrap();
        let first = format!("#!{}\nimport notes\n", tool.join("python").display());
        std::fs::write(tool.join("notes"), first).unwrap();
        let link = root.join("home/.local/bin/notes");
        std::os::unix::fs::symlink(tool.join("notes"), &link).unwrap();
        let script = "#!/usr/bin/env -S npx --yes\n";
        std::fs::write(root.join("home/.local/bin/script"), script).unwrap();
        let granted = |name: &str| {
            let mut grants = Grants::default();
            bounds.program(name, None, &mut grants);
            grants.read
        };
        let whole = |folder: &Path| folder.parent().unwrap().to_owned();
        let real = tool.join("notes");
        assert_eq!(real.canonicalize().unwrap(), real);
        assert_eq!(
            granted("notes"),
            BTreeSet::from([whole(&tool), whole(&base), real])
        );
        assert_eq!(
            granted("script"),
            BTreeSet::from([
                root.join("home/.local/bin/script"),
                root.join("home/.nvm/v20")
            ])
        );
    }

    #[test]
    fn what_fetches_itself_is_known() {
        for line in [
            "npx -y x",
            "/opt/bin/uvx x",
            "pnpm dlx x",
            "docker run x",
            "uv --quiet run x",
            "deno run -A npm:x",
        ] {
            assert!(fetches(&line.split(' ').collect::<Vec<_>>()), "{line}");
        }
        for line in ["node x.js", "pnpm build", "deno run x.ts", "python3 x.py"] {
            assert!(!fetches(&line.split(' ').collect::<Vec<_>>()), "{line}");
        }
        assert!(runs("/usr/bin/python3.11") && runs("node") && !runs("npx"));
    }
}
