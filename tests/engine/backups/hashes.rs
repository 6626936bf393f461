//! The hash of rows tells apart what is not the same, in both definitions.

use super::harness::{Bench, one, run};
use drydock_engine::adapters::postgres::backup;
use drydock_engine::domain::backup::HashDefinition;
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
