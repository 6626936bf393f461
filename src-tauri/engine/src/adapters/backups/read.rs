//! Reading a backup: its manifest, its checksums, and the clear bytes of its files.

use super::{BackupKey, MANIFEST, damaged, file_failure, hex, sha256};
use crate::domain::backup::{Manifest, Segment};
use crate::domain::{Failure, FailureCode};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Clear bytes are handed on in pieces of this size.
const PIECE: usize = 256 * 1024;
/// Pieces that are read ahead.
const AHEAD: usize = 8;
/// Largest manifest that is read: some hundred thousand tables.
const LARGEST_MANIFEST: u64 = 256 * 1024 * 1024;

/// A backup on this computer.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its folder.
    pub folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// SHA-256 of the manifest, hex.
    pub sha256: String,
    /// The manifest's seal.
    seal: String,
    pub(super) text: String,
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    manifest: &'a RawValue,
    sha256: String,
    seal: String,
}

impl Stored {
    /// Reads the manifest and compares it with its own checksum.
    ///
    /// # Errors
    /// [`FailureCode::BackupDamaged`]: there is none, it was cut or changed, or it is of a later Drydock.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(MANIFEST);
        let size = std::fs::metadata(&path).map(|found| found.len()).unwrap_or(0);
        if size > LARGEST_MANIFEST {
            return Err(damaged("The backup's manifest is too large to be one.", format!("{size} bytes.")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| {
            damaged(
                "The backup has no manifest, so it was never finished.",
                format!("{}: {error}.", path.display()),
            )
        })?;
        let document: Document<'_> = serde_json::from_str(&text).map_err(|error| {
            damaged("The backup's manifest was cut or changed.", format!("It cannot be read: {error}."))
        })?;
        let clear = document.manifest.get();
        if sha256(clear.as_bytes()) != document.sha256 {
            return Err(damaged(
                "The backup's manifest was changed after it was written.",
                "It does not fit its own checksum.",
            ));
        }
        let manifest: Manifest = serde_json::from_str(clear).map_err(|error| {
            damaged("The backup's manifest is not one that this Drydock understands.", format!("{error}."))
        })?;
        if manifest.format != 1 || !manifest.complete {
            return Err(damaged(
                "The backup's manifest is not one that this Drydock understands.",
                format!("Format {}.", manifest.format),
            ));
        }
        for file in &manifest.files {
            let plain = Path::new(&file.name).components().count() == 1 && !file.name.contains(['/', '\\']);
            if !plain || file.name.starts_with('.') {
                return Err(damaged("The backup's manifest names a file outside of its folder.", &file.name));
            }
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            sha256: document.sha256,
            seal: document.seal,
            text: clear.to_owned(),
            manifest,
        })
    }

    /// Whether the manifest was sealed by the owner of the key.
    ///
    /// # Errors
    /// [`FailureCode::BackupKeyMissing`] with another key, [`FailureCode::BackupDamaged`].
    pub fn check_seal(&self, key: &BackupKey) -> Result<(), Failure> {
        if self.manifest.recipient != key.recipient() {
            return Err(Failure::new(FailureCode::BackupKeyMissing, "The key of this backup is not here.")
                .why(format!("It is encrypted to {}.", self.manifest.recipient))
                .unchanged("Nothing was changed.")
                .next("Import the key on the Backups panel: it was exported on the computer that took the backup."));
        }
        if key.seal(self.text.as_bytes()) != self.seal {
            return Err(damaged(
                "The backup's manifest was changed after it was written.",
                "It does not fit its seal, which only the owner of the key can make.",
            ));
        }
        Ok(())
    }

    /// The clear bytes of a file, or of one segment of it, as they are read. Ends with an error if they are not
    /// what was stored.
    ///
    /// # Errors
    /// [`FailureCode::BackupDamaged`] where the file is not there.
    pub fn read(&self, name: &str, segment: Option<&Segment>, key: &BackupKey) -> Result<Chunks, Failure> {
        let path = self.folder.join(name);
        let known = self.manifest.files.iter().find(|file| file.name == name).ok_or_else(|| {
            damaged("The backup does not hold what is asked for.", format!("It has no file {name}."))
        })?;
        let segment = segment.cloned().unwrap_or_else(|| Segment {
            at: 0,
            bytes: known.bytes,
            sha256: known.sha256.clone(),
        });
        let mut file = File::open(&path).map_err(|error| {
            damaged("A file of the backup is not there.", format!("{}: {error}.", path.display()))
        })?;
        file.seek(SeekFrom::Start(segment.at)).map_err(|error| file_failure("read", &path, &error))?;
        let (pieces, inbox) = mpsc::channel(AHEAD);
        let key = key.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(failure) = hand_on(file, &segment, &key, &pieces) {
                let _ = pieces.blocking_send(Err(failure));
            }
        });
        Ok(Chunks { inbox })
    }

    /// All clear bytes of a small file.
    ///
    /// # Errors
    /// As [`Stored::read`].
    pub async fn read_all(&self, name: &str, key: &BackupKey) -> Result<Vec<u8>, Failure> {
        let mut chunks = self.read(name, None, key)?;
        let mut all = Vec::new();
        while let Some(piece) = chunks.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}

/// Clear bytes as they are read.
pub struct Chunks {
    inbox: mpsc::Receiver<Result<Bytes, Failure>>,
}

impl Chunks {
    /// Bytes that come from elsewhere, and where they are sent.
    pub fn channel() -> (mpsc::Sender<Result<Bytes, Failure>>, Self) {
        let (pieces, inbox) = mpsc::channel(AHEAD);
        (pieces, Self { inbox })
    }

    /// The next piece; `None`: that was all of it, and all of it is what was stored.
    ///
    /// # Errors
    /// [`FailureCode::BackupDamaged`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        self.inbox.recv().await.transpose()
    }
}

/// Reads what is sealed and keeps its checksum.
struct Tallied<R> {
    inner: R,
    sum: Sha256,
}

impl<R: Read> Read for Tallied<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.sum.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

fn hand_on(
    file: File,
    segment: &Segment,
    key: &BackupKey,
    pieces: &mpsc::Sender<Result<Bytes, Failure>>,
) -> Result<(), Failure> {
    let cut = |error: std::io::Error| {
        damaged("A file of the backup is not what was stored.", format!("It cannot be unpacked: {error}."))
    };
    let mut sealed = Tallied { inner: file.take(segment.bytes), sum: Sha256::new() };
    {
        let clear = key.open(&mut sealed)?;
        let mut unpacked = zstd::Decoder::new(clear).map_err(cut)?.single_frame();
        loop {
            let mut piece = vec![0; PIECE];
            let mut filled = 0;
            while filled < PIECE {
                match unpacked.read(piece.get_mut(filled..).unwrap_or_default()).map_err(cut)? {
                    0 => break,
                    count => filled += count,
                }
            }
            if filled == 0 {
                break;
            }
            let whole = filled == PIECE;
            piece.truncate(filled);
            if pieces.blocking_send(Ok(piece.into())).is_err() {
                return Ok(());
            }
            if !whole {
                break;
            }
        }
        // What stands behind the end of the frame is still under the seal.
        let mut rest = unpacked.finish();
        std::io::copy(&mut rest, &mut std::io::sink()).map_err(cut)?;
    }
    std::io::copy(&mut sealed, &mut std::io::sink()).map_err(cut)?;
    if hex(&sealed.sum.finalize()) != segment.sha256 {
        return Err(damaged("A file of the backup is not what was stored.", "Its SHA-256 is another one."));
    }
    Ok(())
}

/// Compares every file with its size and SHA-256. `step` gets the bytes read so far and tells whether to go on.
///
/// # Errors
/// [`FailureCode::BackupDamaged`] with the first file that differs; [`FailureCode::Cancelled`].
pub fn verify_files(stored: &Stored, step: &mut dyn FnMut(u64) -> bool) -> Result<(), Failure> {
    let mut read = 0;
    for known in &stored.manifest.files {
        let path = stored.folder.join(&known.name);
        let mut file = File::open(&path).map_err(|error| {
            damaged("A file of the backup is not there.", format!("{}: {error}.", path.display()))
        })?;
        let size = file.metadata().map(|found| found.len()).unwrap_or(0);
        if size != known.bytes {
            return Err(damaged(
                "A file of the backup is not what was stored.",
                format!("{} has {size} bytes, {} were stored.", known.name, known.bytes),
            ));
        }
        let mut sum = Sha256::new();
        let mut buffer = vec![0; 1024 * 1024];
        loop {
            let count = file.read(&mut buffer).map_err(|error| file_failure("read", &path, &error))?;
            if count == 0 {
                break;
            }
            sum.update(buffer.get(..count).unwrap_or_default());
            read += count as u64;
            if !step(read) {
                return Err(Failure::new(FailureCode::Cancelled, "Cancelled by the operator.")
                    .unchanged("Nothing was changed."));
            }
        }
        if hex(&sum.finalize()) != known.sha256 {
            return Err(damaged(
                "A file of the backup is not what was stored.",
                format!("The SHA-256 of {} is another one.", known.name),
            ));
        }
    }
    Ok(())
}
