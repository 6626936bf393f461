//! Databases as a whole: what surrounds one on its server, making one, dressing it like another, giving names.

use super::observe::{SOMEBODY_ELSE, json};
use super::script::send;
use super::words::{identifier, literal};
use crate::domain::backup::DatabaseForm;
use serde::Deserialize;
use sqlx::postgres::PgConnection;

/// Databases to work from while another one is made or renamed, in the order they are tried.
pub const MAINTENANCE: [&str; 2] = ["postgres", "template1"];

/// Settings that hold a list of names; written as they stand, and not as one text.
const LISTS: [&str; 4] =
    ["local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces"];

/// A right on a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Right {
    /// Role; `None`: everybody.
    pub grantee: Option<String>,
    /// `CONNECT`, ...
    pub privilege: String,
    /// It may be passed on.
    pub grantable: bool,
}

/// A setting that holds in a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Setting {
    /// The role that it holds for; `None`: for all.
    pub role: Option<String>,
    /// `name=value`.
    pub setting: String,
}

/// What a database is on its server, beside what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Frame {
    /// Owner.
    pub owner: String,
    /// Encoding.
    pub encoding: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// `c` libc, `i` ICU, `b` the server's own.
    pub provider: String,
    /// Locale of ICU or of the server's own.
    pub locale: Option<String>,
    /// Rules of ICU.
    pub rules: Option<String>,
    /// Tablespace.
    pub tablespace: String,
    /// Sessions at most; -1: any number.
    pub connections: i32,
    /// Anybody may copy it.
    pub is_template: bool,
    /// Its comment.
    pub comment: Option<String>,
    /// Rights on it; `None`: those that a new one has.
    pub rights: Option<Vec<Right>>,
    /// Settings that hold in it.
    pub settings: Vec<Setting>,
    /// Security labels on it.
    pub labels: u32,
}

/// A session on the database.
#[derive(Debug, Clone, Deserialize)]
pub struct Connected {
    /// `application_name`, possibly empty.
    pub application: String,
    /// Role.
    pub user: String,
    /// Our role may end it.
    pub may_cut: bool,
}

/// What this login may do with databases, and what is tied to the one that it is in.
#[derive(Debug, Clone, Deserialize)]
pub struct Surroundings {
    /// Our role.
    pub user: String,
    /// It may do anything.
    pub superuser: bool,
    /// It may make databases.
    pub may_create: bool,
    /// It has the rights of the database's owner.
    pub owns: bool,
    /// The server only reads.
    pub in_recovery: bool,
    /// Names of all databases.
    pub databases: Vec<String>,
    /// Bytes of this one; 0 without the right to ask.
    pub bytes: f64,
    /// Sessions on it, without those that Drydock only looks with.
    pub sessions: Vec<Connected>,
    /// Transactions that were prepared for a commit in two steps.
    pub prepared: u32,
    /// Replication slots that read it.
    pub slots: Vec<String>,
    /// Subscriptions that write into it.
    pub subscriptions: u32,
    /// Owners of what is in it that our role cannot act for.
    pub strangers: Vec<String>,
    /// What it is.
    pub frame: Frame,
}

/// A database by name and number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// Name.
    pub name: String,
    /// Number.
    pub oid: u32,
}

const FRAME: &str = "pg_catalog.json_build_object( \
    'owner', pg_catalog.pg_get_userbyid(d.datdba), 'encoding', pg_catalog.pg_encoding_to_char(d.encoding), \
    'collate', d.datcollate, 'ctype', d.datctype, \
    'provider', coalesce(pg_catalog.to_jsonb(d)->>'datlocprovider', 'c'), \
    'locale', coalesce(pg_catalog.to_jsonb(d)->>'datlocale', pg_catalog.to_jsonb(d)->>'daticulocale'), \
    'rules', pg_catalog.to_jsonb(d)->>'daticurules', \
    'tablespace', (SELECT spcname FROM pg_catalog.pg_tablespace WHERE oid = d.dattablespace), \
    'connections', d.datconnlimit, 'is_template', d.datistemplate, \
    'comment', pg_catalog.shobj_description(d.oid, 'pg_database'), \
    'rights', CASE WHEN d.datacl IS NOT NULL THEN (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object( \
        'grantee', CASE WHEN a.grantee <> 0 THEN pg_catalog.pg_get_userbyid(a.grantee) END, \
        'privilege', a.privilege_type, 'grantable', a.is_grantable)), '[]') FROM pg_catalog.aclexplode(d.datacl) a) END, \
    'settings', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object( \
        'role', CASE WHEN s.setrole <> 0 THEN pg_catalog.pg_get_userbyid(s.setrole) END, 'setting', c)), '[]') \
        FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) c WHERE s.setdatabase = d.oid), \
    'labels', (SELECT count(*) FROM pg_catalog.pg_shseclabel l \
        WHERE l.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass AND l.objoid = d.oid)::int4)";

/// What surrounds the database that the session is in, in one round trip.
///
/// # Errors
/// The server's error.
pub async fn surroundings(connection: &mut PgConnection) -> Result<Surroundings, sqlx::Error> {
    let query = format!(
        "SELECT pg_catalog.json_build_object( \
         'user', current_user, 'superuser', r.rolsuper, 'may_create', r.rolsuper OR r.rolcreatedb, \
         'owns', pg_catalog.pg_has_role(d.datdba, 'USAGE'), 'in_recovery', pg_catalog.pg_is_in_recovery(), \
         'databases', (SELECT pg_catalog.json_agg(datname) FROM pg_catalog.pg_database), \
         'bytes', CASE WHEN pg_catalog.has_database_privilege(d.oid, 'CONNECT') THEN pg_catalog.pg_database_size(d.oid) ELSE 0 END::float8, \
         'sessions', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('application', coalesce(a.application_name, ''), \
             'user', coalesce(a.usename, ''), 'may_cut', r.rolsuper OR (NOT coalesce(o.rolsuper, false) \
                 AND (pg_catalog.pg_has_role(a.usesysid, 'USAGE') OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'))))), '[]') \
             FROM pg_catalog.pg_stat_activity a LEFT JOIN pg_catalog.pg_roles o ON o.oid = a.usesysid \
             WHERE a.datid = d.oid AND {SOMEBODY_ELSE}), \
         'prepared', (SELECT count(*) FROM pg_catalog.pg_prepared_xacts p WHERE p.database = d.datname)::int4, \
         'slots', (SELECT coalesce(pg_catalog.json_agg(s.slot_name), '[]') FROM pg_catalog.pg_replication_slots s WHERE s.database = d.datname), \
         'subscriptions', (SELECT count(*) FROM pg_catalog.pg_subscription s WHERE s.subdbid = d.oid)::int4, \
         'strangers', (SELECT coalesce(pg_catalog.json_agg(DISTINCT pg_catalog.pg_get_userbyid(x.owner)), '[]') FROM ( \
             SELECT c.relowner AS owner, c.relnamespace AS space, c.oid AS object FROM pg_catalog.pg_class c WHERE c.relkind IN ('r','p','v','m','S','f','c') \
             UNION ALL SELECT p.proowner, p.pronamespace, p.oid FROM pg_catalog.pg_proc p \
             UNION ALL SELECT t.typowner, t.typnamespace, t.oid FROM pg_catalog.pg_type t WHERE t.typrelid = 0 AND t.typcategory <> 'A' \
             UNION ALL SELECT n.nspowner, n.oid, n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname <> 'public') x \
             JOIN pg_catalog.pg_namespace n ON n.oid = x.space \
             WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT pg_catalog.pg_has_role(x.owner, 'MEMBER') \
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.objid = x.object AND e.deptype = 'e')), \
         'frame', {FRAME})::text \
         FROM pg_catalog.pg_database d CROSS JOIN pg_catalog.pg_roles r \
         WHERE d.datname = pg_catalog.current_database() AND r.rolname = current_user"
    );
    json(connection, query).await
}

/// What a database is; `None`: there is none of this name.
///
/// # Errors
/// The server's error.
pub async fn frame(connection: &mut PgConnection, name: &str) -> Result<Option<Frame>, sqlx::Error> {
    let query = format!(
        "SELECT coalesce((SELECT {FRAME} FROM pg_catalog.pg_database d WHERE d.datname = {})::text, 'null')",
        literal(name)
    );
    json(connection, query).await
}

/// All databases.
///
/// # Errors
/// The server's error.
pub async fn all(connection: &mut PgConnection) -> Result<Vec<Named>, sqlx::Error> {
    let query = "SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', datname, 'oid', oid::int8))::text FROM pg_catalog.pg_database";
    json(connection, query.to_owned()).await
}

/// The statement that makes an empty database.
pub fn create_sql(name: &str, form: &DatabaseForm) -> String {
    let mut sql = format!("CREATE DATABASE {} WITH TEMPLATE template0", identifier(name));
    if let Some(owner) = &form.owner {
        sql.push_str(&format!(" OWNER {}", identifier(owner)));
    }
    sql.push_str(&format!(
        " ENCODING {} LC_COLLATE {} LC_CTYPE {}",
        literal(&form.encoding),
        literal(&form.collate),
        literal(&form.ctype)
    ));
    match (form.provider.as_str(), &form.locale) {
        ("i", Some(locale)) => {
            sql.push_str(&format!(" LOCALE_PROVIDER icu ICU_LOCALE {}", literal(locale)));
            if let Some(rules) = &form.rules {
                sql.push_str(&format!(" ICU_RULES {}", literal(rules)));
            }
        }
        ("b", Some(locale)) => {
            sql.push_str(&format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", literal(locale)));
        }
        _ => {}
    }
    if let Some(tablespace) = &form.tablespace {
        sql.push_str(&format!(" TABLESPACE {}", identifier(tablespace)));
    }
    sql
}

/// The statements that give a new database what another one has around its content.
pub fn dress_sql(name: &str, frame: &Frame) -> Vec<String> {
    let database = identifier(name);
    let mut all = Vec::new();
    if frame.connections >= 0 {
        all.push(format!("ALTER DATABASE {database} CONNECTION LIMIT {}", frame.connections));
    }
    if frame.is_template {
        all.push(format!("ALTER DATABASE {database} IS_TEMPLATE true"));
    }
    if let Some(comment) = &frame.comment {
        all.push(format!("COMMENT ON DATABASE {database} IS {}", literal(comment)));
    }
    if let Some(rights) = &frame.rights {
        let owner = identifier(&frame.owner);
        all.push(format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC, {owner}"));
        for right in rights {
            all.push(format!(
                "GRANT {} ON DATABASE {database} TO {}{}",
                right.privilege,
                right.grantee.as_ref().map_or("PUBLIC".to_owned(), |role| identifier(role)),
                if right.grantable { " WITH GRANT OPTION" } else { "" }
            ));
        }
    }
    for setting in &frame.settings {
        let (key, value) = setting.setting.split_once('=').unwrap_or((&setting.setting, ""));
        let quoted: Vec<String> = key.split('.').map(identifier).collect();
        let quoted = quoted.join(".");
        let place = match &setting.role {
            Some(role) => format!("ALTER ROLE {} IN DATABASE {database}", identifier(role)),
            None => format!("ALTER DATABASE {database}"),
        };
        all.push(if LISTS.contains(&key) {
            format!(
                "SELECT pg_catalog.set_config({}, {}, true); {place} SET {quoted} FROM CURRENT",
                literal(key),
                literal(value)
            )
        } else {
            format!("{place} SET {quoted} TO {}", literal(value))
        });
    }
    all
}

/// In what a new database is not what another one is, around its content.
pub fn unlike(new: &Frame, old: &Frame) -> Vec<&'static str> {
    let sorted = |rights: &Option<Vec<Right>>| {
        rights.clone().map(|mut rights| {
            rights.sort();
            rights.dedup();
            rights
        })
    };
    let settings = |frame: &Frame| {
        let mut settings = frame.settings.clone();
        settings.sort();
        settings
    };
    [
        (new.owner != old.owner, "its owner"),
        (new.encoding != old.encoding, "its encoding"),
        (
            (&new.collate, &new.ctype, &new.provider, &new.locale, &new.rules)
                != (&old.collate, &old.ctype, &old.provider, &old.locale, &old.rules),
            "its locale",
        ),
        (new.tablespace != old.tablespace, "its tablespace"),
        (new.connections != old.connections, "its connection limit"),
        (new.is_template != old.is_template, "whether it is a template"),
        (new.comment != old.comment, "its comment"),
        (sorted(&new.rights) != sorted(&old.rights), "the rights on it"),
        (settings(new) != settings(old), "its settings"),
        (new.labels != old.labels, "its security labels"),
    ]
    .into_iter()
    .filter_map(|(differs, what)| differs.then_some(what))
    .collect()
}

/// The statement that gives a database another name.
pub fn rename_sql(from: &str, to: &str) -> String {
    format!("ALTER DATABASE {} RENAME TO {}", identifier(from), identifier(to))
}

/// Ends all sessions on the databases with these numbers but our own; answers their process ids.
///
/// # Errors
/// The server's error.
pub async fn cut(connection: &mut PgConnection, oids: &[u32]) -> Result<Vec<i32>, sqlx::Error> {
    let list: Vec<String> = oids.iter().map(u32::to_string).collect();
    let query = format!(
        "SELECT coalesce(pg_catalog.json_agg(a.pid) FILTER (WHERE pg_catalog.pg_terminate_backend(a.pid)), '[]')::text \
         FROM pg_catalog.pg_stat_activity a WHERE a.datid IN ({}) AND a.usesysid IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()",
        list.join(", ")
    );
    json(connection, query).await
}

/// Drops a database, with the sessions on it.
///
/// # Errors
/// The server's error.
pub async fn drop(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    let force = connection.server_version_num().unwrap_or(0) >= 130_000;
    let words = if force { " WITH (FORCE)" } else { "" };
    send(connection, format!("DROP DATABASE {}{words}", identifier(name))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame {
            owner: "shop".to_owned(),
            encoding: "UTF8".to_owned(),
            collate: "C".to_owned(),
            ctype: "C".to_owned(),
            provider: "c".to_owned(),
            locale: None,
            rules: None,
            tablespace: "pg_default".to_owned(),
            connections: 20,
            is_template: false,
            comment: Some("it's the shop".to_owned()),
            rights: Some(vec![Right { grantee: None, privilege: "CONNECT".to_owned(), grantable: false }]),
            settings: vec![
                Setting { role: None, setting: "search_path=\"$user\", app".to_owned() },
                Setting { role: Some("web".to_owned()), setting: "app.tenant=a=b".to_owned() },
            ],
            labels: 0,
        }
    }

    #[test]
    fn a_new_database_is_dressed_like_the_old_one() {
        let all = dress_sql("new", &frame());
        assert_eq!(
            all,
            [
                "ALTER DATABASE \"new\" CONNECTION LIMIT 20",
                "COMMENT ON DATABASE \"new\" IS E'it''s the shop'",
                "REVOKE ALL ON DATABASE \"new\" FROM PUBLIC, \"shop\"",
                "GRANT CONNECT ON DATABASE \"new\" TO PUBLIC",
                "SELECT pg_catalog.set_config(E'search_path', E'\"$user\", app', true); ALTER DATABASE \"new\" SET \"search_path\" FROM CURRENT",
                "ALTER ROLE \"web\" IN DATABASE \"new\" SET \"app\".\"tenant\" TO E'a=b'",
            ]
        );
    }

    #[test]
    fn what_is_unlike_is_named() {
        let mut other = frame();
        assert!(unlike(&other, &frame()).is_empty());
        other.settings.reverse();
        assert!(unlike(&other, &frame()).is_empty(), "the order of settings says nothing");
        other.connections = -1;
        other.rights = None;
        assert_eq!(unlike(&other, &frame()), ["its connection limit", "the rights on it"]);
    }
}
