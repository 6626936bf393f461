//! What naive tools let pass in silence: cut, touched and exchanged files, another database's backup, rows that row
//! security hides, a pooler between transactions. Here each is refused before the first write, by name.

use super::harness::{Bench, State, deep, one, quick, run};
use super::restore::{all_of, restore};
use drydock_engine::Target;
use drydock_engine::adapters::backups::{MANIFEST, Stored, verify_files};
use drydock_engine::domain::backup::{BackupRequest, ProofState};
use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::run::RunStatus;
use drydock_engine::domain::secret::Secret;
use drydock_engine::domain::{Failure, FailureCode};
use drydock_lab::PgBouncer;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::PgConnection;
use std::path::{Path, PathBuf};

const SHOP: &str = "CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL); CREATE TABLE orders (id integer PRIMARY KEY, who integer REFERENCES users (id), note text);
    INSERT INTO users (name) SELECT 'user ' || md5(i::text) FROM generate_series(1, 3000) i;
    INSERT INTO orders SELECT i, 1 + i % 3000, md5((i * 7)::text) FROM generate_series(1, 6000) i";

/// A database with a proven backup in a folder, and damage done to the database since.
struct Shelf {
    bench: Bench,
    target: Target,
    connection: PgConnection,
    id: String,
    folder: PathBuf,
    now: State,
}

impl Shelf {
    async fn with(request: BackupRequest) -> Self {
        let bench = Bench::start().await;
        let (target, mut connection) = bench.base("shop", SHOP).await;
        let (backup, _) = bench.proven(&target, request).await;
        run(&mut connection, "DELETE FROM orders WHERE id % 5 = 0; UPDATE users SET name = 'x' WHERE id = 7")
            .await;
        let folder = PathBuf::from(bench.engine.backup_detail(&backup.id).await.unwrap().folder);
        let now = State::read(&mut connection).await;
        Self { bench, target, connection, id: backup.id, folder, now }
    }

    /// A restore of what lies in the folder now: refused or failed as damaged, and nothing has changed.
    async fn refuses(&mut self, what: &str) {
        let failure = match restore(&self.bench, &self.target, all_of(&self.id)).await {
            Err(failure) => failure,
            Ok(run) => {
                assert_eq!(run.status, RunStatus::Failed, "{what}: it was restored");
                run.failure.unwrap()
            }
        };
        assert_eq!(failure.code, FailureCode::BackupDamaged, "{what}: {failure:?}");
        assert!(failure.unchanged.is_some() && failure.next.is_some(), "{what}: {failure:?}");
        State::read(&mut self.connection).await.is_as(&self.now);
    }

    /// Files of the backup, but for its manifest.
    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = entries.filter(|path| !path.ends_with(MANIFEST)).collect();
        files.sort();
        files
    }
}

#[tokio::test]
async fn a_cut_file_is_refused_before_the_first_write() {
    for request in [quick(), deep()] {
        let mut shelf = Shelf::with(request).await;
        let files: Vec<PathBuf> = shelf.files().into_iter().chain([shelf.folder.join(MANIFEST)]).collect();
        assert!(files.len() >= 3, "{files:?}");
        for path in files {
            let bytes = std::fs::read(&path).unwrap();
            for share in [0, 250, 500, 999] {
                std::fs::write(&path, &bytes[..bytes.len() * share / 1000]).unwrap();
                shelf.refuses(&format!("{} cut at {share} of 1,000", path.display())).await;
            }
            std::fs::remove_file(&path).unwrap();
            shelf.refuses(&format!("{} removed", path.display())).await;
            std::fs::write(&path, &bytes).unwrap();
        }
        let restored = restore(&shelf.bench, &shelf.target, all_of(&shelf.id)).await.unwrap();
        assert_eq!(restored.status, RunStatus::Succeeded, "whole again, it restores: {:?}", restored.failure);
    }
}

/// What a restore looks at before it begins, without its key.
fn accepted(folder: &Path) -> Result<(), Failure> {
    verify_files(&Stored::open(folder)?, &mut |_| true)
}

#[tokio::test]
async fn each_of_a_thousand_touched_bytes_is_noticed() {
    let mut random = StdRng::seed_from_u64(0xB17);
    for request in [quick(), deep()] {
        let mut shelf = Shelf::with(request).await;
        for path in shelf.files() {
            let mut bytes = std::fs::read(&path).unwrap();
            for _ in 0..500 {
                let (at, bit) = (random.random_range(0..bytes.len()), 1 << random.random_range(0..8));
                bytes[at] ^= bit;
                std::fs::write(&path, &bytes).unwrap();
                let refused = accepted(&shelf.folder).unwrap_err();
                assert_eq!(refused.code, FailureCode::BackupDamaged, "{}: byte {at}", path.display());
                bytes[at] ^= bit;
            }
            // One of them through the whole of a restore and of a proof.
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            shelf.refuses(&format!("byte {at} of {}", path.display())).await;
            let run = shelf.bench.engine.start_proof(&shelf.target, &shelf.id).await.unwrap();
            shelf.bench.engine.wait_run(&run.id, &mut |_| {}).await.unwrap();
            let proof = shelf.bench.engine.backup_detail(&shelf.id).await.unwrap().proof.unwrap();
            assert_eq!(proof.state, ProofState::Failed, "{proof:#?}");
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            accepted(&shelf.folder).unwrap();
        }
        // The manifest, with its own hash, its seal, and the hash that the console keeps.
        let path = shelf.folder.join(MANIFEST);
        let mut bytes = std::fs::read(&path).unwrap();
        for _ in 0..100 {
            let at = random.random_range(0..bytes.len());
            if bytes[at].is_ascii_whitespace() {
                continue;
            }
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let refused = shelf.bench.engine.restore_loss(&shelf.target, &all_of(&shelf.id)).await;
            assert_eq!(refused.unwrap_err().code, FailureCode::BackupDamaged, "byte {at} of the manifest");
            bytes[at] ^= 1;
        }
    }
}

#[tokio::test]
async fn exchanged_files_and_folders_are_refused() {
    for request in [quick(), deep()] {
        let mut shelf = Shelf::with(request.clone()).await;
        let (newer, _) = shelf.bench.proven(&shelf.target, request).await;
        let other = PathBuf::from(shelf.bench.engine.backup_detail(&newer.id).await.unwrap().folder);
        let mut names: Vec<PathBuf> = shelf.files();
        names.push(shelf.folder.join(MANIFEST));
        for path in &names {
            let own = std::fs::read(path).unwrap();
            std::fs::copy(other.join(path.file_name().unwrap()), path).unwrap();
            shelf.refuses(&format!("{} of another backup", path.display())).await;
            std::fs::write(path, own).unwrap();
        }
        // Two files of one backup in each other's place.
        let files = shelf.files();
        let (first, second) = (std::fs::read(&files[0]).unwrap(), std::fs::read(&files[1]).unwrap());
        std::fs::write(&files[0], &second).unwrap();
        std::fs::write(&files[1], &first).unwrap();
        shelf.refuses("two files exchanged").await;
        std::fs::write(&files[0], &first).unwrap();
        std::fs::write(&files[1], &second).unwrap();
        // A whole folder, sealed by the same key, in the other's place.
        let aside = shelf.folder.with_extension("aside");
        std::fs::rename(&shelf.folder, &aside).unwrap();
        std::fs::rename(&other, &shelf.folder).unwrap();
        shelf.refuses("the folder of another backup").await;
    }
}

/// A pooler hands each transaction to another session: a snapshot would not hold, a lock would stay. It is not
/// known by its address here, only by what it does.
#[tokio::test]
async fn a_pooler_between_transactions_takes_no_backup_and_no_restore() {
    let bench = Bench::start().await;
    let (target, mut connection) = bench.base("shop", SHOP).await;
    let (backup, _) = bench.proven(&target, quick()).await;
    run(&mut connection, "DELETE FROM orders").await;
    let before = State::read(&mut connection).await;
    let pooler = PgBouncer::start(&bench.server);
    let pooled = Target::from_url(&Secret::new(pooler.url("shop")), Tier::Development, None).unwrap();
    let said = |failure: Failure| assert_eq!(failure.code, FailureCode::TransactionPooler, "{failure:?}");
    for request in [quick(), deep()] {
        match bench.engine.start_backup(&pooled, request).await {
            Err(failure) => said(failure),
            Ok(started) => {
                let ended = bench.engine.wait_run(&started.id, &mut |_| {}).await.unwrap();
                said(ended.failure.unwrap());
            }
        }
    }
    match restore(&bench, &pooled, all_of(&backup.id)).await {
        Err(failure) => said(failure),
        Ok(ended) => said(ended.failure.unwrap()),
    }
    State::read(&mut connection).await.is_as(&before);
    let held = "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(one(&mut connection, held).await, "0", "no lock stays behind the pooler");
}
