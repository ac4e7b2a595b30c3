//! Rights on tables and columns: the account's own, everybody's, and those of its roles.

use std::collections::BTreeMap;

use drawbridge_core::answer::Failure;

use super::{
    super::{
        super::super::{
            dialect::Dialect,
            link::Link,
            part::{APPLIED_TABLE, Columns, Need, Own},
            shape::{Place, integer_at, text_at},
            statement::Statement,
        },
        super::excess::{Right, few, too_much},
        PUBLIC,
    },
    Excess, holder, quoted,
    roles::Roles,
};

/// Which tables there are to look at.
const FROM_TABLES: &str = " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
     AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' \
     AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast' ";
/// Whose right it is, which, and whether it may be handed on; the owner's are told as owning.
const WHOSE: &str = "LEFT JOIN pg_roles AS g ON g.oid = a.grantee \
     WHERE a.grantee <> c.relowner AND has_schema_privilege(n.oid, 'USAGE') \
     AND (a.grantee = 0 OR pg_has_role(current_user, a.grantee, 'MEMBER')) ";

/// Every right on a table or column that the account has by a grant: schema, table, column, whose it
/// is, which, and whether it may be handed on.
fn granted() -> Statement {
    Statement::new(
        "SELECT n.nspname, c.relname, '', coalesce(g.rolname, ''), a.privilege_type, a.is_grantable",
    )
    .words(FROM_TABLES)
    .words("CROSS JOIN LATERAL aclexplode(c.relacl) AS a ")
    .words(WHOSE)
    .words(
        "UNION ALL SELECT n.nspname, c.relname, t.attname, coalesce(g.rolname, ''), \
         a.privilege_type, a.is_grantable",
    )
    .words(FROM_TABLES)
    .words(
        "JOIN pg_attribute AS t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped \
         CROSS JOIN LATERAL aclexplode(t.attacl) AS a ",
    )
    .words(WHOSE)
    .words("ORDER BY 1, 2, 4, 3, 5")
}

/// Every table that the account owns, itself or by a role: schema, name, owner, what `ALTER` calls it,
/// and who was there first in this server.
fn owned_tables() -> Statement {
    Statement::new(
        "SELECT n.nspname, c.relname, o.rolname, CASE c.relkind WHEN 'v' THEN 'VIEW' \
         WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, \
         (SELECT rolname FROM pg_roles WHERE oid = 10)",
    )
    .words(FROM_TABLES)
    .words(
        "JOIN pg_roles AS o ON o.oid = c.relowner \
         WHERE pg_has_role(current_user, c.relowner, 'MEMBER') ORDER BY 1, 2",
    )
}

/// The columns of tables.
fn columns_of_tables() -> Statement {
    Statement::new("SELECT n.nspname, c.relname, t.attname")
        .words(FROM_TABLES)
        .words(
            "JOIN pg_attribute AS t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped \
             WHERE has_schema_privilege(n.oid, 'USAGE') ORDER BY 1, 2, t.attnum",
        )
}

type Tables<T> = BTreeMap<(String, String), T>;

pub(super) async fn rights(
    link: &mut dyn Link,
    own: &Own,
    (roles, excess): (&mut Roles, &mut Excess),
) -> Result<(), Failure> {
    owned(link, (roles, excess)).await?;
    let mut columns: Tables<Vec<String>> = BTreeMap::new();
    for row in columns_of_tables().rows(link).await? {
        let at = |index| text_at(Some(&row), index);
        columns.entry((at(0), at(1))).or_default().push(at(2));
    }
    let mut granted: Tables<BTreeMap<String, Vec<Right>>> = BTreeMap::new();
    for row in self::granted().rows(link).await? {
        let at = |index| text_at(Some(&row), index);
        let right = Right {
            word: at(4),
            column: Some(at(2)).filter(|name| !name.is_empty()),
            grantable: integer_at(Some(&row), 5) != 0,
        };
        let of_table = granted.entry((at(0), at(1))).or_default();
        of_table.entry(at(3)).or_default().push(right);
    }
    for (table, holders) in &granted {
        let all = columns.get(table).map_or(&[] as &[String], Vec::as_slice);
        let place = Place::new(&table.0, &table.1);
        let (need, itself) = (needed(own, &place), needed_itself(own, &place));
        for (by, rights) in holders {
            let need = if *by == roles.account { &itself } else { &need };
            of_table((&place, by, rights), (need.as_ref(), all), (roles, excess));
        }
    }
    Ok(())
}

/// What the account itself needs of a table: nothing of one that is only reached in people's roles.
fn needed_itself(own: &Own, place: &Place) -> Option<Need> {
    let named = own.tables.values().any(|scope| scope.place == *place);
    if own.takes_role() && named {
        return Some(Need::none());
    }
    needed(own, place)
}

/// What is needed of a table; none when the file does not name it.
fn needed(own: &Own, place: &Place) -> Option<Need> {
    if own.applied_table && own.changes() && *place == Place::new(PUBLIC, APPLIED_TABLE) {
        let mut need = Need::none();
        (need.select, need.insert) = (Columns::Every, Columns::Every);
        return Some(need);
    }
    let mut tables = own.tables.values();
    let scope = tables.find(|scope| scope.place == *place)?;
    Some(own.need(scope))
}

/// The rights that one holds on one table.
fn of_table(
    (place, by, rights): (&Place, &str, &[Right]),
    (need, all): (Option<&Need>, &[String]),
    (roles, excess): (&mut Roles, &mut Excess),
) {
    let (shown, table) = (shown(place), written(place));
    let (account, from) = (quoted(&roles.account), holder(by));
    let nothing = Need::none();
    let found = too_much(rights, need.unwrap_or(&nothing), (all, Dialect::Postgres));
    let words = few(&found.words);
    if !roles.is_own(by) {
        if !found.words.is_empty() {
            roles.through(by, format!("may {words} on `{shown}`"));
        }
        return;
    }
    let whose = if by.is_empty() {
        ", as everybody may"
    } else {
        ""
    };
    if need.is_none() {
        let what = format!("may {words} on `{shown}`{whose}, which the file does not name");
        return excess.add(&what, &format!("REVOKE ALL ON {table} FROM {from}"));
    }
    if !found.words.is_empty() {
        let mut mend = format!("REVOKE {} ON {table} FROM {from}", found.revoke.join(", "));
        if !found.grant.is_empty() {
            mend += &format!("; GRANT {} ON {table} TO {account}", found.grant.join(", "));
        }
        let what = format!("may {words} on `{shown}`{whose}, which the file does not need");
        excess.add(&what, &mend);
    }
    if !found.keep.is_empty() {
        let keep = found.keep.join(", ");
        let what = format!("may let others {keep} on `{shown}`");
        let mend = format!("REVOKE GRANT OPTION FOR {keep} ON {table} FROM {from}");
        excess.add(&what, &mend);
    }
}

async fn owned(
    link: &mut dyn Link,
    (roles, excess): (&mut Roles, &mut Excess),
) -> Result<(), Failure> {
    for row in owned_tables().rows(link).await? {
        let at = |index| text_at(Some(&row), index);
        let (place, owner) = (Place::new(&at(0), &at(1)), at(2));
        let what = format!("owns `{}`, and can alter and drop it", shown(&place));
        if owner == roles.account {
            let (sort, table, first) = (at(3), written(&place), quoted(&at(4)));
            excess.add(&what, &format!("ALTER {sort} {table} OWNER TO {first}"));
        } else {
            roles.through(&owner, what);
        }
    }
    Ok(())
}

/// As people know it.
fn shown(place: &Place) -> String {
    if place.schema == PUBLIC {
        place.name.clone()
    } else {
        format!("{}.{}", place.schema, place.name)
    }
}

/// As it stands in a statement.
fn written(place: &Place) -> String {
    format!("{}.{}", quoted(&place.schema), quoted(&place.name))
}
