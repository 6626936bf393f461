//! The catalogue's fingerprint moves with the schema and with nothing else, and large schemas are read quickly.

use super::server::{Server, run};
use drydock_engine::adapters::postgres::catalogue::{fingerprint, read};
use sqlx::Connection;
use std::time::{Duration, Instant};

#[tokio::test]
async fn the_fingerprint_moves_with_the_schema_and_with_nothing_else() {
    for major in [15, 18] {
        let server = Server::start(major);
        let mut connection = server.database().await;
        let schemas = ["public".to_owned()];
        run(
            &mut connection,
            "CREATE TYPE mood AS ENUM ('good'); CREATE TABLE _prisma_migrations (id int);
             CREATE TABLE t (id int PRIMARY KEY, name text DEFAULT 'x', mood mood);
             CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
             CREATE VIEW v AS SELECT id FROM t; CREATE SEQUENCE s",
        )
        .await;
        let mut last = fingerprint(&mut connection, &schemas).await.unwrap();
        assert_eq!(last.len(), 64, "SHA-256 in hex");
        for still in [
            "INSERT INTO t SELECT n FROM generate_series(1, 100) n; SELECT nextval('s')",
            "ANALYZE t",
            "VACUUM FULL t",
            "TRUNCATE t",
            "ALTER TABLE _prisma_migrations ADD COLUMN logs text",
            "CREATE SCHEMA other; CREATE TABLE other.t (id int)",
            "SET search_path = other; SET quote_all_identifiers = on",
            "CREATE TEMP TABLE t (id int)",
        ] {
            run(&mut connection, still).await;
            assert_eq!(fingerprint(&mut connection, &schemas).await.unwrap(), last, "{still}");
        }
        for moved in [
            "ALTER TABLE public.t ADD COLUMN more int",
            "ALTER TABLE public.t ALTER COLUMN name SET NOT NULL",
            "ALTER TABLE public.t ALTER COLUMN name SET DEFAULT 'y'",
            "ALTER TABLE public.t ALTER COLUMN more TYPE bigint",
            "ALTER TABLE public.t ADD CHECK (more > 0)",
            "CREATE INDEX by_name ON public.t (name)",
            "ALTER INDEX public.by_name RENAME TO by_other_name",
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.by_other_name'::regclass",
            "ALTER TYPE public.mood ADD VALUE 'bad'",
            "CREATE OR REPLACE VIEW public.v AS SELECT id FROM public.t WHERE id > 0",
            "CREATE OR REPLACE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$",
            "CREATE TRIGGER g BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.f()",
            "ALTER TABLE public.t DISABLE TRIGGER g",
            "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY",
            "CREATE POLICY p ON public.t USING (id > 0)",
            "ALTER SEQUENCE public.s INCREMENT 2",
            "CREATE EXTENSION citext SCHEMA public",
            "DROP TABLE public.t CASCADE",
        ] {
            run(&mut connection, moved).await;
            let now = fingerprint(&mut connection, &schemas).await.unwrap();
            assert_ne!(now, last, "{moved}");
            last = now;
        }
        let mut other = server.database().await;
        run(&mut other, "SET search_path = pg_catalog").await;
        assert_ne!(fingerprint(&mut other, &schemas).await.unwrap(), last);
    }
}

#[tokio::test]
async fn reading_leaves_the_callers_transaction_as_it_was() {
    let server = Server::start(15);
    let mut connection = server.database().await;
    run(&mut connection, "CREATE SCHEMA app; SET search_path = app, public").await;
    let mut transaction = connection.begin().await.unwrap();
    read(&mut transaction, &["public".to_owned()]).await.unwrap();
    let path: String = sqlx::query_scalar("SELECT current_setting('search_path')")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(path, "app, public");
}

#[tokio::test]
async fn a_thousand_tables_are_read_in_well_under_a_second() {
    for major in [15, 18] {
        let server = Server::start(major);
        let mut connection = server.database().await;
        for first in (1..1000).step_by(100) {
            let last = first + 99;
            let tables = format!(
                "DO $$ BEGIN FOR n IN {first}..{last} LOOP EXECUTE format(
                 'CREATE TABLE t%1$s (id bigserial PRIMARY KEY, a text NOT NULL DEFAULT ''x'', b int, c jsonb,
                  d timestamptz DEFAULT now(), e uuid, f text, g text, h numeric(10, 2), i boolean DEFAULT false,
                  owner bigint REFERENCES t%2$s (id), CHECK (b > 0));
                  CREATE INDEX ON t%1$s (a, b); CREATE UNIQUE INDEX ON t%1$s (e)', n, greatest(n - 1, 1)); END LOOP; END $$"
            );
            run(&mut connection, &tables).await;
        }
        run(&mut connection, "ANALYZE").await;
        let schemas = ["public".to_owned()];
        let catalogue = read(&mut connection, &schemas).await.unwrap();
        let (mut reading, mut hashing) = (Duration::MAX, Duration::MAX);
        for _ in 0..3 {
            let started = Instant::now();
            read(&mut connection, &schemas).await.unwrap();
            reading = reading.min(started.elapsed());
            let started = Instant::now();
            fingerprint(&mut connection, &schemas).await.unwrap();
            hashing = hashing.min(started.elapsed());
        }
        eprintln!(
            "PostgreSQL {major}: {} objects read in {reading:?}, fingerprint in {hashing:?}",
            catalogue.count()
        );
        assert_eq!((catalogue.tables.len(), catalogue.indexes.len()), (1000, 3000));
        let limit = Duration::from_secs(3);
        assert!(
            reading < limit && hashing < limit,
            "room for a busy machine, none for a loop in a loop: {reading:?} {hashing:?}"
        );
    }
}
