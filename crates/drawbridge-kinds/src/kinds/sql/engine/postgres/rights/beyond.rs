//! Rights beyond tables: schemas, the database, and functions that do what their owner may.

use drawbridge_core::answer::Failure;

use super::{
    super::{
        super::super::{
            link::Link,
            part::{APPLIED_TABLE, Own},
            shape::text_at,
            statement::Statement,
        },
        PUBLIC,
    },
    Excess, holder, quoted,
    roles::Roles,
};

/// What the account owns: the word for it, its name, its owner, and who was there first in this
/// server.
const OWNED: &str = "SELECT 'SCHEMA', n.nspname, o.rolname, \
     (SELECT rolname FROM pg_roles WHERE oid = 10) FROM pg_namespace AS n \
     JOIN pg_roles AS o ON o.oid = n.nspowner WHERE n.nspname !~ '^pg_' \
     AND n.nspname <> 'information_schema' AND pg_has_role(current_user, n.nspowner, 'MEMBER') \
     UNION ALL SELECT 'DATABASE', d.datname, o.rolname, \
     (SELECT rolname FROM pg_roles WHERE oid = 10) FROM pg_database AS d \
     JOIN pg_roles AS o ON o.oid = d.datdba WHERE d.datname = current_database() \
     AND pg_has_role(current_user, d.datdba, 'MEMBER') ORDER BY 1, 2";
/// In what it may make things: the word for it, its name, and whose right that is.
const CREATE: &str = "SELECT 'SCHEMA', n.nspname, coalesce(g.rolname, '') FROM pg_namespace AS n \
     CROSS JOIN LATERAL aclexplode(n.nspacl) AS a LEFT JOIN pg_roles AS g ON g.oid = a.grantee \
     WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner AND n.nspname !~ '^pg_' \
     AND (a.grantee = 0 OR pg_has_role(current_user, a.grantee, 'MEMBER')) \
     UNION ALL SELECT 'DATABASE', d.datname, coalesce(g.rolname, '') FROM pg_database AS d \
     CROSS JOIN LATERAL aclexplode(d.datacl) AS a LEFT JOIN pg_roles AS g ON g.oid = a.grantee \
     WHERE d.datname = current_database() AND a.privilege_type = 'CREATE' AND a.grantee <> d.datdba \
     AND (a.grantee = 0 OR pg_has_role(current_user, a.grantee, 'MEMBER')) ORDER BY 1, 2, 3";
/// Functions that run as their owner and that it may call: schema, name, arguments, owner, and whose
/// right that is. Those of triggers nobody can call.
const DEFINER: &str = "SELECT n.nspname, p.proname, pg_get_function_identity_arguments(p.oid), \
     o.rolname, coalesce(g.rolname, '') FROM pg_proc AS p \
     JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_roles AS o ON o.oid = p.proowner \
     CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a \
     LEFT JOIN pg_roles AS g ON g.oid = a.grantee \
     WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
     AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype) \
     AND a.privilege_type = 'EXECUTE' AND a.grantee <> p.proowner \
     AND has_schema_privilege(n.oid, 'USAGE') \
     AND (a.grantee = 0 OR pg_has_role(current_user, a.grantee, 'MEMBER')) \
     AND NOT pg_has_role(current_user, p.proowner, 'MEMBER') ORDER BY 1, 2, 3, 5";
/// Whether the table for keys of effects is there.
const APPLIED: &str = "SELECT 1 FROM pg_tables WHERE schemaname = ";

pub(super) async fn rights(
    link: &mut dyn Link,
    own: &Own,
    (roles, excess): (&mut Roles, &mut Excess),
) -> Result<(), Failure> {
    for row in Statement::new(OWNED).rows(link).await? {
        let at = |index| text_at(Some(&row), index);
        let (sort, name, owner) = (at(0), at(1), at(2));
        let what = format!("owns the {} `{name}`", sort.to_lowercase());
        if owner == roles.account {
            let (name, first) = (quoted(&name), quoted(&at(3)));
            excess.add(&what, &format!("ALTER {sort} {name} OWNER TO {first}"));
        } else {
            roles.through(&owner, what);
        }
    }
    let makes = makes_its_table(link, own).await?;
    for row in Statement::new(CREATE).rows(link).await? {
        let at = |index| text_at(Some(&row), index);
        let (sort, name, by) = (at(0), at(1), at(2));
        if makes && sort == "SCHEMA" && name == PUBLIC {
            continue;
        }
        let what = format!("may make things in the {} `{name}`", sort.to_lowercase());
        let (on, from) = (quoted(&name), holder(&by));
        let mend = format!("REVOKE CREATE ON {sort} {on} FROM {from}");
        told((&by, what, &mend), (roles, excess));
    }
    for row in Statement::new(DEFINER).rows(link).await? {
        let at = |index| text_at(Some(&row), index);
        let (schema, name, owner, by) = (at(0), at(1), at(3), at(4));
        let what = format!("may call `{schema}.{name}`, which does what `{owner}` may");
        let on = format!("{}.{}({})", quoted(&schema), quoted(&name), at(2));
        let mend = format!("REVOKE EXECUTE ON ROUTINE {on} FROM {}", holder(&by));
        told((&by, what, &mend), (roles, excess));
    }
    Ok(())
}

fn told((by, what, mend): (&str, String, &str), (roles, excess): (&mut Roles, &mut Excess)) {
    if !roles.is_own(by) {
        roles.through(by, what);
    } else if by.is_empty() {
        excess.add(&format!("{what}, as everybody may"), mend);
    } else {
        excess.add(&what, mend);
    }
}

/// Whether it must still make the table for keys of effects.
async fn makes_its_table(link: &mut dyn Link, own: &Own) -> Result<bool, Failure> {
    use super::super::super::super::cell::Cell;
    if !own.applied_table || !own.changes() {
        return Ok(false);
    }
    let there = Statement::new(APPLIED)
        .value(&Cell::text(PUBLIC))
        .words(" AND tablename = ")
        .value(&Cell::text(APPLIED_TABLE));
    Ok(there.rows(link).await?.is_empty())
}
