#![allow(clippy::unwrap_used)]

use super::*;
use crate::domain::backup::{
    BackupKind, BackupScope, BackupTool, CopyFormat, HashDefinition, Manifest, StoredColumn, StoredTable,
    TableName,
};
use crate::domain::environment::Tier;
use crate::domain::identity::TargetIdentity;
use crate::domain::secret::Secret;
use bytes::Bytes;

async fn written(root: &Path, key: &BackupKey) -> Stored {
    let draft = Draft::create(root, "20261121-020000-quick-ab12cd34").unwrap();
    let mut writer = Writer::create(draft.path(), ROWS, key).unwrap();
    let mut tables = Vec::new();
    for number in 0..3_u32 {
        writer.begin().await.unwrap();
        for piece in 0..200_u32 {
            let row = format!("row {piece} of table {number}\n").repeat(40 * number as usize);
            writer.send(Bytes::from(row)).await.unwrap();
        }
        tables.push(StoredTable {
            table: TableName::new("public", format!("t{number}")),
            columns: vec![StoredColumn {
                name: "id".to_owned(),
                type_name: "integer".to_owned(),
                generated: false,
            }],
            key: vec!["id".to_owned()],
            rows: 200,
            hash: Some("1".to_owned()),
            format: CopyFormat::Binary,
            segment: Some(writer.end().await.unwrap()),
        });
    }
    let file = writer.finish().await.unwrap();
    let manifest = Manifest {
        format: 1,
        id: "ab12cd34".to_owned(),
        kind: BackupKind::Quick,
        environment_id: None,
        environment_name: "shop".to_owned(),
        tier: Tier::Production,
        identity: TargetIdentity {
            system_identifier: Some("7".to_owned()),
            database_oid: 5,
            database: "shop".to_owned(),
            address: "db.example.com:5432".to_owned(),
            server_version: 150_018,
        },
        encoding: "UTF8".to_owned(),
        locale: ("C".to_owned(), "C".to_owned()),
        tool: BackupTool { name: "COPY".to_owned(), version: "15".to_owned(), place: "here".to_owned() },
        snapshot: "1:1:".to_owned(),
        snapshot_at: chrono::DateTime::UNIX_EPOCH,
        finished_at: chrono::DateTime::UNIX_EPOCH,
        milliseconds: 1,
        scope: BackupScope::Whole,
        schemas: vec!["public".to_owned()],
        hash: HashDefinition::ColumnSum64,
        tables,
        sequences: Vec::new(),
        large_objects: None,
        left_out: Vec::new(),
        files: vec![file],
        recipient: key.recipient(),
        imported: None,
        complete: true,
    };
    let partial = draft.path().to_path_buf();
    let (folder, digest) = draft.finish(&manifest, key).unwrap();
    assert!(!partial.exists());
    let stored = Stored::open(&folder).unwrap();
    assert_eq!((&stored.manifest, &stored.sha256), (&manifest, &digest));
    stored
}

async fn all(stored: &Stored, key: &BackupKey) -> Result<Vec<Vec<u8>>, Failure> {
    let mut tables = Vec::new();
    for table in &stored.manifest.tables {
        let mut chunks = stored.read(ROWS, table.segment.as_ref(), key)?;
        let mut rows = Vec::new();
        while let Some(piece) = chunks.next().await? {
            rows.extend_from_slice(&piece);
        }
        tables.push(rows);
    }
    Ok(tables)
}

/// What a restore does first: manifest, seal, files.
fn accepted(folder: &Path, key: &BackupKey) -> Result<(), Failure> {
    let stored = Stored::open(folder)?;
    stored.check_seal(key)?;
    verify_files(&stored, &mut |_| true)
}

#[tokio::test]
async fn what_was_stored_comes_back_table_by_table() {
    let root = tempfile::tempdir().unwrap();
    let key = BackupKey::generate();
    let stored = written(root.path(), &key).await;
    accepted(&stored.folder, &key).unwrap();
    let tables = all(&stored, &key).await.unwrap();
    assert!(tables[0].is_empty());
    assert!(tables[2].ends_with(b"row 199 of table 2\n"));
    let bytes = std::fs::read(stored.folder.join(ROWS)).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"row 19"), "no row stands in clear");
    let other = BackupKey::generate();
    assert_eq!(all(&stored, &other).await.unwrap_err().code, FailureCode::BackupKeyMissing);
    assert_eq!(stored.check_seal(&other).unwrap_err().code, FailureCode::BackupKeyMissing);
    remove(&stored.folder).unwrap();
    assert!(!stored.folder.exists());
    remove(&stored.folder).unwrap();
}

#[tokio::test]
async fn every_flipped_byte_and_every_cut_is_noticed_before_anything_is_read() {
    let root = tempfile::tempdir().unwrap();
    let key = BackupKey::generate();
    let stored = written(root.path(), &key).await;
    for name in [ROWS, MANIFEST] {
        let path = stored.folder.join(name);
        let bytes = std::fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by((bytes.len() / 500).max(1)) {
            let mut touched = bytes.clone();
            touched[at] ^= 1;
            std::fs::write(&path, &touched).unwrap();
            // The line end and the space around the document carry nothing.
            let harmless = name == MANIFEST && bytes[at].is_ascii_whitespace();
            assert!(accepted(&stored.folder, &key).is_err() || harmless, "{name}: byte {at} was touched");
            if name == ROWS {
                assert!(all(&stored, &key).await.is_err(), "{name}: byte {at} was touched, and it was read");
            }
        }
        for cut in [0, bytes.len() / 4, bytes.len() / 2, bytes.len() * 999 / 1000, bytes.len() - 2] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert!(accepted(&stored.folder, &key).is_err(), "{name}: cut at {cut}");
        }
        std::fs::write(&path, &bytes).unwrap();
    }
    accepted(&stored.folder, &key).unwrap();
}

#[tokio::test]
async fn an_edited_manifest_with_a_fitting_checksum_breaks_its_seal() {
    let root = tempfile::tempdir().unwrap();
    let key = BackupKey::generate();
    let stored = written(root.path(), &key).await;
    let path = stored.folder.join(MANIFEST);
    let text = std::fs::read_to_string(&path).unwrap();
    let edited = stored.text.replace("\"rows\":200", "\"rows\":199");
    assert_ne!(edited, stored.text);
    let document = text.replace(&stored.text, &edited).replace(&stored.sha256, &sha256(edited.as_bytes()));
    std::fs::write(&path, document).unwrap();
    assert_eq!(accepted(&stored.folder, &key).unwrap_err().code, FailureCode::BackupDamaged);
}

#[tokio::test]
async fn a_finished_backup_is_found_by_its_id_and_a_damaged_one_is_not() {
    let root = tempfile::tempdir().unwrap();
    let stored = written(root.path(), &BackupKey::generate()).await;
    let id = stored.manifest.id.clone();
    assert_eq!(finished(root.path(), &id).map(|found| found.sha256), Some(stored.sha256));
    assert!(finished(root.path(), "dead0002").is_none());
    std::fs::write(stored.folder.join(MANIFEST), "{").unwrap();
    assert!(finished(root.path(), &id).is_none());
}

#[tokio::test]
async fn an_unfinished_backup_is_removed_and_a_left_one_swept() {
    let root = tempfile::tempdir().unwrap();
    let key = BackupKey::generate();
    let draft = Draft::create(root.path(), "20261121-020000-deep-dead0001").unwrap();
    let path = draft.path().to_path_buf();
    let mut writer = Writer::create(&path, ARCHIVE, &key).unwrap();
    writer.begin().await.unwrap();
    writer.send(Bytes::from_static(b"half of it")).await.unwrap();
    drop(writer);
    drop(draft);
    assert!(!path.exists());
    for id in ["dead0002", "live0003"] {
        std::fs::create_dir_all(root.path().join(format!("20261121-020000-deep-{id}.partial"))).unwrap();
    }
    sweep(root.path(), &|id| id == "live0003");
    assert!(!root.path().join("20261121-020000-deep-dead0002.partial").exists());
    assert!(root.path().join("20261121-020000-deep-live0003.partial").exists());
}

#[test]
fn keys_leave_and_come_back_under_a_passphrase() {
    let keys = [BackupKey::generate(), BackupKey::generate()];
    let sealed = export_keys(&keys, &Secret::new("correct horse battery")).unwrap();
    assert!(!sealed.windows(10).any(|window| window == b"AGE-SECRET"));
    let back = import_keys(&sealed, &Secret::new("correct horse battery")).unwrap();
    let recipients = |keys: &[BackupKey]| keys.iter().map(BackupKey::recipient).collect::<Vec<_>>();
    assert_eq!(recipients(&back), recipients(&keys));
    for (bytes, passphrase) in
        [(&sealed[..], "wrong"), (&sealed[..sealed.len() - 3], "correct horse battery"), (b"no keys", "x")]
    {
        let failure = import_keys(bytes, &Secret::new(passphrase)).unwrap_err();
        assert_eq!(failure.code, FailureCode::BackupKeyMissing);
    }
}
