//! Journal: records that are not in the store yet.
//!
//! A record is in the journal before its call has ended. With a folder, the journal is a sequence of
//! files that outlive the process, so that `kill -9` loses no record. Each file becomes one segment.
//! The folder may be shared: a process locks the files of its chain, and takes over those of chains
//! whose process has ended. Chains begin with the mark of their store, so that no record is moved to
//! the store of another gateway.

mod folder;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::folder::{JournalFolder, LockedFolder};
use crate::error::AuditError;

/// Journal of one chain.
#[derive(Debug)]
pub(crate) struct Journal {
    chain: Arc<str>,
    /// Number of the segment that is being written.
    number: u64,
    /// The segment that is being written.
    open: Piece,
    opened: Instant,
    /// Completed pieces, oldest first.
    complete: VecDeque<(u64, Piece)>,
    /// Size of all pieces in bytes.
    bytes: u64,
    limit: u64,
    folder: Option<LockedFolder>,
}

/// The lines of one segment.
#[derive(Debug)]
struct Piece {
    bytes: u64,
    content: Content,
}

/// Place of the lines.
#[derive(Debug)]
enum Content {
    /// A file that is being written.
    Open(File, PathBuf),
    /// A file that is complete.
    Closed(PathBuf),
    Memory(String),
}

impl Journal {
    /// Creates the journal of `chain`, of up to `limit` bytes, in `folder` or in memory.
    ///
    /// # Errors
    ///
    /// [`AuditError::Journal`] if the folder cannot be created or written.
    pub(crate) fn create(
        chain: &str,
        folder: Option<&Path>,
        limit: u64,
    ) -> Result<Self, AuditError> {
        let lock = |path| {
            let locked = JournalFolder::create(path)?.lock(chain)?;
            locked.ok_or_else(|| AuditError::Conflict {
                chain: chain.to_owned(),
            })
        };
        let folder = folder.map(lock).transpose()?;
        Ok(Self {
            open: Piece::create(folder.as_ref(), 1)?,
            chain: chain.into(),
            number: 1,
            opened: Instant::now(),
            complete: VecDeque::new(),
            bytes: 0,
            limit,
            folder,
        })
    }

    /// Appends one line, which ends with a line feed.
    ///
    /// # Errors
    ///
    /// [`AuditError::Journal`] if the journal is full or cannot be written.
    pub(crate) fn append(&mut self, line: &str) -> Result<(), AuditError> {
        let bytes = line.len() as u64;
        if self.bytes + bytes > self.limit {
            let full = io::Error::from(io::ErrorKind::QuotaExceeded);
            return Err(AuditError::journal(self.open.path())(full));
        }
        if self.open.bytes > 0 && self.is_due(bytes) {
            self.rotate()?;
        }
        if self.open.bytes == 0 {
            self.opened = Instant::now();
        }
        self.open.append(line)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Returns `true` if a record of `bytes` belongs to the next segment.
    fn is_due(&self, bytes: u64) -> bool {
        self.open.bytes + bytes > MAX_SEGMENT || self.opened.elapsed() > MAX_SPAN
    }

    /// Completes the current segment unless it is empty.
    ///
    /// # Errors
    ///
    /// [`AuditError::Journal`] if the next one cannot be created.
    pub(crate) fn rotate(&mut self) -> Result<(), AuditError> {
        if self.open.bytes == 0 {
            return Ok(());
        }
        let next = Piece::create(self.folder.as_ref(), self.number + 1)?;
        let complete = std::mem::replace(&mut self.open, next);
        self.complete.push_back((self.number, complete.closed()));
        self.number += 1;
        Ok(())
    }

    /// Returns the number and the lines of the oldest completed segment.
    ///
    /// # Errors
    ///
    /// [`AuditError::Journal`] if it cannot be read.
    pub(crate) fn oldest(&self) -> Result<Option<(u64, String)>, AuditError> {
        let Some((number, piece)) = self.complete.front() else {
            return Ok(None);
        };
        Ok(Some((*number, piece.read(self.folder.as_ref())?)))
    }

    /// Removes the oldest completed segment, which is in the store.
    pub(crate) fn remove_oldest(&mut self) {
        if let Some((_, piece)) = self.complete.pop_front() {
            self.bytes = self.bytes.saturating_sub(piece.bytes);
            piece.remove();
        }
    }

    /// Removes the journal if nothing is left of it.
    pub(crate) fn close(mut self) {
        if self.complete.is_empty() && self.open.bytes == 0 {
            self.open.remove();
            if let Some(folder) = self.folder.take() {
                folder.remove();
            }
        }
    }

    /// Takes over the journals in `folder` of chains whose process has ended, and whose identifier
    /// begins with `mark`.
    ///
    /// A journal that cannot be taken over is logged, and stays in the folder.
    ///
    /// # Errors
    ///
    /// [`AuditError::Journal`] if the folder cannot be read.
    pub(crate) fn orphans(folder: &Path, mark: &str) -> Result<Vec<Self>, AuditError> {
        let Some(folder) = JournalFolder::open(folder)? else {
            return Ok(Vec::new());
        };
        let mut orphans = Vec::new();
        let mut chains = folder.chains()?;
        chains.retain(|chain| chain.starts_with(mark));
        for chain in chains {
            let locked = folder.lock_orphan(&chain);
            let orphan =
                |lock: Option<_>| lock.map(|lock| Self::of_orphan(&chain, lock)).transpose();
            match locked.and_then(orphan) {
                Ok(orphan) => orphans.extend(orphan),
                Err(error) => error.log_orphan(),
            }
        }
        Ok(orphans)
    }

    /// Opens the files of `chain`, whose process has ended.
    fn of_orphan(chain: &str, folder: LockedFolder) -> Result<Self, AuditError> {
        let mut complete = Vec::new();
        for (number, path) in folder.files()? {
            let metadata = folder.read_file(&path)?.metadata();
            let piece = Piece {
                bytes: metadata.map_err(AuditError::journal(&path))?.len(),
                content: Content::Closed(path),
            };
            complete.push((number, piece));
        }
        complete.sort_by_key(|(number, _)| *number);
        let number = complete.last().map_or(1, |(number, _)| number + 1);
        Ok(Self {
            chain: chain.into(),
            number,
            open: Piece::in_memory(),
            opened: Instant::now(),
            bytes: complete.iter().map(|(_, piece)| piece.bytes).sum(),
            complete: complete.into(),
            limit: 0,
            folder: Some(folder),
        })
    }

    /// Returns the identifier of the chain.
    pub(crate) fn chain(&self) -> Arc<str> {
        Arc::clone(&self.chain)
    }
}

impl Piece {
    /// Creates an empty segment, in a file if there is a folder.
    fn create(folder: Option<&LockedFolder>, number: u64) -> Result<Self, AuditError> {
        let Some(folder) = folder else {
            return Ok(Self::in_memory());
        };
        let (file, path) = folder.create_file(number)?;
        Ok(Self {
            bytes: 0,
            content: Content::Open(file, path),
        })
    }

    fn in_memory() -> Self {
        Self {
            bytes: 0,
            content: Content::Memory(String::new()),
        }
    }

    /// Appends in one write, so that no part of a line remains without the rest.
    fn append(&mut self, line: &str) -> Result<(), AuditError> {
        match &mut self.content {
            Content::Memory(lines) => lines.push_str(line),
            Content::Open(file, path) => {
                if let Err(source) = file.write_all(line.as_bytes()) {
                    // A part may have been written.
                    let _ = file.set_len(self.bytes);
                    return Err(AuditError::journal(&*path)(source));
                }
            }
            Content::Closed(path) => {
                let closed = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
                return Err(AuditError::journal(&*path)(closed));
            }
        }
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Returns the lines; the end of a record that was not completely written is omitted.
    fn read(&self, folder: Option<&LockedFolder>) -> Result<String, AuditError> {
        let mut lines = match (&self.content, folder) {
            (Content::Memory(lines), _) => lines.clone(),
            (Content::Open(_, path) | Content::Closed(path), Some(folder)) => {
                let mut bytes = Vec::new();
                let read = folder.read_file(path)?.read_to_end(&mut bytes);
                read.map_err(AuditError::journal(path))?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            // Without a folder, there are no files.
            (Content::Open(..) | Content::Closed(_), None) => String::new(),
        };
        lines.truncate(lines.rfind('\n').map_or(0, |end| end + 1));
        Ok(lines)
    }

    /// Closes the file.
    fn closed(self) -> Self {
        Self {
            content: match self.content {
                Content::Open(_, path) => Content::Closed(path),
                other => other,
            },
            ..self
        }
    }

    fn path(&self) -> PathBuf {
        match &self.content {
            Content::Memory(_) => PathBuf::from("memory"),
            Content::Open(_, path) | Content::Closed(path) => path.clone(),
        }
    }

    fn remove(self) {
        if let Content::Open(_, path) | Content::Closed(path) = self.content
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), %error, "audit journal not removed");
        }
    }
}

/// Maximum size of a segment in bytes, unless a single record is larger.
const MAX_SEGMENT: u64 = 1024 * 1024;

/// Maximum time between the first and the last record of a segment.
pub(crate) const MAX_SPAN: Duration = Duration::from_secs(60);
