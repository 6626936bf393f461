//! The hash of rows tells apart what is not the same, in both definitions.

use super::harness::{Bench, PASSPHRASE, State, TORTURE, deep, one, quick, run};
use super::restore::{all_of, restored};
use drydock_engine::adapters::backups::{Draft, MANIFEST, Stored, import_keys};
use drydock_engine::adapters::postgres::backup;
use drydock_engine::domain::backup::{BackupView, HashDefinition};
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::secret::Secret;
use drydock_engine::runner::backup::sums::{Summed, sums};
use drydock_lab::Version;
use sqlx::PgConnection;

/// Pairs that are alike to somebody: to equality, to a cast, to a hash of half the bits, to a text without quotes.
const ALIKE: [(&str, &str, &str); 24] = [
    ("integer", "0", "NULL"),
    ("integer", "1", "-1"),
    ("smallint", "0", "NULL"),
    ("bigint", "1", "4294967296"),
    ("bigint", "-1", "0"),
    ("bigint", "0", "NULL"),
    ("boolean", "false", "NULL"),
    ("text", "''", "NULL"),
    ("text", "'a'", "'a '"),
    ("text COLLATE \"ci\"", "'a'", "'A'"),
    ("varchar(9)", "''", "NULL"),
    ("char(4)", "''", "NULL"),
    ("char(4)", "'a'", "' a'"),
    ("uuid", "'00000000-0000-0000-0000-000000000000'", "NULL"),
    ("numeric", "1.0", "1.00"),
    ("numeric", "'NaN'", "NULL"),
    ("double precision", "'0'", "'-0'"),
    ("real", "'0'", "'-0'"),
    ("jsonb", "'1.0'", "'1.00'"),
    ("json", "'{\"a\":1}'", "'{\"a\": 1}'"),
    ("bytea", "''", "NULL"),
    ("timestamptz", "'2026-01-01 00:00:00.000001Z'", "'2026-01-01 00:00:00Z'"),
    ("date", "'infinity'", "NULL"),
    ("text[]", "'{}'", "'{NULL}'"),
];

async fn sum(connection: &mut PgConnection, definition: HashDefinition) -> String {
    backup::begin(connection, None, 3_000).await.unwrap();
    let inventory = backup::inventory(connection).await.unwrap();
    let tables: Vec<_> = inventory.relations.iter().map(|relation| relation.stored()).collect();
    let found = sums(connection, definition, &tables, &|_| 0.0, &|_| {}).await.unwrap();
    run(connection, "ROLLBACK").await;
    match &found[..] {
        [Summed::Sum(sum)] => format!("{} {}", sum.rows, sum.hash),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rows_that_only_look_alike_have_other_hashes() {
    for version in [Version::Debian15, Version::Toolkit18] {
        let bench = Bench::start_on(version).await;
        let (_, mut connection) = bench
            .base(
                "alike",
                "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
            )
            .await;
        for definition in [HashDefinition::TextSum64, HashDefinition::ColumnSum64] {
            for (kind, left, right) in ALIKE {
                run(
                    &mut connection,
                    &format!("CREATE TABLE t (id integer, c {kind}); INSERT INTO t VALUES (1, {left})"),
                )
                .await;
                let before = sum(&mut connection, definition).await;
                run(&mut connection, &format!("UPDATE t SET c = {right}")).await;
                assert_ne!(
                    sum(&mut connection, definition).await,
                    before,
                    "{definition:?} {kind}: {left} and {right}"
                );
                run(&mut connection, &format!("UPDATE t SET c = {left}")).await;
                assert_eq!(
                    sum(&mut connection, definition).await,
                    before,
                    "{definition:?} {kind}: {left} again"
                );
                run(&mut connection, "DROP TABLE t").await;
            }
            // Values that change places, between columns and between rows.
            run(&mut connection, "CREATE TABLE t (id integer, a text, b text, n integer, m integer); INSERT INTO t VALUES (1, 'x', '', 1, 2), (2, 'y', NULL, 3, NULL)").await;
            let mut seen = vec![sum(&mut connection, definition).await];
            for change in [
                "UPDATE t SET a = b, b = a WHERE id = 1",
                "UPDATE t SET a = NULL, b = 'y' WHERE id = 2",
                "UPDATE t SET a = '', b = NULL WHERE id = 1",
                "UPDATE t SET n = m, m = n",
                "UPDATE t SET a = (SELECT a FROM t o WHERE o.id = 3 - t.id), b = (SELECT b FROM t o WHERE o.id = 3 - t.id)",
                "INSERT INTO t SELECT * FROM t",
            ] {
                run(&mut connection, change).await;
                let now = sum(&mut connection, definition).await;
                assert!(!seen.contains(&now), "{definition:?}: {change}");
                seen.push(now);
            }
            run(&mut connection, "DROP TABLE t").await;
        }
        // As wide as a table can be, and without columns.
        let columns: Vec<String> = (0..1500).map(|number| format!("c{number} integer")).collect();
        run(
            &mut connection,
            &format!("CREATE TABLE t ({}); INSERT INTO t (c0) VALUES (1)", columns.join(", ")),
        )
        .await;
        let before = sum(&mut connection, HashDefinition::ColumnSum64).await;
        run(&mut connection, "UPDATE t SET c1499 = 0").await;
        assert_ne!(sum(&mut connection, HashDefinition::ColumnSum64).await, before);
        run(
            &mut connection,
            "DROP TABLE t; CREATE TABLE t (); INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES",
        )
        .await;
        assert!(sum(&mut connection, HashDefinition::ColumnSum64).await.starts_with("2 "));
        assert_eq!(one(&mut connection, "SELECT count(*)::text FROM t").await, "2");
    }
}

/// The same backup as an earlier Drydock would have left it: hashed by the first definition, sealed with the same key.
/// The database has to be as it was then.
async fn as_once_written(
    bench: &Bench,
    connection: &mut PgConnection,
    backup: &BackupView,
) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let secret = Secret::new(PASSPHRASE);
    let keys = root.path().join("keys.age");
    bench.engine.backup_keys_export_with(&keys, &secret).await.unwrap();
    let keys = import_keys(&std::fs::read(&keys).unwrap(), &secret).unwrap();
    let folder = bench.engine.backup_detail(&backup.id).await.unwrap().folder;
    let Stored { mut manifest, .. } = Stored::open(folder.as_ref()).unwrap();
    let key = keys.iter().find(|key| key.recipient() == manifest.recipient).unwrap();

    backup::begin(connection, None, 3_000).await.unwrap();
    let found =
        sums(connection, HashDefinition::TextSum64, &manifest.tables, &|_| 0.0, &|_| {}).await.unwrap();
    run(connection, "ROLLBACK").await;
    manifest.hash = HashDefinition::TextSum64;
    manifest.id = uuid::Uuid::new_v4().to_string();
    let mut other_hashes = 0;
    for (table, found) in manifest.tables.iter_mut().zip(found) {
        let before = table.hash.take();
        let Summed::Sum(found) = found else { continue };
        assert_eq!(table.rows, found.rows);
        other_hashes += u32::from(before.as_ref() != Some(&found.hash));
        table.hash = Some(found.hash);
    }
    assert!(other_hashes > 9, "another definition: {other_hashes} of {} tables", manifest.tables.len());
    let draft = Draft::create(root.path(), "once").unwrap();
    for file in &manifest.files {
        std::fs::copy(std::path::Path::new(&folder).join(&file.name), draft.path().join(&file.name)).unwrap();
    }
    assert!(!draft.path().join(MANIFEST).exists());
    draft.finish(&manifest, key).unwrap();
    root
}

#[tokio::test]
async fn backups_with_the_first_definition_are_still_proven_and_restored() {
    let bench = Bench::start().await;
    let (target, mut connection) = bench.base("torture", TORTURE).await;
    let before = State::read(&mut connection).await;
    for request in [quick(), deep()] {
        let (backup, _) = bench.proven(&target, request).await;
        let root = as_once_written(&bench, &mut connection, &backup).await;
        let mut folder = std::fs::read_dir(root.path()).unwrap().flatten().map(|entry| entry.path());
        let folder = folder.find(|path| path.is_dir()).unwrap();
        let old = bench.engine.backup_find(&target, &folder.display().to_string()).await.unwrap();
        let proof = bench.engine.start_proof(&target, &old.id).await.unwrap();
        let proof = bench.engine.wait_run(&proof.id, &mut |_| {}).await.unwrap();
        assert_eq!(proof.status, RunStatus::Succeeded, "{:?}", proof.failure);

        run(
            &mut connection,
            "DELETE FROM every_type WHERE id > 110; UPDATE serials SET text = 'x' WHERE id = 1",
        )
        .await;
        let loss = bench.engine.restore_loss(&target, &all_of(&old.id)).await.unwrap();
        assert!(
            loss.unchanged >= 5 && loss.tables.iter().any(|table| table.table.name == "serials"),
            "{loss:#?}"
        );
        restored(&bench, &target, all_of(&old.id)).await;
        State::read(&mut connection).await.is_as(&before);
    }
}
