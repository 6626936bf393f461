//! Files and folders that the operator calls a dump: where they are, how large, and their bytes as they are unpacked.

use crate::adapters::backups::Chunks;
use crate::domain::import::DumpPacking;
use crate::domain::{Failure, FailureCode};
use bytes::Bytes;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;
/// Most files of a folder that are looked at.
const MOST_FILES: usize = 1_000_000;

/// What the operator chose.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its whole path, links followed.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// It is a folder.
    pub is_folder: bool,
    /// Bytes of it, or of the files in it.
    pub bytes: u64,
}

impl Place {
    /// Looks at a path.
    ///
    /// # Errors
    /// [`FailureCode::FileSystem`] where there is nothing that can be read; [`FailureCode::RestoreRefused`] for what
    /// is neither file nor folder.
    pub fn look(path: &str) -> Result<Self, Failure> {
        let chosen = Path::new(path);
        if path.is_empty() || !chosen.is_absolute() {
            return Err(Failure::new(FailureCode::FileSystem, "This is not a whole path.")
                .why(format!("`{path}` does not say where it is."))
                .unchanged("Nothing was stored.")
                .next("Choose the dump with the file dialog, or type its whole path."));
        }
        let path = chosen.canonicalize().map_err(|error| unreadable(chosen, &error))?;
        let found = std::fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
        if !found.is_dir() && !found.is_file() {
            return Err(Failure::new(FailureCode::RestoreRefused, "This is neither a file nor a folder.")
                .why(path.display().to_string())
                .unchanged("Nothing was stored.")
                .next("Choose the file or the folder that pg_dump wrote."));
        }
        let name = chosen
            .file_name()
            .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
        let bytes =
            if found.is_dir() { files(&path)?.iter().map(|(_, bytes)| bytes).sum() } else { found.len() };
        Ok(Self { is_folder: found.is_dir(), path, name, bytes })
    }

    /// The files of a folder, by name. Links are refused: they lead elsewhere.
    ///
    /// # Errors
    /// [`FailureCode::FileSystem`], [`FailureCode::RestoreRefused`].
    pub fn files(&self) -> Result<Vec<String>, Failure> {
        Ok(files(&self.path)?.into_iter().map(|(name, _)| name).collect())
    }

    /// The clear bytes, from the beginning.
    ///
    /// # Errors
    /// [`FailureCode::FileSystem`].
    pub fn open(&self, packing: DumpPacking) -> Result<Box<dyn Read + Send>, Failure> {
        open(&self.path, packing)
    }

    /// The first clear bytes, at most `most`.
    ///
    /// # Errors
    /// [`FailureCode::FileSystem`]; [`FailureCode::BackupDamaged`] where it cannot be unpacked.
    pub fn head(&self, packing: DumpPacking, most: usize) -> Result<Vec<u8>, Failure> {
        let mut head = Vec::new();
        let mut reader = self.open(packing)?.take(most as u64);
        match reader.read_to_end(&mut head) {
            // A cut file is told when it is read, by where it ends; here its beginning is enough.
            Err(_) if !head.is_empty() && packing != DumpPacking::None => Ok(head),
            Err(error) => Err(not_unpacked(&self.path, packing, &error)),
            Ok(_) => Ok(head),
        }
    }

    /// A file inside of the folder.
    pub fn member(&self, name: &str) -> Self {
        Self { path: self.path.join(name), name: name.to_owned(), is_folder: false, bytes: 0 }
    }

    /// All clear bytes as they are read.
    pub fn chunks(&self, packing: DumpPacking) -> Chunks {
        let (pieces, chunks) = Chunks::channel();
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(failure) = hand_on(&path, packing, &pieces) {
                let _ = pieces.blocking_send(Err(failure));
            }
        });
        chunks
    }
}

fn open(path: &Path, packing: DumpPacking) -> Result<Box<dyn Read + Send>, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let file = BufReader::with_capacity(PIECE, file);
    Ok(match packing {
        DumpPacking::None => Box::new(file),
        DumpPacking::Gzip => Box::new(flate2::read::MultiGzDecoder::new(file)),
        DumpPacking::Zstd => {
            Box::new(zstd::Decoder::with_buffer(file).map_err(|error| not_unpacked(path, packing, &error))?)
        }
    })
}

fn hand_on(
    path: &Path,
    packing: DumpPacking,
    pieces: &mpsc::Sender<Result<Bytes, Failure>>,
) -> Result<(), Failure> {
    let mut reader = open(path, packing)?;
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        let read = (&mut reader).take(PIECE as u64).read_to_end(&mut piece);
        read.map_err(|error| not_unpacked(path, packing, &error))?;
        if piece.is_empty() || pieces.blocking_send(Ok(piece.into())).is_err() {
            return Ok(());
        }
    }
}

fn files(folder: &Path) -> Result<Vec<(String, u64)>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?.take(MOST_FILES) {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Not followed: what a link leads to is no part of the folder.
        let found = entry.metadata().map_err(|error| unreadable(&entry.path(), &error))?;
        if found.file_type().is_symlink() {
            return Err(Failure::new(
                FailureCode::RestoreRefused,
                "The folder holds a link that leads elsewhere.",
            )
            .why(format!("{name} is a link; pg_dump writes none."))
            .unchanged("Nothing was stored.")
            .next("Choose a folder that holds the files themselves."));
        }
        if found.is_file() {
            files.push((name, found.len()));
        }
    }
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(FailureCode::FileSystem, "The dump cannot be read.")
        .why(format!("{}: {error}.", path.display()))
        .unchanged("Nothing was stored.")
        .next("Choose a file or folder that is there and that you may read.")
}

fn not_unpacked(path: &Path, packing: DumpPacking, error: &std::io::Error) -> Failure {
    let how = match packing {
        DumpPacking::None => return unreadable(path, error),
        DumpPacking::Gzip => "gzip",
        DumpPacking::Zstd => "zstd",
    };
    Failure::new(FailureCode::BackupDamaged, "The file was cut or changed: it cannot be unpacked to its end.")
        .why(format!("{how}: {error}."))
        .unchanged("Nothing of it was kept.")
        .next("Use another copy of the dump, or make it again.")
}
