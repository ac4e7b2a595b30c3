//! Rights beyond tables: the server, whole databases, roles, and routines that do what their owner
//! may.

use drawbridge_core::answer::Failure;

use super::{
    super::super::super::{cell::Cell, link::Link, shape::text_at, statement::Statement},
    Account, Excess, Granted, NOTHING, Right, few, quoted,
};

/// Rights that are told one by one, and what they let it do.
const GRAVE: [(&str, &str); 2] = [
    ("FILE", "can read and write files on the server"),
    ("SUPER", "may do nearly anything in the whole server"),
];

/// Rights to see how far a replica is behind, and nothing else of it.
const SEES_AGE: [&str; 3] = ["REPLICA MONITOR", "REPLICATION CLIENT", "SLAVE MONITOR"];

/// Rights in the whole server, and in whole databases.
pub(super) fn of_server(granted: &Granted, account: &Account, excess: &mut Excess) {
    let by = &account.written;
    for (word, told) in GRAVE {
        if granted.server.iter().any(|right| right.word == word) {
            excess.add(told, &format!("REVOKE {word} ON *.* FROM {by}"));
        }
    }
    let grave = |right: &&Right| GRAVE.iter().any(|(word, _)| right.word == *word);
    let rest: Vec<&Right> = granted
        .server
        .iter()
        .filter(|right| !grave(right) && !SEES_AGE.contains(&right.word.as_str()))
        .collect();
    if let Some((words, option)) = words(&rest) {
        if !words.is_empty() {
            let what = format!("may {} in the whole server", few(&words));
            excess.add(
                &what,
                &format!("REVOKE {} ON *.* FROM {by}", words.join(", ")),
            );
        }
        if option {
            let what = "may let others do what it can in the whole server";
            excess.add(what, &format!("REVOKE GRANT OPTION ON *.* FROM {by}"));
        }
    }
    for (database, rights) in &granted.databases {
        let rights: Vec<&Right> = rights.iter().collect();
        let Some((mut words, option)) = words(&rights) else {
            continue;
        };
        if option {
            words.push("GRANT OPTION".to_owned());
        }
        let what = format!("may {} in the whole database `{database}`", few(&words));
        let (on, words) = (quoted(database), words.join(", "));
        excess.add(&what, &format!("REVOKE {words} ON {on}.* FROM {by}"));
    }
}

/// The words of rights, and whether they may be handed on; none when there are none.
fn words(rights: &[&Right]) -> Option<(Vec<String>, bool)> {
    let option = rights.iter().any(|right| right.grantable);
    let words = rights.iter().filter(|right| right.word != NOTHING);
    let words: Vec<String> = words.map(|right| right.word.clone()).collect();
    (option || !words.is_empty()).then_some((words, option))
}

/// What comes by roles is not looked into: whether there are any.
pub(super) async fn roles(
    link: &mut dyn Link,
    (account, database): (&Account, &str),
    excess: &mut Excess,
) -> Result<bool, Failure> {
    let mut any = false;
    let roles = Statement::new(
        "SELECT DISTINCT ROLE_NAME FROM information_schema.APPLICABLE_ROLES \
         WHERE ROLE_NAME IS NOT NULL AND GRANTEE = CURRENT_USER() ORDER BY 1",
    );
    // Some versions have no such table.
    for row in link.attempt(roles).await?.unwrap_or_default() {
        let (role, by) = (text_at(Some(&row), 0), &account.written);
        any = true;
        let what =
            format!("has the role `{role}` and whatever that may; grant it what it needs itself");
        excess.add(&what, &format!("REVOKE {} FROM {by}", quoted(&role)));
    }
    // What everybody may is told as the statements that granted it.
    let everybody = link
        .attempt(Statement::new("SHOW GRANTS FOR PUBLIC"))
        .await?;
    for row in everybody.unwrap_or_default() {
        let grant = text_at(Some(&row), 0);
        let grant = grant.trim_end_matches(" WITH GRANT OPTION");
        let Some((words, _)) = grant
            .strip_prefix("GRANT ")
            .and_then(|rest| rest.rsplit_once(" TO "))
        else {
            continue;
        };
        if !words.starts_with(NOTHING) {
            any |= words.contains(&quoted(database)) || words.contains("*.*");
            let what = format!("may {}, as everybody may", words.replace('`', ""));
            excess.add(&what, &format!("REVOKE {words} FROM PUBLIC"));
        }
    }
    Ok(any)
}

/// Routines that run as who made them, and that it may call by a right on just them.
pub(super) async fn routines(
    link: &mut dyn Link,
    granted: &Granted,
    (account, excess): (&Account, &mut Excess),
) -> Result<(), Failure> {
    let rows = Statement::new(
        "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, DEFINER \
         FROM information_schema.ROUTINES WHERE SECURITY_TYPE = 'DEFINER' \
         AND DEFINER <> CURRENT_USER() AND ROUTINE_SCHEMA NOT IN ('mysql', 'sys') ORDER BY 1, 2",
    )
    .rows(link)
    .await?;
    let granted_one = Statement::new(
        "SELECT Db, Routine_name, Routine_type FROM mysql.procs_priv \
         WHERE FIND_IN_SET('Execute', Proc_priv) AND CONCAT('''', User, '''@''', Host, '''') = ",
    )
    .value(&Cell::text(&account.known));
    // Who cannot look there sees only the routines that it has a right on; who can, sees all.
    let single = link.attempt(granted_one).await?.ok();
    let executes = |rights: &[Right]| rights.iter().any(|right| right.word == "EXECUTE");
    for row in &rows {
        let at = |index| text_at(Some(row), index);
        let (schema, name, sort, definer) = (at(0), at(1), at(2), at(3));
        let mut databases = granted.databases.iter();
        let above = executes(&granted.server)
            || databases.any(|(pattern, rights)| like(pattern, &schema) && executes(rights));
        let same = |one: &Vec<Cell>| {
            let here = |index| text_at(Some(one), index);
            (here(0), here(1).to_lowercase(), here(2)) == (at(0), at(1).to_lowercase(), at(2))
        };
        let single = single.as_ref().is_none_or(|all| all.iter().any(same));
        // With the right to call everything, that is told.
        if !above && single {
            let what = format!("may call `{schema}.{name}`, which does what `{definer}` may");
            let (on, by) = (
                format!("{}.{}", quoted(&schema), quoted(&name)),
                &account.written,
            );
            excess.add(&what, &format!("REVOKE EXECUTE ON {sort} {on} FROM {by}"));
        }
    }
    Ok(())
}

/// Whether the name of a database is one that a grant is about: `_` and `%` stand for others there.
pub(super) fn like(pattern: &str, name: &str) -> bool {
    fn from(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], rest) => rest.is_empty(),
            (['\\', letter, pattern @ ..], [first, name @ ..]) => {
                letter == first && from(pattern, name)
            }
            (['%', pattern @ ..], name) => {
                (0..=name.len()).any(|at| name.get(at..).is_some_and(|rest| from(pattern, rest)))
            }
            (['_', pattern @ ..], [_, name @ ..]) => from(pattern, name),
            ([letter, pattern @ ..], [first, name @ ..]) => letter == first && from(pattern, name),
            _ => false,
        }
    }
    let letters = |text: &str| text.chars().collect::<Vec<char>>();
    from(&letters(pattern), &letters(name))
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn a_grant_is_about_databases_like_its_pattern() {
        assert!(like("crm", "crm") && like("crm\\_eu", "crm_eu") && like("crm%", "crm_eu"));
        assert!(like("c_m", "crm") && like("%", "") && like("%m", "crm"));
        assert!(!like("crm\\_eu", "crmxeu") && !like("crm", "crm2") && !like("c_m", "cm"));
    }
}
