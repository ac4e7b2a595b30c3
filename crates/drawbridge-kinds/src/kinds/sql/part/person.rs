//! For whom the connector acts in a database, and how the database is told.

use std::collections::{BTreeMap, BTreeSet};

use drawbridge_core::{
    answer::{Failure, Status},
    connector::{ForPerson, Part},
    file::Fault,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    super::{dialect::Dialect, window::Given},
    Address, System, Target,
    address::target,
    condition::caller_word,
    escaped,
};

/// The most letters of the name of a setting: what MariaDB takes.
const MOST_NAME: usize = 64;
/// The name that both servers take for no role at all, also in quotes.
const NO_ROLE: &str = "none";
/// What values can be.
const VALUES: &str = "write `:person.id`, `:person.` and an attribute, `:client`, or a fixed text";

/// `system.person`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PersonText {
    /// The role that each call takes in its transaction: `:person.` and an attribute, or a fixed
    /// name. The account must be a member of it. In PostgreSQL the role's rights count instead of the
    /// account's; in MariaDB and MySQL they are added to the account's.
    #[serde(default)]
    #[schemars(extend("examples" = [":person.database_role"]))]
    role: Option<String>,
    /// What each call tells the database, by the name of a setting: `:person.id`, `:person.` and an
    /// attribute, `:client`, or a fixed text. In PostgreSQL a name has a dot, and row-level security
    /// reads it by `current_setting('app.region')`; in MariaDB and MySQL it is a variable, and
    /// triggers read it as `@region`. Who lacks an attribute is denied.
    #[serde(default)]
    #[schemars(extend("examples" = [{"app.person": ":person.id", "app.region": ":person.region"}]))]
    settings: BTreeMap<String, String>,
}

/// What the database is told in one place.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    /// Something of the caller: `person.id`, `person.ATTRIBUTE` or `client`.
    Caller(String),
    Fixed(String),
}

impl Told {
    fn read(text: &str) -> Result<Self, String> {
        let named = caller_word(text)?;
        Ok(named.map_or_else(|| Self::Fixed(text.to_owned()), Self::Caller))
    }

    fn value(&self, given: &Given) -> Result<String, Failure> {
        match self {
            Self::Fixed(text) => Ok(text.clone()),
            Self::Caller(name) => {
                let value = given.get(name).filter(|value| !value.is_empty());
                value.cloned().ok_or_else(|| unknown(name))
            }
        }
    }
}

/// How the database is told for whom a connector acts, understood.
#[derive(Debug)]
pub(in super::super) struct Telling {
    role: Option<Told>,
    settings: Vec<(String, Told)>,
    address: Address,
}

/// As whom a transaction runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in super::super) struct Acting {
    /// The role that it takes.
    pub(in super::super) role: Option<String>,
    /// What it tells the database.
    pub(in super::super) settings: Vec<(String, String)>,
    /// The statement that lets the account take the role.
    grant: String,
}

impl Acting {
    /// As the connector's account, for nobody.
    pub(in super::super) fn account() -> Self {
        Self::default()
    }

    pub(in super::super) fn is_account(&self) -> bool {
        self.role.is_none() && self.settings.is_empty()
    }

    /// Its role alone, where its settings are still told.
    pub(in super::super) fn of_role(&self) -> Self {
        Self {
            settings: Vec::new(),
            ..self.clone()
        }
    }

    /// The failure of a call for whom the account may not take the role.
    pub(in super::super) fn refused(&self) -> Failure {
        let grant = &self.grant;
        let told = format!(
            "the connector's account may not act as the person's role in the database, so nothing \
             was done; whoever keeps the database can let it: `{grant}`"
        );
        Failure::new(Status::Denied, told)
    }
}

impl Telling {
    /// How the file has it told; none where the connector acts as its account.
    pub(super) fn of(system: &System, target: &Target) -> Result<Option<Self>, String> {
        let Some(text) = &system.person else {
            return Ok(None);
        };
        let Target::Server(address) = target else {
            return Err(NO_SERVER.to_owned());
        };
        let mut settings = Vec::new();
        for (name, value) in &text.settings {
            settings.push((name.clone(), Told::read(value)?));
        }
        Ok(Some(Self {
            role: text.role.as_deref().map(Told::read).transpose()?,
            settings,
            address: address.clone(),
        }))
    }

    /// What it must know of the caller.
    pub(super) fn asks(&self) -> BTreeSet<&str> {
        let settings = self.settings.iter().map(|(_, told)| told);
        let asked = self
            .role
            .iter()
            .chain(settings)
            .filter_map(|told| match told {
                Told::Caller(name) => Some(name.as_str()),
                Told::Fixed(_) => None,
            });
        asked.collect()
    }

    pub(super) fn takes_role(&self) -> bool {
        self.role.is_some()
    }

    /// The role, where it is the same for everybody.
    pub(in super::super) fn fixed_role(&self) -> Option<&str> {
        match &self.role {
            Some(Told::Fixed(role)) => Some(role),
            Some(Told::Caller(_)) | None => None,
        }
    }

    /// The names of its settings.
    pub(in super::super) fn settings(&self) -> impl Iterator<Item = &str> {
        self.settings.iter().map(|(name, _)| name.as_str())
    }

    /// As whom a transaction runs for a caller of whom this is known.
    ///
    /// # Errors
    /// `denied` where something is not known, or can be no role and no setting.
    pub(super) fn acting(&self, given: &Given) -> Result<Acting, Failure> {
        let mut acting = Acting::account();
        for (name, told) in &self.settings {
            let value = told.value(given)?;
            if value.contains('\0') {
                return Err(unfit("a setting"));
            }
            acting.settings.push((name.clone(), value));
        }
        if let Some(told) = &self.role {
            let role = told.value(given)?;
            if !is_role(&role, &self.address) {
                return Err(unfit("a role of their own"));
            }
            let (name, account) = (self.address.dialect().quoted(&role), self.address.account());
            acting.grant = format!("GRANT {name} TO {account}");
            acting.role = Some(role);
        }
        Ok(acting)
    }
}

/// Whether a person can have this role. The account itself is nobody's, and the name for no role
/// would leave the account its own rights.
fn is_role(name: &str, address: &Address) -> bool {
    let odd = name.is_empty() || name.contains(char::is_control) || name != name.trim();
    !odd && !name.eq_ignore_ascii_case(NO_ROLE) && *name != address.user
}

fn unknown(name: &str) -> Failure {
    let attribute = name.strip_prefix("person.").unwrap_or(name);
    let told = format!(
        "the connector acts in its database for the person who asks, and their `{attribute}` is not \
         known, so nothing was done; whoever keeps the gateway can give them the attribute \
         `{attribute}`"
    );
    Failure::new(Status::Denied, told)
}

fn unfit(what: &str) -> Failure {
    let told = format!(
        "the connector acts in its database for the person who asks, and what is known of them can \
         be no name of {what} there, so nothing was done; tell whoever keeps the gateway"
    );
    Failure::new(Status::Denied, told)
}

/// Whether the file says how the database is told for whom the connector acts.
pub(in super::super) fn acts_for_person(part: &Part) -> ForPerson {
    let Ok(system) = serde_json::from_value::<System>(part.system.clone()) else {
        return ForPerson::Never;
    };
    match (target(&system), system.person) {
        (Ok(Target::File(_) | Target::Reports(_)), _) => ForPerson::Never,
        (_, Some(_)) => ForPerson::Said("/system/person"),
        (_, None) => ForPerson::Unsaid(
            "add `person` to `system`, such as `person: {role: \":person.database_role\"}` or \
             `person: {settings: {app.person: \":person.id\"}}`, or take this out",
        ),
    }
}

const NO_SERVER: &str = "only a server can be told for whom the connector acts";

/// What is wrong with how the database is told.
pub(super) fn faults(system: &System) -> Vec<Fault> {
    let Some(text) = &system.person else {
        return Vec::new();
    };
    let at = "/system/person";
    let address = match target(system) {
        Ok(Target::Server(address)) => address,
        Ok(Target::File(_) | Target::Reports(_)) => {
            return vec![Fault::new(at, NO_SERVER, "take it out")];
        }
        // That is told already.
        Err(_) => return Vec::new(),
    };
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for name in text.settings.keys() {
        let at = format!("{at}/settings/{}", escaped(name));
        faults.extend(bad_name(&at, name, address.dialect()));
        if !names.insert(name.to_ascii_lowercase()) {
            let rule = format!("`{name}` stands there twice, written otherwise");
            faults.push(Fault::new(at, rule, "write each setting once"));
        }
    }
    let settings = text.settings.iter();
    let settings =
        settings.map(|(name, value)| (format!("{at}/settings/{}", escaped(name)), value));
    let role = text.role.iter().map(|role| (format!("{at}/role"), role));
    let mut of_person = false;
    for (at, value) in settings.chain(role) {
        match Told::read(value) {
            Err(rule) => faults.push(Fault::new(at, rule, VALUES)),
            Ok(Told::Caller(name)) => of_person |= name.starts_with("person."),
            Ok(Told::Fixed(text)) if text.is_empty() || text.contains(char::is_control) => {
                faults.push(Fault::new(at, "this tells the database nothing", VALUES));
            }
            Ok(Told::Fixed(role)) if at.ends_with("/role") && !is_role(&role, &address) => {
                let rule = format!("`{role}` can be no person's role");
                let mend = "write `:person.` and an attribute, or the name of another role";
                faults.push(Fault::new(at, rule, mend));
            }
            Ok(Told::Fixed(_)) => {}
        }
    }
    if faults.is_empty() && !of_person {
        let rule = "nothing of it tells the database who the person is";
        faults.push(Fault::new(at, rule, VALUES));
    }
    faults
}

/// What a server would not take for the name of a setting.
fn bad_name(at: &str, name: &str, dialect: Dialect) -> Option<Fault> {
    let word = |part: &str| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        part.chars().all(plain) && part.starts_with(|first: char| !first.is_ascii_digit())
    };
    let words = name.split('.').all(word) && name.len() <= MOST_NAME;
    let (rule, mend) = match dialect {
        Dialect::Postgres if words && name.contains('.') => return None,
        Dialect::Postgres => (
            "this is no name that PostgreSQL lets a setting have",
            "write words of letters, digits and `_` with a dot between them, such as `app.person`",
        ),
        Dialect::MariaDb | Dialect::Sqlite if words => return None,
        Dialect::MariaDb | Dialect::Sqlite => (
            "this is no name of a variable",
            "write words of letters, digits and `_`, without `@`, such as `person`",
        ),
    };
    Some(Fault::new(at, rule, mend))
}
