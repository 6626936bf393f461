//! Every kind of object: equal across majors, found when it differs, unknown when it cannot be compared.

use super::server::{PATIENCE, Server, run};
use chrono::Utc;
use drydock_engine::{
    domain::drift::DriftReport,
    planner::sql::analyse,
    runner::{drift::drift, replay::AppliedScript},
};
use sqlx::PgConnection;

/// One of every kind, in two migrations.
const BASE: &str = r#"
CREATE TYPE "Role" AS ENUM ('ADMIN', 'MEMBER', 'GUEST');
CREATE DOMAIN email AS text NOT NULL DEFAULT 'nobody@example.com' CHECK (VALUE LIKE '%@%' AND length(VALUE) < 200);
CREATE TYPE address AS (street text, zip varchar(10));
CREATE SEQUENCE ticket START 100 INCREMENT 5;
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mail email,
    name varchar(200) COLLATE "C" DEFAULT 'x' || 'y',
    role "Role" NOT NULL DEFAULT 'MEMBER'::"Role",
    number serial,
    created_at timestamptz NOT NULL DEFAULT now() - interval '1 day',
    lower_name text GENERATED ALWAYS AS (lower(name)) STORED,
    CONSTRAINT name_or_mail CHECK (name IS NOT NULL OR mail::text IN ('a@b', 'c@d'))
);
CREATE UNIQUE INDEX users_mail_key ON users (lower(mail::text)) WHERE role <> 'GUEST';
CREATE INDEX users_created_at_idx ON users (created_at DESC) INCLUDE (name);
CREATE TABLE posts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    author bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    during tstzrange,
    CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&) WHERE (during IS NOT NULL)
);
CREATE TABLE events (at timestamptz NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2026-01-01 00:00+00');
CREATE INDEX events_at_idx ON events (at);
CREATE UNLOGGED TABLE cache (key text PRIMARY KEY, value jsonb DEFAULT '{}') WITH (fillfactor = 70);
"#;

const LOGIC: &str = r#"
CREATE VIEW active AS
    SELECT u.id, u.name, count(p.id) AS posts, max(p.id::text) FILTER (WHERE p.id IS NOT NULL) AS last
    FROM users u LEFT JOIN posts p ON p.author = u.id WHERE u.role IN ('ADMIN', 'MEMBER') GROUP BY u.id, u.name;
CREATE VIEW plain AS SELECT id, name, role FROM users WHERE name IS NOT NULL ORDER BY id;
CREATE VIEW top AS SELECT a.*, rank() OVER (ORDER BY a.posts DESC) FROM active a;
CREATE MATERIALIZED VIEW daily AS SELECT date_trunc('day', created_at) AS day, count(*) FROM users GROUP BY 1;
CREATE UNIQUE INDEX daily_day_idx ON daily (day);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.created_at := now(); RETURN NEW; END $$;
CREATE FUNCTION add(a int, b int DEFAULT 2 + 3) RETURNS int LANGUAGE sql IMMUTABLE RETURN a + b;
CREATE PROCEDURE tidy(days int) LANGUAGE sql AS 'DELETE FROM posts';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE TRIGGER users_touch BEFORE UPDATE OF name ON users FOR EACH ROW
    WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION touch();
CREATE TRIGGER events_noop BEFORE INSERT ON cache FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER events_after AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE posts ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON posts FOR SELECT USING (author IN (SELECT id FROM users WHERE name = current_user));
CREATE EXTENSION pgcrypto;
"#;

fn history() -> Vec<AppliedScript> {
    [("1_base", BASE), ("2_logic", LOGIC)].map(script).into()
}

fn script((name, sql): (&str, &str)) -> AppliedScript {
    (name.to_owned(), sql.to_owned(), analyse(sql))
}

async fn live(server: &Server, changes: &[&str]) -> PgConnection {
    let mut live = server.database().await;
    for sql in [BASE, LOGIC].iter().chain(changes) {
        run(&mut live, sql).await;
    }
    live
}

async fn report(
    live: &mut PgConnection,
    scratch: &Server,
    applied: &[AppliedScript],
    waiting: &[(&str, &str)],
) -> DriftReport {
    let mut scratch = scratch.database().await;
    let waiting: Vec<_> = waiting.iter().map(|(name, sql)| ((*name).to_owned(), analyse(sql))).collect();
    drift(live, PATIENCE, &mut scratch, applied, &waiting, "public", Utc::now()).await.unwrap()
}

/// `class object: sentence`, one a line.
fn lines(report: &DriftReport) -> Vec<String> {
    report
        .differences
        .iter()
        .map(|each| {
            format!(
                "{:?} {}: {} [{}]",
                each.class,
                each.object,
                each.sentence,
                each.culprit.as_deref().unwrap_or("-")
            )
        })
        .collect()
}

#[tokio::test]
async fn equal_schemas_are_equal_whatever_words_the_majors_use() {
    let (fifteen, eighteen) = (Server::start(15), Server::start(18));
    for (target, scratch) in [(&fifteen, &eighteen), (&eighteen, &fifteen), (&fifteen, &fifteen)] {
        let mut live = live(target, &[]).await;
        let report = report(&mut live, scratch, &history(), &[]).await;
        assert_eq!(lines(&report), Vec::<String>::new(), "{}", report.headline);
        assert!(report.not_replayed.is_empty(), "{:?}", report.not_replayed);
        assert_eq!(report.headline, "The database is what its 2 applied migrations make.");
    }
}

#[tokio::test]
async fn a_difference_in_any_kind_of_object_is_found() {
    let (fifteen, eighteen) = (Server::start(15), Server::start(18));
    let changes = [
        r#"ALTER TYPE "Role" RENAME VALUE 'GUEST' TO 'VISITOR'"#,
        "ALTER DOMAIN email DROP CONSTRAINT email_check",
        "ALTER TYPE address ADD ATTRIBUTE city text",
        "ALTER SEQUENCE ticket INCREMENT 7",
        "ALTER TABLE users ALTER COLUMN name SET DEFAULT 'z' || 'y'",
        "ALTER TABLE users ALTER COLUMN id SET GENERATED BY DEFAULT",
        "ALTER TABLE users DROP CONSTRAINT name_or_mail, ADD CONSTRAINT name_or_mail CHECK (name IS NOT NULL OR mail::text IN ('a@b'))",
        "DROP INDEX users_created_at_idx; CREATE INDEX users_created_at_idx ON users (created_at)",
        "DROP INDEX users_mail_key; CREATE UNIQUE INDEX users_mail_key ON users (lower(mail::text))",
        "ALTER TABLE posts DROP CONSTRAINT posts_author_fkey, ADD CONSTRAINT posts_author_fkey FOREIGN KEY (author) REFERENCES users (id) NOT VALID",
        "ALTER TABLE events DETACH PARTITION events_2025",
        "ALTER TABLE cache SET LOGGED",
        "CREATE OR REPLACE VIEW plain AS SELECT id, name, role FROM users WHERE name IS NOT NULL ORDER BY name",
        "DROP VIEW top",
        "DROP MATERIALIZED VIEW daily; CREATE MATERIALIZED VIEW daily AS SELECT created_at AS day FROM users",
        "CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        "CREATE OR REPLACE FUNCTION add(a int, b int DEFAULT 6) RETURNS int LANGUAGE sql IMMUTABLE RETURN a + b",
        "DROP PROCEDURE tidy(int)",
        "ALTER TABLE users DISABLE TRIGGER users_touch",
        "ALTER TABLE posts DISABLE ROW LEVEL SECURITY",
        "ALTER POLICY own ON posts USING (true)",
        "DROP EXTENSION pgcrypto",
        "CREATE EXTENSION citext SCHEMA public",
        "ALTER TABLE posts ADD CONSTRAINT by_hand CHECK (author > 0)",
        "ALTER TABLE posts ADD COLUMN must_have int NOT NULL",
        "ALTER TABLE cache RENAME CONSTRAINT cache_pkey TO cache_primary",
        "CREATE FUNCTION extra_function() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ];
    let mut found = Vec::new();
    for scratch in [&fifteen, &eighteen] {
        let mut live = live(&fifteen, &changes).await;
        let report = report(&mut live, scratch, &history(), &[]).await;
        found.push(lines(&report));
    }
    assert_eq!(found[0], found[1], "the scratch server's major makes no difference");
    let expected: Vec<&str> = ALL_KINDS.lines().collect();
    assert_eq!(found[0], expected);
}

/// What a person reads: class, object, sentence, culprit.
const ALL_KINDS: &str = "\
Dangerous public.events_2025: `events_2025` is attached in another way than its migration says. [1_base]
Dangerous public.posts: Row-level security of `posts` is off; its migration says otherwise. [1_base]
Dangerous public.posts.must_have: Column `posts.must_have` is on the database only, may not be empty and has no default: inserts that do not know it fail. [-]
Dangerous public.users.id: `users.id` numbers itself in another way than its migration says. [1_base]
Dangerous public.users.name: `users.name` has the default ('z'::text || 'y'::text); its migration sets ('x'::text || 'y'::text). [1_base]
Dangerous public.daily_day_idx: Index `daily_day_idx` is missing; `daily` may hold doubles. [2_logic]
Dangerous public.users_mail_key: Index `users_mail_key` refuses doubles over something else than its migration says. [1_base]
Dangerous public.posts.by_hand: Check `by_hand` on `posts` is on the database only; it may refuse rows that the app writes. [-]
Dangerous public.posts.posts_author_fkey: Foreign key `posts_author_fkey` on `posts` says something else than its migration. [1_base]
Dangerous public.users.name_or_mail: Check `name_or_mail` on `users` says something else than its migration. [1_base]
Dangerous public.Role.GUEST: Enum `Role` has no value `GUEST`. [1_base]
Dangerous public.address: Type `address` is defined differently than its migration says. [1_base]
Dangerous public.email: Type `email` is defined differently than its migration says. [1_base]
Dangerous public.ticket: Sequence `ticket` is defined differently than its migration says. [1_base]
Dangerous public.plain: View `plain` is defined differently than its migration says. [2_logic]
Dangerous public.top: View `top` is missing. [2_logic]
Dangerous public.daily: Materialized view `daily` is defined differently than its migration says. [2_logic]
Dangerous public.add(a integer, b integer): Function `add(a integer, b integer)` is defined differently than its migration says. [2_logic]
Dangerous public.tidy(days integer): Function `tidy(days integer)` is missing. [2_logic]
Dangerous public.touch(): Function `touch()` is defined differently than its migration says. [2_logic]
Dangerous public.users.users_touch: Trigger `users_touch` on `users` is switched off; its migration says otherwise. [2_logic]
Dangerous pgcrypto: Extension `pgcrypto` is missing. [2_logic]
Dangerous public.posts.own: Policy `own` on `posts` is defined differently than its migration says. [2_logic]
Harmless public.cache: `cache` is logged; its migration makes it unlogged. [1_base]
Harmless public.users_created_at_idx: Index `users_created_at_idx` is built in another way than its migration says; queries may be slower. [1_base]
Harmless public.Role.VISITOR: Enum `Role` has the value `VISITOR`; no applied migration adds it. [-]
Harmless public.extra_function(): Function `extra_function()` is on the database only; no applied migration makes it. [-]
Harmless citext: Extension `citext` is on the database only; no applied migration makes it. [-]
Cosmetic public.cache.cache_pkey: Primary key `cache_pkey` is there under the name `cache_primary`. [1_base]";

#[tokio::test]
async fn what_the_scratch_server_lacks_is_unknown_by_name_and_never_drift() {
    let (fifteen, eighteen) = (Server::start(15), Server::start(18));
    let mut applied = history();
    applied.push(script((
        "3_search",
        "CREATE EXTENSION of_another_server;\n\
         ALTER TABLE posts ADD COLUMN title text;\n\
         CREATE INDEX posts_title_idx ON posts USING gin (title of_another_server_ops);\n\
         CREATE TABLE styles (id int PRIMARY KEY, embedding of_another_server_type);\n\
         CREATE INDEX styles_idx ON styles (embedding);\n\
         CREATE INDEX posts_author_idx ON posts (author);",
    )));
    applied.push(script(("4_more", "DO $$ BEGIN PERFORM of_another_server_function(); END $$;")));
    let mut live = live(
        &fifteen,
        &[
            "ALTER TABLE posts ADD COLUMN title text",
            "CREATE INDEX posts_title_idx ON posts (title)",
            "CREATE TABLE styles (id int PRIMARY KEY, embedding text, extra int NOT NULL)",
            "CREATE INDEX styles_idx ON styles (embedding)",
        ],
    )
    .await;
    let report = report(&mut live, &eighteen, &applied, &[]).await;
    let reason = "no `of_another_server` on the scratch copy";
    assert_eq!(
        lines(&report),
        [
            "Dangerous of_another_server: Extension `of_another_server` is missing. [3_search]".to_owned(),
            format!("Unknown public.styles: Table `styles` was not compared: {reason} (type \"of_another_server_type\" does not exist). [3_search]"),
            format!("Unknown public.posts_title_idx: Index `posts_title_idx` was not compared: {reason} (operator class \"of_another_server_ops\" does not exist for access method \"gin\"). [3_search]"),
            "Unknown public: Schema `public` was not compared in full: what line 1 of `4_more` makes is not known, it could not be replayed (function of_another_server_function() does not exist). [4_more]".to_owned(),
            "Harmless public.posts_author_idx: Index `posts_author_idx` is missing; queries that use it are slower. [3_search]".to_owned(),
        ],
        "the rest of the migration was replayed and compared"
    );
    assert_eq!(report.not_replayed.len(), 2);
    assert!(report.lead.ends_with("2 could not be replayed whole."), "{}", report.lead);
}

#[tokio::test]
async fn a_waiting_migration_is_named_where_it_settles_a_difference() {
    let fifteen = Server::start(15);
    let failed = "ALTER TABLE users ADD COLUMN mail_lower text;\nCREATE UNIQUE INDEX users_mail_lower_key ON users (mail_lower);";
    let mut live = live(
        &fifteen,
        &["ALTER TABLE users ADD COLUMN mail_lower text", "DROP VIEW top", "CREATE TABLE by_hand (id int)"],
    )
    .await;
    let report =
        report(&mut live, &fifteen, &history(), &[("3_mail_lower", failed), ("4_top", "DROP VIEW top")])
            .await;
    let settled: Vec<_> =
        report.differences.iter().map(|each| (each.object.as_str(), each.settled_by.as_deref())).collect();
    assert_eq!(
        settled,
        [
            ("public.top", Some("4_top")),
            ("public.by_hand", None),
            ("public.users.mail_lower", Some("3_mail_lower")),
        ]
    );
}
