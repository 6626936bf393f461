//! Writing a backup: files in a folder of another name, synced and renamed when the manifest stands.

use super::{BackupKey, MANIFEST, file_failure, hex, names, sha256, sync_folder};
use crate::domain::backup::{Manifest, Segment, StoredFile};
use crate::domain::{Failure, FailureCode};
use age::stream::StreamWriter;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot};

/// zstd's level for what comes as fast as the server sends it: packing must not be what is waited for.
const FAST: i32 = 1;
/// zstd's level for archives, whose program is slower than that; gzip was the bottleneck of every dump that used it.
const CLOSE: i32 = 3;
/// Pieces on their way to the disk.
const WAITING: usize = 32;

/// A backup that is being written. Dropped before [`Draft::finish`], it removes what it wrote.
pub struct Draft {
    partial: PathBuf,
    folder: PathBuf,
    finished: bool,
}

impl Draft {
    /// Makes the folder; `stem` is its name without ending, the backup's short id its last part.
    ///
    /// # Errors
    /// [`FailureCode::FileSystem`].
    pub fn create(root: &Path, stem: &str) -> Result<Self, Failure> {
        let (partial, folder) = names(root, stem);
        private_folder(root).map_err(|error| file_failure("written", root, &error))?;
        if folder.exists() || partial.exists() {
            return Err(Failure::new(FailureCode::FileSystem, "The backup's folder is there already.")
                .why(folder.display().to_string())
                .unchanged("Nothing was written."));
        }
        private_folder(&partial).map_err(|error| file_failure("written", &partial, &error))?;
        Ok(Self { partial, folder, finished: false })
    }

    /// Where its files are written.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Writes the manifest, syncs everything and gives the folder its name. Returns it, and the SHA-256 of the
    /// manifest.
    ///
    /// # Errors
    /// [`FailureCode::FileSystem`], [`FailureCode::DiskFull`].
    pub fn finish(mut self, manifest: &Manifest, key: &BackupKey) -> Result<(PathBuf, String), Failure> {
        let text = serde_json::to_string(manifest).map_err(|error| {
            Failure::new(FailureCode::FileSystem, "The manifest could not be written.").why(error.to_string())
        })?;
        let digest = sha256(text.as_bytes());
        let document = format!(
            "{{\"manifest\":{text},\n\"sha256\":\"{digest}\",\"seal\":\"{}\"}}\n",
            key.seal(text.as_bytes())
        );
        let path = self.partial.join(MANIFEST);
        let write = || -> std::io::Result<()> {
            let mut file = private_file(&path)?;
            file.write_all(document.as_bytes())?;
            file.sync_all()?;
            sync_folder(&self.partial);
            std::fs::rename(&self.partial, &self.folder)?;
            if let Some(root) = self.folder.parent() {
                sync_folder(root);
            }
            Ok(())
        };
        write().map_err(|error| file_failure("written", &path, &error))?;
        self.finished = true;
        Ok((self.folder.clone(), digest))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = std::fs::remove_dir_all(&self.partial)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "an unfinished backup could not be removed");
        }
    }
}

/// Writes one file on a thread of its own: compressed, encrypted, checksummed.
pub struct Writer {
    orders: mpsc::Sender<Order>,
    thread: Option<tokio::task::JoinHandle<Result<(), Failure>>>,
    /// Bytes as they came, before compression.
    taken: u64,
}

enum Order {
    Begin,
    Bytes(Bytes),
    End(oneshot::Sender<Segment>),
    Finish(oneshot::Sender<StoredFile>),
}

impl Writer {
    /// Begins a file in a draft's folder.
    ///
    /// # Errors
    /// [`FailureCode::FileSystem`].
    pub fn create(folder: &Path, name: &str, key: &BackupKey) -> Result<Self, Failure> {
        let path = folder.join(name);
        let file = private_file(&path).map_err(|error| file_failure("written", &path, &error))?;
        let (orders, inbox) = mpsc::channel(WAITING);
        let (name, key) = (name.to_owned(), key.clone());
        let thread = tokio::task::spawn_blocking(move || work(&path, &name, file, &key, inbox));
        Ok(Self { orders, thread: Some(thread), taken: 0 })
    }

    /// Begins a segment.
    ///
    /// # Errors
    /// Why the file could not be written.
    pub async fn begin(&mut self) -> Result<(), Failure> {
        self.order(Order::Begin).await
    }

    /// Adds bytes to the segment.
    ///
    /// # Errors
    /// Why the file could not be written.
    pub async fn send(&mut self, bytes: Bytes) -> Result<(), Failure> {
        self.taken += bytes.len() as u64;
        self.order(Order::Bytes(bytes)).await
    }

    /// Ends the segment.
    ///
    /// # Errors
    /// Why the file could not be written.
    pub async fn end(&mut self) -> Result<Segment, Failure> {
        let (answer, wait) = oneshot::channel();
        self.order(Order::End(answer)).await?;
        match wait.await {
            Ok(segment) => Ok(segment),
            Err(_) => Err(self.problem().await),
        }
    }

    /// Syncs the file.
    ///
    /// # Errors
    /// Why the file could not be written.
    pub async fn finish(mut self) -> Result<StoredFile, Failure> {
        let (answer, wait) = oneshot::channel();
        self.order(Order::Finish(answer)).await?;
        match wait.await {
            Ok(file) => Ok(file),
            Err(_) => Err(self.problem().await),
        }
    }

    /// Bytes that were handed in so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    async fn order(&mut self, order: Order) -> Result<(), Failure> {
        match self.orders.send(order).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.problem().await),
        }
    }

    async fn problem(&mut self) -> Failure {
        let unknown = || Failure::new(FailureCode::FileSystem, "The backup's file could not be written.");
        match self.thread.take() {
            Some(thread) => match thread.await {
                Ok(Err(failure)) => failure,
                Ok(Ok(())) | Err(_) => unknown(),
            },
            None => unknown(),
        }
    }
}

/// What lies on the disk so far, with its checksums.
struct Tally {
    file: std::io::BufWriter<File>,
    whole: Sha256,
    part: Sha256,
    at: u64,
}

impl Write for Tally {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(bytes)?;
        let written = bytes.get(..count).unwrap_or_default();
        self.whole.update(written);
        self.part.update(written);
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

type Sealing = zstd::Encoder<'static, StreamWriter<Tally>>;

fn work(
    path: &Path,
    name: &str,
    file: File,
    key: &BackupKey,
    mut inbox: mpsc::Receiver<Order>,
) -> Result<(), Failure> {
    let broken = |error: std::io::Error| file_failure("written", path, &error);
    let mut idle = Some(Tally {
        file: std::io::BufWriter::with_capacity(256 * 1024, file),
        whole: Sha256::new(),
        part: Sha256::new(),
        at: 0,
    });
    let mut open: Option<(u64, Sealing)> = None;
    while let Some(order) = inbox.blocking_recv() {
        match order {
            Order::Begin => {
                if let Some(mut tally) = idle.take() {
                    tally.part = Sha256::new();
                    let at = tally.at;
                    let sealed = key.encryptor()?.wrap_output(tally).map_err(broken)?;
                    let level = if name == super::ROWS { FAST } else { CLOSE };
                    let mut packed = zstd::Encoder::new(sealed, level).map_err(broken)?;
                    packed.include_checksum(true).map_err(broken)?;
                    open = Some((at, packed));
                }
            }
            Order::Bytes(bytes) => {
                if let Some((_, packed)) = &mut open {
                    packed.write_all(&bytes).map_err(broken)?;
                }
            }
            Order::End(answer) => {
                if let Some((at, packed)) = open.take() {
                    let tally = packed.finish().and_then(StreamWriter::finish).map_err(broken)?;
                    let sha256 = hex(&tally.part.clone().finalize());
                    let _ = answer.send(Segment { at, bytes: tally.at - at, sha256 });
                    idle = Some(tally);
                }
            }
            Order::Finish(answer) => {
                if let Some(mut tally) = idle.take() {
                    tally.flush().map_err(broken)?;
                    tally.file.get_ref().sync_all().map_err(broken)?;
                    let sha256 = hex(&tally.whole.finalize());
                    let _ = answer.send(StoredFile { name: name.to_owned(), bytes: tally.at, sha256 });
                }
                return Ok(());
            }
        }
    }
    Ok(())
}

fn private_folder(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
