//! `drydockctl` as a script or CI uses it: DATABASE_URL in the environment, one JSON object on standard
//! output and nothing else, and an exit code that says what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod backups;

use drydock_lab::{App, Postgres, PrismaPeer, Version, corpus, free_port};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A data folder, a migrations folder, a server.
struct Desk {
    server: Postgres,
    root: tempfile::TempDir,
}

/// What the program answered.
struct Said {
    exit: i32,
    json: Map<String, Value>,
    stderr: String,
}

impl Said {
    fn text(&self, field: &str) -> &str {
        self.json
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no {field} in {:?}", self.json))
    }

    fn failure(&self) -> &str {
        self.json["failure"]["code"].as_str().unwrap_or_else(|| panic!("no failure in {:?}", self.json))
    }

    /// Names and states of the migrations.
    fn migrations(&self) -> Vec<(String, String)> {
        let list = self.json["migrations"].as_array().unwrap();
        let field = |migration: &Value, name: &str| migration[name].as_str().unwrap().to_owned();
        list.iter().map(|migration| (field(migration, "name"), field(migration, "state"))).collect()
    }
}

impl Desk {
    fn new(version: Version) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("prisma/migrations")).unwrap();
        let desk = Self { server: Postgres::start(version), root };
        std::fs::write(desk.migrations().join("migration_lock.toml"), "provider = \"postgresql\"\n").unwrap();
        desk
    }

    fn migrations(&self) -> PathBuf {
        self.root.path().join("prisma/migrations")
    }

    fn write(&self, name: &str, sql: &str) {
        std::fs::create_dir_all(self.migrations().join(name)).unwrap();
        std::fs::write(self.migrations().join(name).join("migration.sql"), sql).unwrap();
    }

    /// The program with nothing in its environment but what is documented.
    fn command(&self, url: Option<&str>, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drydockctl"));
        command.args(arguments).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.root.path());
        if let Some(toolkit) = std::env::var_os("DRYDOCK_TOOLKIT") {
            command.env("DRYDOCK_TOOLKIT", toolkit);
        }
        if let Some(url) = url {
            command.env("DATABASE_URL", url);
        }
        command
    }

    /// Runs it with `--json`; standard output has to be one JSON object, and no secret may be anywhere.
    fn json(&self, url: Option<&str>, arguments: &[&str]) -> Said {
        self.json_with(url, arguments, &[])
    }

    /// As [`Desk::json`], with more in its environment.
    fn json_with(&self, url: Option<&str>, arguments: &[&str], environment: &[(&str, String)]) -> Said {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let mut command = self.command(url, &arguments);
        let output = command.envs(environment.iter().map(|(name, value)| (name, value))).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stdout.ends_with('\n') && stdout.trim_end().lines().count() == 1,
            "one line: {stdout}\n{stderr}"
        );
        let Ok(Value::Object(json)) = serde_json::from_str(&stdout) else {
            panic!("not an object: {stdout}\n{stderr}")
        };
        for secret in [self.server.password(), "lab%20password"] {
            assert!(!stdout.contains(secret) && !stderr.contains(secret), "the password is shown");
        }
        assert!(json.contains_key("outcome"), "every answer says how it ended: {stdout}");
        Said { exit: output.status.code().unwrap(), json, stderr }
    }

    fn status(&self, url: &str, folder: &Path) -> Said {
        self.json(Some(url), &["status", "--migrations", folder.to_str().unwrap()])
    }

    fn apply(&self, url: &str, folder: &Path) -> Said {
        self.json(Some(url), &["apply", "--migrations", folder.to_str().unwrap(), "--tier", "development"])
    }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect()
}

#[tokio::test]
async fn status_and_apply_print_one_json_object_and_agree_with_the_peer() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let desk = Desk::new(version);
        let url = desk.server.create_database("app").await;
        let folder = desk.migrations();
        desk.write("20240101000000_init", "CREATE TABLE a (id int);");
        desk.write("20240102000000_more", "CREATE TABLE b (id int);");
        let said = desk.status(&url, &folder);
        assert_eq!((said.exit, said.text("outcome")), (1, "waiting"));
        assert_eq!(
            said.migrations(),
            pairs(&[("20240101000000_init", "pending"), ("20240102000000_more", "pending")])
        );
        assert_eq!(said.json["prisma_exit_code"], 1);
        let said = desk.apply(&url, &folder);
        assert_eq!((said.exit, said.text("outcome")), (0, "succeeded"), "{:?} {}", said.json, said.stderr);
        assert_eq!(
            said.migrations(),
            pairs(&[("20240101000000_init", "applied"), ("20240102000000_more", "applied")])
        );
        assert!(said.stderr.is_empty(), "with --json nothing is told on the way: {}", said.stderr);
        let said = desk.status(&url, &folder);
        assert_eq!((said.exit, said.text("outcome")), (0, "up_to_date"));
        assert_eq!(
            said.migrations(),
            pairs(&[("20240101000000_init", "applied"), ("20240102000000_more", "applied")])
        );
        let said = desk.apply(&url, &folder);
        assert_eq!((said.exit, said.text("outcome")), (0, "nothing_to_do"));
        assert_eq!(PrismaPeer::find().status(&url, &folder).exit, 0);
        // The project's root will do as well.
        assert_eq!(desk.status(&url, desk.root.path()).exit, 0);
    }
}

#[tokio::test]
async fn a_failing_migration_is_refused_by_its_dry_run_and_fails_on_record_when_forced() {
    let desk = Desk::new(Version::Debian15);
    let url = desk.server.create_database("app").await;
    let folder = desk.migrations();
    desk.write("20240101000000_init", "CREATE TABLE a (id int);");
    desk.write("20240102000000_bad", "CREATE TABLE b (id int);\nINSERT INTO nope VALUES (1);");
    desk.write("20240103000000_later", "CREATE TABLE c (id int);");
    let said = desk.apply(&url, &folder);
    assert_eq!(
        (said.exit, said.text("outcome"), said.failure()),
        (3, "refused", "DRY-1203"),
        "{:?}",
        said.json
    );
    assert!(said.json.contains_key("dry_run") && said.json["dry_run"]["worked"] == false);
    assert!(Value::Object(said.json.clone()).to_string().contains("nope"), "the server's words are there");
    assert_eq!(
        desk.status(&url, &folder).migrations().iter().filter(|(_, state)| state == "pending").count(),
        3,
        "nothing was written"
    );

    let arguments = [
        "apply",
        "--migrations",
        folder.to_str().unwrap(),
        "--tier",
        "development",
        "--despite-failed-dry-run",
    ];
    let said = desk.json(Some(&url), &arguments);
    assert_eq!(
        (said.exit, said.text("outcome"), said.failure()),
        (4, "failed", "DRY-1210"),
        "{:?}",
        said.json
    );
    assert_eq!(
        said.migrations(),
        pairs(&[
            ("20240101000000_init", "applied"),
            ("20240102000000_bad", "failed"),
            ("20240103000000_later", "pending")
        ])
    );
    assert!(said.json["failure"]["why"].as_str().unwrap().contains("relation \"nope\" does not exist"));
    let said = desk.status(&url, &folder);
    assert_eq!(
        (said.exit, said.migrations()),
        (
            1,
            pairs(&[
                ("20240101000000_init", "applied"),
                ("20240102000000_bad", "failed"),
                ("20240103000000_later", "pending")
            ])
        )
    );
    assert!(said.json["findings"].as_array().unwrap().iter().any(|finding| finding["check"] == "failed"));
    let said = desk.apply(&url, &folder);
    assert_eq!((said.exit, said.text("outcome"), said.failure()), (3, "refused", "DRY-1208"));

    // The ways out, by the command line alone.
    let resolve = [
        "resolve",
        "--rolled-back",
        "20240102000000_bad",
        "--migrations",
        folder.to_str().unwrap(),
        "--tier",
        "development",
    ];
    let said = desk.json(Some(&url), &resolve);
    assert_eq!((said.exit, said.text("outcome")), (0, "succeeded"), "{:?}", said.json);
    desk.write("20240102000000_bad", "CREATE TABLE b (id int);");
    let said = desk.apply(&url, &folder);
    assert_eq!((said.exit, said.text("outcome")), (0, "succeeded"), "{:?}", said.json);
    let said = desk.json(Some(&url), &["runs"]);
    assert_eq!(said.exit, 0);
    assert!(said.json["runs"].as_array().unwrap().len() >= 4, "all of it is on record");
}

#[tokio::test]
async fn what_cannot_be_used_or_reached_says_so_with_its_own_exit_code() {
    let desk = Desk::new(Version::Debian15);
    let url = desk.server.create_database("app").await;
    let folder = desk.migrations();
    desk.write("20240101000000_init", "CREATE TABLE a (id int);");
    let nobody = format!("postgresql://owner:x@127.0.0.1:{}/app", free_port());
    let wrong = desk.server.url_as(desk.server.user(), "not the password", "app");
    let missing = desk.server.url("no_such_database");
    let nowhere = desk.root.path().join("nowhere");
    let file = desk.migrations().join("migration_lock.toml");
    for command in ["status", "apply", "plan", "dry-run"] {
        let run = |url: Option<&str>, folder: &Path| {
            desk.json(url, &[command, "--migrations", folder.to_str().unwrap(), "--tier", "development"])
        };
        let told = |said: Said| (said.exit, said.text("outcome").to_owned(), said.failure().to_owned());
        let expect = |exit: i32, outcome: &str, code: &str| (exit, outcome.to_owned(), code.to_owned());
        assert_eq!(
            told(run(Some(&nobody), &folder)),
            expect(6, "unreachable", "DRY-1102"),
            "{command}: nobody listens"
        );
        assert_eq!(
            told(run(Some(&wrong), &folder)),
            expect(6, "unreachable", "DRY-1104"),
            "{command}: wrong password"
        );
        assert_eq!(
            told(run(Some(&missing), &folder)),
            expect(6, "unreachable", "DRY-1105"),
            "{command}: no such database"
        );
        assert_eq!(
            told(run(Some(&url), &nowhere)),
            expect(2, "invalid", "DRY-1301"),
            "{command}: no such folder"
        );
        assert_eq!(told(run(Some(&url), &file)), expect(2, "invalid", "DRY-1301"), "{command}: a file");
        assert_eq!(told(run(None, &folder)), expect(2, "invalid", "DRY-1001"), "{command}: no DATABASE_URL");
        assert_eq!(
            told(run(Some("mysql://root@127.0.0.1/app"), &folder)),
            expect(3, "refused", "DRY-1110"),
            "{command}: another kind of database"
        );
        assert_eq!(
            told(run(Some("not an address"), &folder)),
            expect(2, "invalid", "DRY-1001"),
            "{command}: no address"
        );
    }
}

#[tokio::test]
async fn production_is_assumed_and_wants_its_confirmations() {
    let desk = Desk::new(Version::Debian15);
    let url = desk.server.create_database("app").await;
    let folder = desk.migrations();
    desk.write("20240101000000_init", "CREATE TABLE a (id int);");
    let place = folder.to_str().unwrap();
    let said = desk.json(Some(&url), &["apply", "--migrations", place]);
    assert_eq!(
        (said.exit, said.text("outcome")),
        (3, "refused"),
        "without a tier it is production: {:?}",
        said.json
    );
    let said = desk
        .json(Some(&url), &["apply", "--migrations", place, "--without-restore-point", "rehearsal drill"]);
    assert_eq!((said.exit, said.failure()), (3, "DRY-1205"), "the name is not typed");
    let said = desk.json(
        Some(&url),
        &["apply", "--migrations", place, "--without-restore-point", "rehearsal drill", "--confirm", "app"],
    );
    assert_eq!((said.exit, said.text("outcome")), (0, "succeeded"), "{:?}", said.json);
}

#[tokio::test]
async fn a_command_line_that_is_not_understood_prints_nothing_on_standard_output() {
    let desk = Desk::new(Version::Debian15);
    for arguments in
        [&["status", "--nonsense"][..], &["apply", "--tier", "moon"], &["nonsense"], &["resolve"], &[]]
    {
        let output = desk.command(Some("postgresql://x@127.0.0.1/x"), arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
    let help = desk.command(None, &["--help"]).output().unwrap();
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("Exit codes"));
}

#[tokio::test]
async fn umami_applies_in_one_call() {
    let desk = Desk::new(Version::Debian15);
    let url = desk.server.create_database("umami").await;
    let folder = corpus().join("umami/postgresql/migrations");
    let said = desk.apply(&url, &folder);
    assert_eq!((said.exit, said.text("outcome")), (0, "succeeded"), "{:?} {}", said.json, said.stderr);
    assert_eq!(said.migrations().len(), 19);
    assert_eq!(desk.status(&url, &folder).exit, 0);
    assert_eq!(PrismaPeer::find().status(&url, &folder).exit, 0);
}

#[tokio::test]
async fn a_seed_is_tried_written_checked_and_taken_back() {
    let desk = Desk::new(Version::Debian15);
    let url = desk.server.create_database("seeds").await;
    desk.server
        .execute(
            "seeds",
            "CREATE TABLE users (id uuid PRIMARY KEY, email text UNIQUE NOT NULL, hash text NOT NULL); CREATE TABLE flags (name text PRIMARY KEY, enabled boolean NOT NULL)",
        )
        .await;
    let folder = desk.root.path().join("profile");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(
        folder.join("profile.toml"),
        r#"title = "Start"
description = "One user, two flags."
engines = ["postgresql"]
tiers = ["development", "staging"]
[[inputs]]
name = "mail"
label = "E-mail"
kind = "email"
[[inputs]]
name = "secret"
label = "Password"
kind = "password"
hash = "argon2id"
argon2 = { memory_kib = 8192, passes = 1, lanes = 1 }
[[tables]]
table = "users"
key = ["email"]
mode = "upsert"
rows = [ { id = { generate = "uuid_v7" }, email = { input = "mail" }, hash = { input = "secret" } } ]
[[tables]]
table = "flags"
key = ["name"]
mode = "insert-missing"
rows = [ { name = "a", enabled = true }, { name = "b", enabled = false } ]
[[expect]]
name = "Two flags"
count = { table = "flags", equals = 2 }
"#,
    )
    .unwrap();
    let inputs = desk.root.path().join("inputs.toml");
    std::fs::write(&inputs, "mail = \"ada@atelier.io\"\nsecret = { environment = \"SEED_PASSWORD\" }\n")
        .unwrap();
    let (profile, inputs) = (folder.to_str().unwrap(), inputs.to_str().unwrap());
    let seed = |more: &[&str], password: Option<&str>| {
        let mut arguments = vec!["seed", profile, "--inputs", inputs, "--json"];
        arguments.extend(more);
        let mut command = desk.command(Some(&url), &arguments);
        if let Some(password) = password {
            command.env("SEED_PASSWORD", password);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(
            !said.contains("mossy-lantern") && !said.contains("$argon2"),
            "neither password nor hash: {said}"
        );
        (
            output.status.code().unwrap(),
            serde_json::from_str::<Value>(&said).unwrap_or_else(|_| panic!("{said}")),
        )
    };
    let development = ["--tier", "development"];
    let (exit, json) = seed(&development, None);
    assert_eq!((exit, json["failure"]["code"].as_str()), (2, Some("DRY-1218")), "{json}");
    let (exit, json) = seed(&[], Some("mossy-lantern-42-orbit"));
    assert_eq!(
        (exit, json["failure"]["code"].as_str()),
        (3, Some("DRY-1220")),
        "production is not among its tiers: {json}"
    );
    let (exit, json) = seed(&["--tier", "development", "--dry-run"], Some("mossy-lantern-42-orbit"));
    assert_eq!((exit, json["outcome"].as_str()), (0, Some("worked")), "{json}");
    assert_eq!(json["changes"]["tables"][0]["inserted"], 1);
    let here = ["verify", profile, "--tier", "development"];
    let said = desk.json(Some(&url), &here);
    assert_eq!((said.exit, said.text("outcome")), (1, "block"), "the dry run left nothing: {:?}", said.json);
    let (exit, json) = seed(&development, Some("mossy-lantern-42-orbit"));
    assert_eq!((exit, json["outcome"].as_str()), (0, Some("succeeded")), "{json}");
    assert_eq!(json["verification"]["outcome"], "pass");
    let run = json["run_number"].to_string();
    let by_name = desk.root.path().join("kept.toml");
    std::fs::write(&by_name, "mail = \"ada@atelier.io\"\nsecret = { credential = \"admin\" }\n").unwrap();
    let said = desk
        .json(Some(&url), &["seed", profile, "--inputs", by_name.to_str().unwrap(), "--tier", "development"]);
    assert_eq!(
        (said.exit, said.failure()),
        (2, "DRY-1218"),
        "an address keeps no credentials: {:?}",
        said.json
    );
    assert_eq!(desk.json(Some(&url), &here).exit, 0);
    let (exit, json) = seed(&development, Some("mossy-lantern-42-orbit"));
    let inserted: u64 = json["changes"]["tables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|table| table["inserted"].as_u64().unwrap() + table["updated"].as_u64().unwrap())
        .sum();
    assert_eq!((exit, inserted), (0, 0), "a second time changes nothing: {json}");
    let said = desk.json(Some(&url), &["undo", &run, "--dry-run", "--tier", "development"]);
    assert_eq!((said.exit, said.text("outcome")), (0, "worked"), "{:?}", said.json);
    let said = desk.json(Some(&url), &["undo", &run, "--tier", "development"]);
    assert_eq!((said.exit, said.text("outcome")), (0, "succeeded"), "{:?}", said.json);
    assert_eq!(said.json["undone"]["untouched"], 3);
    assert_eq!(desk.json(Some(&url), &here).exit, 1);
    let said = desk.json(Some(&url), &["undo", &run, "--tier", "development"]);
    assert_eq!((said.exit, said.failure()), (3, "DRY-1221"), "once is enough");
}

#[tokio::test]
async fn files_of_checks_ask_the_app_and_no_secret_is_told() {
    let desk = Desk::new(Version::Debian15);
    let url = desk.server.create_database("shop").await;
    let app = App::start();
    let folder = desk.root.path().join("checks");
    std::fs::create_dir(&folder).unwrap();
    let sign_in = "title = \"Shop\"\n[[credentials]]\nname = \"qa\"\nlabel = \"QA\"\n[[expect]]\nname = \"Sign in\"\n[expect.http]\nwrites = false\npost = \"/api/login\"\njson = { email = \"qa@example.com\", password = \"{{qa}}\" }\n";
    std::fs::write(folder.join("shop.toml"), sign_in).unwrap();
    let credentials = desk.root.path().join("credentials.toml");
    std::fs::write(&credentials, "qa = { environment = \"QA_PASSWORD\" }\n").unwrap();
    let verify = |app: &str, password: &str| {
        let arguments = [
            "verify",
            folder.to_str().unwrap(),
            "--app",
            app,
            "--credentials",
            credentials.to_str().unwrap(),
            "--tier",
            "development",
            "--json",
        ];
        let output = desk.command(Some(&url), &arguments).env("QA_PASSWORD", password).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains(password), "{said}");
        let json: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
        (output.status.code().unwrap(), json)
    };
    let (exit, json) = verify(&app.address(), app.password());
    assert_eq!((exit, json["outcome"].as_str()), (0, Some("pass")), "{json}");
    let (exit, json) = verify(&app.address(), "another-password");
    assert_eq!((exit, json["outcome"].as_str()), (1, Some("block")), "{json}");
    assert!(
        json["verification"]["checks"][0]["why"].as_str().unwrap().starts_with("The app answered 401"),
        "{json}"
    );
    let (exit, json) = verify("not an address", app.password());
    assert_eq!((exit, json["failure"]["code"].as_str()), (2, Some("DRY-1001")), "{json}");
    std::fs::write(&credentials, "qa = \"in clear\"\n").unwrap();
    assert_eq!(verify(&app.address(), app.password()).0, 2, "no secret stands in a file");
}
