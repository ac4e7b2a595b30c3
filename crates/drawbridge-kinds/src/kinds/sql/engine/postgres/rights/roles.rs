//! What the account is, and the roles that it can act as.

use std::collections::BTreeMap;

use drawbridge_core::answer::Failure;

use super::{
    super::super::super::{
        cell::Cell,
        link::Link,
        part::Own,
        shape::{integer_at, text_at},
        statement::Statement,
    },
    super::super::excess::few,
    Excess, quoted,
};

/// What a role can be, and what that lets it do.
const ATTRIBUTES: [(usize, &str, &str); 5] = [
    (1, "SUPERUSER", "may do anything in the whole server"),
    (2, "BYPASSRLS", "sees rows that row-level security hides"),
    (3, "CREATEROLE", "can make other accounts"),
    (4, "CREATEDB", "can make databases"),
    (5, "REPLICATION", "can copy the whole server"),
];
/// The account and every role that it can act as, at once or by changing into it, and what they are.
const ROLES: &str = "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, \
     rolreplication FROM pg_roles WHERE pg_has_role(current_user, oid, 'MEMBER') ORDER BY 1";
/// The roles that it was made a member of, each with a role that it can act as by that.
const MEMBER: &str = "SELECT r.rolname, x.rolname FROM pg_auth_members AS m \
     JOIN pg_roles AS r ON r.oid = m.roleid \
     JOIN pg_roles AS x ON pg_has_role(m.roleid, x.oid, 'MEMBER') \
     WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = current_user) ORDER BY 1, 2";

/// What the account itself is.
pub(super) async fn attributes(
    link: &mut dyn Link,
    account: &str,
    excess: &mut Excess,
) -> Result<(), Failure> {
    for row in Statement::new(ROLES).rows(link).await? {
        if text_at(Some(&row), 0) == account {
            for (word, told) in of(&row) {
                excess.add(told, &format!("ALTER ROLE {} NO{word}", quoted(account)));
            }
        }
    }
    Ok(())
}

fn of(row: &Vec<Cell>) -> impl Iterator<Item = (&'static str, &'static str)> {
    ATTRIBUTES
        .iter()
        .filter(|(at, ..)| integer_at(Some(row), *at) != 0)
        .map(|(_, word, told)| (*word, *told))
}

/// The roles that the account was made a member of.
pub(super) struct Roles {
    pub(super) account: String,
    /// By which membership it can act as a role.
    by: BTreeMap<String, String>,
    /// What each membership lets it do beyond what is needed.
    more: BTreeMap<String, Vec<String>>,
    /// Whether it is a member to act for people, whose rights are theirs.
    of_people: bool,
}

impl Roles {
    pub(super) async fn of(
        link: &mut dyn Link,
        account: String,
        own: &Own,
    ) -> Result<Self, Failure> {
        let mut roles = Self {
            account,
            by: BTreeMap::new(),
            more: BTreeMap::new(),
            of_people: own.takes_role(),
        };
        for row in Statement::new(MEMBER).rows(link).await? {
            let (direct, role) = (text_at(Some(&row), 0), text_at(Some(&row), 1));
            if role.starts_with("pg_") {
                roles.brings(&direct, format!("acts as `{role}`"));
            }
            roles.by.entry(role).or_insert(direct);
        }
        for row in Statement::new(ROLES).rows(link).await? {
            let role = text_at(Some(&row), 0);
            if role != roles.account {
                for (_, told) in of(&row) {
                    roles.is(&role, told.to_owned());
                }
            }
        }
        Ok(roles)
    }

    /// Whether a right that this one holds is one that the account itself was given, or everybody.
    pub(super) fn is_own(&self, holder: &str) -> bool {
        holder.is_empty() || holder == self.account
    }

    /// What it can do because it can act as a role.
    pub(super) fn through(&mut self, role: &str, what: String) {
        if !self.of_people {
            self.is(role, what);
        }
    }

    fn is(&mut self, role: &str, what: String) {
        let direct = self.by.get(role).cloned();
        self.brings(&direct.unwrap_or_else(|| role.to_owned()), what);
    }

    fn brings(&mut self, direct: &str, what: String) {
        let more = self.more.entry(direct.to_owned()).or_default();
        if !more.contains(&what) {
            more.push(what);
        }
    }

    pub(super) fn told(self, excess: &mut Excess) {
        for (direct, more) in self.more {
            let what = format!(
                "is a member of the role `{direct}`, and thereby {}",
                few(&more)
            );
            let (role, account) = (quoted(&direct), quoted(&self.account));
            excess.add(&what, &format!("REVOKE {role} FROM {account}"));
        }
    }
}
