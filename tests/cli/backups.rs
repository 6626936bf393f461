//! Backups, proofs, restores, roll backs, keys and the freeze on the command line.

use super::{Desk, Said};
use drydock_lab::Version;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use std::path::PathBuf;

const INIT: (&str, &str) = (
    "20240101000000_init",
    "CREATE TABLE users (id int PRIMARY KEY, name text); INSERT INTO users VALUES (1, 'Ana'), (2, 'Ben');",
);
const NEXT: (&str, &str) =
    ("20240102000000_avatars", "CREATE TABLE avatars (id int PRIMARY KEY, owner int REFERENCES users (id));");

/// A database with one migration applied, and the file that opens the vault.
struct Story {
    desk: Desk,
    url: String,
    passphrase: PathBuf,
}

impl Story {
    async fn begin() -> Self {
        let desk = Desk::new(Version::Debian15);
        let url = desk.server.create_database("shop").await;
        desk.write(INIT.0, INIT.1);
        let passphrase = desk.root.path().join("passphrase");
        std::fs::write(&passphrase, "four words on paper\n").unwrap();
        // Without the variable: no vault is made yet.
        assert_eq!(desk.apply(&url, &desk.migrations()).exit, 0);
        Self { desk, url, passphrase }
    }

    fn apply(&self, more: &[&str]) -> Said {
        let folder = self.desk.migrations();
        self.said(&[&["apply", "--migrations", folder.to_str().unwrap()], more].concat())
    }

    /// With the vault's passphrase at hand.
    fn said(&self, arguments: &[&str]) -> Said {
        let passphrase = self.passphrase.to_str().unwrap().to_owned();
        self.desk.json_with(Some(&self.url), arguments, &[("DRYDOCK_VAULT_PASSPHRASE_FILE", passphrase)])
    }

    async fn one(&self, sql: &str) -> String {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        let row = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.unwrap();
        row.get::<String, _>(0)
    }

    async fn run(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    }
}

#[tokio::test]
async fn a_backup_is_taken_proven_and_put_back_and_without_a_key_it_is_refused_by_name() {
    let story = Story::begin().await;
    let on = ["--tier", "development"];
    let without = story.desk.json(Some(&story.url), &[&["backup"][..], &on].concat());
    assert_eq!((without.exit, without.failure()), (3, "DRY-1228"), "{:?}", without.json);

    let out = story.desk.root.path().join("kept");
    std::fs::create_dir(&out).unwrap();
    let said = story.said(&[&["backup", "--out", out.to_str().unwrap()][..], &on].concat());
    assert_eq!((said.exit, said.text("outcome")), (0, "succeeded"), "{:?}", said.json);
    let backup = &said.json["backup"];
    assert_eq!(backup["backup"]["proof"], "proven", "{backup}");
    let folder = backup["folder"].as_str().unwrap().to_owned();
    assert!(folder.starts_with(out.to_str().unwrap()), "{folder}");
    let again = story.said(&[&["prove", &folder][..], &on].concat());
    assert_eq!((again.exit, again.text("outcome")), (0, "succeeded"), "{:?}", again.json);

    story.run("DELETE FROM users WHERE id = 2; UPDATE users SET name = 'Eve'").await;
    let loss = story.said(&[&["restore", &folder, "--preview"][..], &on].concat());
    assert_eq!(loss.exit, 0, "{:?}", loss.json);
    assert_eq!(
        story.one("SELECT string_agg(name, ',' ORDER BY id) FROM users").await,
        "Eve",
        "a preview writes nothing"
    );
    let restored = story.said(&[&["restore", &folder, "--tables", "users"][..], &on].concat());
    assert_eq!((restored.exit, restored.text("outcome")), (0, "succeeded"), "{:?}", restored.json);
    assert_eq!(story.one("SELECT string_agg(name, ',' ORDER BY id) FROM users").await, "Ana,Ben");

    // The same table into a database of its own: nothing that is there is touched.
    story.run("UPDATE users SET name = 'Zoe' WHERE id = 2").await;
    let beside =
        story.said(&[&["restore", &folder, "--tables", "users", "--into", "look"][..], &on].concat());
    assert_eq!((beside.exit, beside.text("outcome")), (0, "succeeded"), "{:?}", beside.json);
    let names = "SELECT string_agg(name, ',' ORDER BY id) FROM users";
    assert_eq!(story.one(names).await, "Ana,Zoe");
    let mut look = story.desk.server.connect("look").await;
    let row = sqlx::raw_sql(AssertSqlSafe(names)).fetch_one(&mut look).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "Ana,Ben");

    // On production the name is asked for, and nothing is restored without it.
    story.run("DELETE FROM users").await;
    let refused = story.said(&["restore", &folder, "--tables", "users"]);
    assert_eq!((refused.exit, refused.failure()), (3, "DRY-1205"), "{:?}", refused.json);
    assert_eq!(story.one("SELECT count(*)::text FROM users").await, "0");

    let keys = story.desk.root.path().join("keys.age");
    let export = story.said(&[
        "keys",
        "--export",
        keys.to_str().unwrap(),
        "--passphrase-file",
        story.passphrase.to_str().unwrap(),
    ]);
    assert_eq!((export.exit, &export.json["keys"]), (0, &1.into()), "{:?}", export.json);
}

#[tokio::test]
async fn an_apply_backs_up_first_and_is_rolled_back() {
    let story = Story::begin().await;
    story.desk.write(NEXT.0, NEXT.1);
    let refused = story.apply(&["--confirm", "shop"]);
    assert_eq!((refused.exit, refused.failure()), (3, "DRY-1204"), "no restore point: {:?}", refused.json);
    let applied = story.apply(&["--confirm", "shop", "--back-up"]);
    assert_eq!(
        (applied.exit, applied.text("outcome")),
        (0, "succeeded"),
        "{:?} {}",
        applied.json,
        applied.stderr
    );
    assert_eq!(story.one("SELECT coalesce(to_regclass('avatars')::text, 'none')").await, "avatars");

    let folder = story.desk.migrations();
    let on = ["--migrations", folder.to_str().unwrap(), "--tier", "development"];
    let preview = story.said(&[&["rollback", NEXT.0, "--preview"][..], &on].concat());
    assert_eq!(preview.exit, 0, "{:?}", preview.json);
    let back = story.said(&[&["rollback", NEXT.0][..], &on].concat());
    assert_eq!((back.exit, back.text("outcome")), (0, "succeeded"), "{:?} {}", back.json, back.stderr);
    assert!(back.text("developer_report").contains("`20240102000000_avatars/`"), "{:?}", back.json);
    assert_eq!(story.one("SELECT coalesce(to_regclass('avatars')::text, 'none')").await, "none");
    let ledger = "SELECT (rolled_back_at IS NOT NULL)::text FROM _prisma_migrations WHERE migration_name LIKE '%avatars'";
    assert_eq!(story.one(ledger).await, "true");
}

#[tokio::test]
async fn under_a_freeze_the_command_line_writes_nothing() {
    let story = Story::begin().await;
    story.desk.write(NEXT.0, NEXT.1);
    let nowhere = story.said(&["freeze"]);
    assert_eq!((nowhere.exit, &nowhere.json["freezes"]["everywhere"]), (0, &serde_json::Value::Null));
    assert_eq!(story.said(&["freeze", "--everywhere"]).failure(), "DRY-1802", "a reason is needed");
    assert_eq!(story.said(&["freeze", "--environment", "nobody", "--why", "incident"]).exit, 2);
    assert_eq!(story.said(&["freeze", "--everywhere", "--why", "incident 42"]).exit, 0);
    assert_eq!(
        story.said(&["freeze", "--everywhere", "--why", "another reason"]).failure(),
        "DRY-1231",
        "it stands"
    );
    for command in ["apply", "dry-run"] {
        let folder = story.desk.migrations();
        let refused =
            story.said(&[command, "--migrations", folder.to_str().unwrap(), "--tier", "development"]);
        assert_eq!((refused.exit, refused.failure()), (3, "DRY-1231"), "{command}: {:?}", refused.json);
    }
    assert_eq!(story.one("SELECT count(*)::text FROM _prisma_migrations").await, "1");
    assert_eq!(
        story.said(&["backup", "--quick", "--unproven", "--tier", "development"]).exit,
        0,
        "it only reads"
    );
    assert_eq!(story.said(&["freeze", "--everywhere", "--lift"]).exit, 0);
    assert_eq!(story.apply(&["--tier", "development"]).exit, 0);
}
