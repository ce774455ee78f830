//! Finds and opens the files of a replay. Gzip is recognised by content, not by name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use walkdir::WalkDir;

use crate::text::printable;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const READ_BUFFER_BYTES: usize = 64 << 10;
const STANDARD_INPUT: &str = "-";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    StandardInput,
    File {
        path: PathBuf,
        /// In bytes, compressed if the file is; 0 for a pipe.
        size: u64,
    },
}

/// Why a file or folder cannot be read. This stops the run.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Unreadable {
    place: String,
    what: String,
}

impl Source {
    /// Standard input for `-`, and the files named or in folders, which are sorted by name.
    pub fn find(paths: &[PathBuf]) -> Result<Vec<Self>, Unreadable> {
        let mut sources = Vec::new();
        for path in paths {
            if path.as_os_str() == STANDARD_INPUT {
                sources.push(Self::StandardInput);
                continue;
            }
            for entry in WalkDir::new(path).follow_links(true).sort_by_file_name() {
                let entry = entry.map_err(|error| Unreadable::walking(path, &error))?;
                let file_type = entry.file_type();
                // A pipe is read if it was named; one found in a folder might never end.
                if file_type.is_file() || (entry.depth() == 0 && !file_type.is_dir()) {
                    let size = entry.metadata().map_or(0, |metadata| metadata.len());
                    sources.push(Self::File { path: entry.into_path(), size });
                }
            }
        }
        Ok(sources)
    }

    /// Its printable name.
    pub fn name(&self) -> String {
        match self {
            Self::StandardInput => "standard input".to_owned(),
            Self::File { path, .. } => shown(path),
        }
    }

    /// In bytes; 0 if it is not known.
    pub fn size(&self) -> u64 {
        match self {
            Self::StandardInput => 0,
            Self::File { size, .. } => *size,
        }
    }

    /// Opens it for reading, decompressed. `progress` counts the bytes read from the source.
    pub fn open(&self, progress: &Arc<AtomicU64>) -> Result<Box<dyn Read>, Unreadable> {
        let opened = match self {
            Self::StandardInput => unpacked(io::stdin().lock(), progress),
            Self::File { path, .. } => File::open(path).and_then(|file| unpacked(file, progress)),
        };
        opened.map_err(|error| Unreadable::reading(self, None, &error))
    }
}

impl Unreadable {
    /// Reading failed, after `bytes` of the decompressed text.
    pub fn reading(source: &Source, bytes: Option<u64>, error: &io::Error) -> Self {
        let after = match bytes {
            Some(bytes) => format!(" after {bytes} bytes of its text"),
            None => String::new(),
        };
        let what = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the gzip data is cut off".to_owned(),
            _ => printable(&error.to_string()).into_owned(),
        };
        Self { place: source.name(), what: format!("cannot be read{after}: {what}") }
    }

    fn walking(path: &Path, error: &walkdir::Error) -> Self {
        let what = match error.io_error() {
            Some(error) => error.to_string(),
            None => "a link leads back to a folder around it".to_owned(),
        };
        Self { place: shown(error.path().unwrap_or(path)), what: format!("cannot be read: {what}") }
    }
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

fn unpacked<'a>(
    input: impl Read + 'a,
    progress: &Arc<AtomicU64>,
) -> io::Result<Box<dyn Read + 'a>> {
    let counted = Counted { input, progress: Arc::clone(progress) };
    let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, counted);
    if reader.fill_buf()?.starts_with(GZIP_MAGIC) {
        Ok(Box::new(MultiGzDecoder::new(reader)))
    } else {
        Ok(Box::new(reader))
    }
}

struct Counted<R> {
    input: R,
    progress: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.progress.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
