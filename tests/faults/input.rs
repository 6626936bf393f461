//! Bad input: a clear sentence each, a stable code, nothing lost, no panic.

use crate::parts::{Answer, Console, assert_clear, finish, text, write};
use drydock_lab::{Postgres, Version};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs a command on another folder than the console's own.
fn on_folder(console: &Console, command: &str, folder: &Path) -> Answer {
    let child = Command::new(env!("CARGO_BIN_EXE_drydockctl"))
        .arg(command)
        .args(["--tier", "development", "--json", "--migrations"])
        .arg(folder)
        .env("DRYDOCK_DATA", console.data())
        .env("DATABASE_URL", &console.url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    finish(child)
}

async fn is_empty(server: &Postgres, database: &str) -> bool {
    let mut connection = server.connect(database).await;
    text(&mut connection, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        .await
        .as_deref()
        == Some("0")
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named_with_its_reason() {
    let server = Postgres::start(Version::Debian15);
    let console = Console::new(&server.create_database("folders").await);
    let root = console.root.path();
    for command in ["status", "plan", "dry-run", "apply"] {
        assert_clear(&on_folder(&console, command, &root.join("nowhere")), 2, "DRY-1301");
        let file = root.join("file");
        std::fs::write(&file, "x").unwrap();
        assert_clear(&on_folder(&console, command, &file), 2, "DRY-1301");
        let dangling = root.join("dangling");
        let _ = symlink(root.join("gone"), &dangling);
        assert_clear(&on_folder(&console, command, &dangling), 2, "DRY-1301");
        let other = root.join("photos");
        let _ = std::fs::create_dir(&other);
        std::fs::write(other.join("holiday.jpg"), "x").unwrap();
        assert_clear(&on_folder(&console, command, &other), 2, "DRY-1301");
    }
    assert!(is_empty(&server, "folders").await, "nothing was written");
}

#[tokio::test]
async fn a_script_that_cannot_be_read_stops_before_the_first_write() {
    let server = Postgres::start(Version::Debian15);
    for (name, make) in [
        ("folder", (|path: &Path| std::fs::create_dir(path.join("migration.sql")).unwrap()) as fn(&Path)),
        ("dangling", |path| symlink("nowhere.sql", path.join("migration.sql")).unwrap()),
        ("loop", |path| symlink("migration.sql", path.join("migration.sql")).unwrap()),
        ("none", |_| {}),
        ("device", |path| symlink("/dev/zero", path.join("migration.sql")).unwrap()),
    ] {
        let console = Console::new(&server.create_database(name).await);
        console.write("001_good", "CREATE TABLE good (id int);");
        let bad = console.migrations().join("002_bad");
        std::fs::create_dir(&bad).unwrap();
        make(&bad);
        let status = console.run(&["status"]);
        assert_eq!(status.exit, Some(1), "{name}: {}", status.text());
        assert!(status.text().contains("002_bad"), "{name}: it is named: {}", status.text());
        assert_clear(&console.run(&["apply"]), 3, "DRY-1212");
        assert!(is_empty(&server, name).await, "{name}: nothing was written");
    }
}

#[tokio::test]
async fn a_hundred_thousand_of_anything_is_answered_in_seconds() {
    let server = Postgres::start(Version::Debian15);
    let console = Console::new(&server.create_database("many").await);
    console.write("001_single", "CREATE TABLE single (id int);");
    for number in 0..100_000 {
        std::fs::write(console.migrations().join(format!("loose{number}.sql")), "").unwrap();
    }
    let started = Instant::now();
    let answer = console.run(&["apply"]);
    let loose = started.elapsed();
    assert_eq!(answer.exit, Some(0), "{}", answer.text());
    let status = console.run(&["status"]);
    assert!(status.text().contains("100000 loose files"), "they are counted: {}", status.text());
    std::fs::remove_dir_all(console.migrations()).unwrap();
    std::fs::create_dir(console.migrations()).unwrap();
    for number in 0..100_000 {
        std::fs::create_dir(console.migrations().join(format!("{number:06}_folder"))).unwrap();
    }
    let started = Instant::now();
    let answer = console.run(&["status"]);
    let folders = started.elapsed();
    assert_clear(&answer, 2, "DRY-1302");
    println!("100,000 loose files: apply {loose:.1?}; 100,000 folders: refused after {folders:.1?}");
    assert!(loose < Duration::from_secs(20) && folders < Duration::from_secs(10), "{loose:?} {folders:?}");
}

#[tokio::test]
async fn a_script_of_fifty_megabytes_is_applied_or_refused_in_words() {
    let server = Postgres::start(Version::Debian15);
    let console = Console::new(&server.create_database("large").await);
    let mut sql = String::from("CREATE TABLE large (id int, text text);\n");
    let row = format!("INSERT INTO large VALUES (1, '{}');\n", "x".repeat(50_000));
    while sql.len() < 50 * 1024 * 1024 {
        sql.push_str(&row);
    }
    let rows = sql.matches("INSERT").count();
    console.write("001_large", &sql);
    let started = Instant::now();
    let answer = console.run(&["apply"]);
    println!("50 MB in {rows} statements: {:?} in {:.1?}", answer.exit, started.elapsed());
    assert_eq!(answer.exit, Some(0), "{}", answer.text().chars().take(4000).collect::<String>());
    let mut connection = server.connect("large").await;
    assert_eq!(text(&mut connection, "SELECT count(*) FROM large").await, Some(rows.to_string()));
    let console = Console::new(&server.create_database("larger").await);
    let file = console.migrations().join("001_larger");
    std::fs::create_dir(&file).unwrap();
    std::fs::File::create(file.join("migration.sql")).unwrap().set_len(101 * 1024 * 1024).unwrap();
    let answer = console.run(&["apply"]);
    assert_clear(&answer, 3, "DRY-1212");
    assert!(answer.text().contains("101 MB"), "the size and the limit are said: {}", answer.text());
}

#[tokio::test]
async fn names_that_try_to_trick_the_reader_are_made_visible() {
    let server = Postgres::start(Version::Debian15);
    let console = Console::new(&server.create_database("names").await);
    let names: [&[u8]; 5] = [
        b"001_bell\x07\x1b[31mred",
        b"002_new\nline",
        "003_right\u{202e}lqs.tfel".as_bytes(),
        b"004_not_utf8_\xff\xfe",
        "005_quote'\"; DROP TABLE hits; --".as_bytes(),
    ];
    for (number, name) in names.iter().enumerate() {
        let folder = console.migrations().join(std::ffi::OsStr::from_bytes(name));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("migration.sql"), format!("CREATE TABLE n{number} (id int);")).unwrap();
    }
    for command in [&["status"][..], &["plan"], &["dry-run"], &["apply"], &["status"], &["runs"]] {
        let said = finish(
            console
                .command(&command.iter().copied().chain(["--tier", "development"]).collect::<Vec<_>>())
                .spawn()
                .unwrap(),
        );
        assert!(said.exit.is_some() && !said.text().contains("panicked"), "{command:?}: {}", said.text());
        for bad in ['\u{7}', '\u{1b}', '\u{202e}'] {
            assert!(!said.text().contains(bad), "{command:?} prints {bad:?} as it is: {:?}", said.text());
        }
        assert!(!said.text().contains("new\nline"), "{command:?}: a name is one line: {}", said.text());
        if command == ["apply"] {
            assert_eq!(said.exit, Some(0), "they are applied all the same: {}", said.text());
        }
    }
    let mut connection = server.connect("names").await;
    let count = text(
        &mut connection,
        "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NOT NULL AND migration_name LIKE E'002\\\\_new\\nline'",
    )
    .await;
    assert_eq!(count.as_deref(), Some("1"), "the ledger keeps the name as it is on disk");
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_repeating_it() {
    let console = Console::new("");
    console.write("001_x", "SELECT 1;");
    for url in [
        "",
        "   ",
        "hello CANARY-7",
        "postgresql://u:CANARY-7@[::1/db",
        "postgresql://u:CANARY-7@host:99999/db",
        "file:/etc/passwd",
        "\u{202e}\u{7}",
    ] {
        let mut command = console.command(&["status", "--json"]);
        let answer = finish(command.env("DATABASE_URL", url).spawn().unwrap());
        assert_eq!(answer.exit, Some(2), "{url:?}: {}", answer.text());
        assert!(!answer.text().contains("CANARY-7"), "{url:?}: the text is not repeated: {}", answer.text());
        assert_clear(&answer, 2, "DRY-1001");
    }
    let mut command = console.command(&["status", "--json"]);
    let answer = finish(command.env("DATABASE_URL", "mysql://u:CANARY-7@host/db").spawn().unwrap());
    assert_clear(&answer, 3, "DRY-1110");
    assert!(!answer.text().contains("CANARY-7"), "{}", answer.text());
    let nobody = format!("postgresql://u:CANARY-7@127.0.0.1:{}/db?sslmode=disable", drydock_lab::free_port());
    let mut command = console.command(&["apply", "--tier", "development", "--json"]);
    let answer = finish(command.env("DATABASE_URL", nobody).spawn().unwrap());
    assert_clear(&answer, 6, "DRY-1102");
    assert!(!answer.text().contains("CANARY-7"), "{}", answer.text());
    let mut command = console.command(&["runs", "4711", "--json"]);
    let answer = finish(command.env("DATABASE_URL", "x").spawn().unwrap());
    assert_eq!(answer.exit, Some(2), "{}", answer.text());
    assert_eq!(answer.code(), "DRY-1503", "{}", answer.text());
}

#[tokio::test]
async fn a_database_that_is_gone_is_told_apart_from_a_server_that_is_gone() {
    let mut server = Postgres::start(Version::Debian15);
    let console = Console::new(&server.create_database("gone").await);
    console.write("001_x", "CREATE TABLE x (id int);");
    assert_eq!(console.run(&["status"]).exit, Some(1));
    server.execute("postgres", "DROP DATABASE gone WITH (FORCE)").await;
    assert_clear(&console.run(&["apply"]), 6, "DRY-1105");
    server.stop();
    assert_clear(&console.run(&["apply"]), 6, "DRY-1102");
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_written_stops_before_any_contact() {
    let server = Postgres::start(Version::Debian15);
    let mut console = Console::new(&server.create_database("data").await);
    console.write("001_x", "CREATE TABLE x (id int);");
    let file = console.root.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    for place in ["/proc/drydock".to_owned(), file.display().to_string(), "/sys/kernel/drydock".to_owned()] {
        console.variables = vec![("DRYDOCK_DATA".to_owned(), place.clone())];
        let answer = console.run(&["apply"]);
        assert_clear(&answer, 4, "DRY-1501");
        assert!(answer.text().contains(&place), "the folder is named: {}", answer.text());
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine", "what was there is untouched");
    assert!(is_empty(&server, "data").await, "nothing was written");
}

#[tokio::test]
async fn a_damaged_store_is_kept_and_named() {
    let server = Postgres::start(Version::Debian15);
    let console = Console::new(&server.create_database("damaged").await);
    console.write("001_x", "CREATE TABLE x (id int);");
    assert_eq!(console.run(&["apply"]).exit, Some(0));
    let file = console.data().join("drydock.sqlite");
    let mut store = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut store).await.unwrap();
    store.close().await.unwrap();
    let good = std::fs::read(&file).unwrap();
    write(&console.migrations(), "002_y", "CREATE TABLE y (id int);");
    let junk = vec![0x5A; good.len()];
    let mut header = good.clone();
    header[..100].fill(0xFF);
    let mut middle = good.clone();
    let page = 4096;
    let end = middle.len();
    middle[page..(page * 12).min(end)].fill(0xA5);
    let cut = good[..good.len() / 2].to_vec();
    for (name, bytes) in [("junk", junk), ("header", header), ("middle", middle), ("cut", cut)] {
        for extra in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(console.data().join(format!("drydock.sqlite{extra}")));
        }
        std::fs::write(&file, &bytes).unwrap();
        let answer = console.run(&["apply"]);
        println!("{name}: {:?} {}", answer.exit, answer.json["failure"]);
        assert!(matches!(answer.exit, Some(4)), "{name}: {}", answer.text());
        assert_clear(&answer, 4, "DRY-1501");
        assert!(
            answer.text().contains(console.data().to_str().unwrap()),
            "{name}: the operator learns which file: {}",
            answer.text()
        );
        assert_eq!(std::fs::read(&file).unwrap().len(), bytes.len(), "{name}: the damaged file is kept");
    }
    let mut connection = server.connect("damaged").await;
    assert_eq!(
        text(&mut connection, "SELECT coalesce(to_regclass('y')::text, 'none')").await.as_deref(),
        Some("none"),
        "nothing is applied without a journal"
    );
    for extra in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(console.data().join(format!("drydock.sqlite{extra}")));
    }
    std::fs::write(&file, &good).unwrap();
    assert_eq!(console.run(&["apply"]).exit, Some(0), "the restored store works");
}
