//! Folder of the journals, and the lock of a chain in it.
//!
//! A file is used only if it is a regular file of the owner of the journal. Symbolic links are not
//! followed, and nothing waits for the other end of a pipe: what somebody else has put into the
//! folder is named in an error, and stays as it is.

use std::fs::{self, DirBuilder, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::process::geteuid;

use crate::error::AuditError;

/// Folder of journals.
#[derive(Clone, Debug)]
pub(super) struct JournalFolder {
    path: PathBuf,
    /// User to whom its files belong, besides the user of this process.
    owner: u32,
}

/// Folder of journals, with the lock of a chain.
#[derive(Debug)]
pub(super) struct LockedFolder {
    folder: JournalFolder,
    chain: String,
    /// Locked as long as it is open.
    _file: File,
}

impl JournalFolder {
    /// Opens the folder at `path`; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// [`AuditError::Journal`] if it is not a directory, or belongs to another user than that of
    /// this process. The superuser may use the folder of any user.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, AuditError> {
        let metadata = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(AuditError::journal(path))?,
        };
        let (owner, user) = (metadata.uid(), geteuid());
        let checked = match metadata.is_dir() {
            false => Err(unexpected(&metadata, "directory")),
            true if user.is_root() => Ok(()),
            true => check_owner(owner, &[user.as_raw()]),
        };
        checked.map_err(AuditError::journal(path))?;
        Ok(Some(Self {
            path: path.to_owned(),
            owner,
        }))
    }

    /// Opens the folder at `path`, which is created if it does not exist.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), or if it cannot be created.
    pub(super) fn create(path: &Path) -> Result<Self, AuditError> {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(path);
        let absent = || AuditError::journal(path)(io::ErrorKind::NotFound.into());
        match Self::open(path)? {
            Some(folder) => Ok(folder),
            None => Err(created.map_or_else(AuditError::journal(path), |()| absent())),
        }
    }

    /// Locks `chain`, whose lock is created; `None` if another process has locked it.
    ///
    /// # Errors
    ///
    /// [`AuditError::Journal`] if the lock is not a file of the journal.
    pub(super) fn lock(&self, chain: &str) -> Result<Option<LockedFolder>, AuditError> {
        self.lock_with(chain, OFlags::RDWR | OFlags::CREATE)
    }

    /// Returns the chains that have a lock.
    ///
    /// # Errors
    ///
    /// [`AuditError::Journal`] if the folder cannot be read.
    pub(super) fn chains(&self) -> Result<Vec<String>, AuditError> {
        let chain = |name: &str| Some(name.strip_suffix(LOCK)?.to_owned());
        Ok(self
            .names()?
            .iter()
            .filter_map(|name| chain(name))
            .collect())
    }

    /// Locks `chain`, whose process has ended; `None` if it runs, or another one was faster.
    ///
    /// # Errors
    ///
    /// [`AuditError::Journal`] if the lock is not a file of the journal.
    pub(super) fn lock_orphan(&self, chain: &str) -> Result<Option<LockedFolder>, AuditError> {
        self.lock_with(chain, OFlags::RDWR)
    }

    fn lock_with(&self, chain: &str, flags: OFlags) -> Result<Option<LockedFolder>, AuditError> {
        let path = self.path.join(format!("{chain}{LOCK}"));
        let file = match self.open_file(&path, flags) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(AuditError::journal(&path))?,
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(LockedFolder {
                folder: self.clone(),
                chain: chain.to_owned(),
                _file: file,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(AuditError::journal(path)(source)),
        }
    }

    /// Returns the names of all entries that are text.
    fn names(&self) -> Result<Vec<String>, AuditError> {
        let entries = fs::read_dir(&self.path).map_err(AuditError::journal(&self.path))?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
        let names: io::Result<Vec<_>> = names.collect();
        let names = names.map_err(AuditError::journal(&self.path))?;
        Ok(names.into_iter().flatten().collect())
    }

    /// Opens a file of the journal.
    fn open_file(&self, path: &Path, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
        let file = File::from(opened.map_err(|error| {
            // The link itself is the better explanation than the error of the system.
            match fs::symlink_metadata(path) {
                Ok(metadata) if !metadata.is_file() => unexpected(&metadata, "regular file"),
                Ok(_) | Err(_) => error.into(),
            }
        })?);
        let metadata = file.metadata()?;
        match metadata.is_file() {
            true => check_owner(metadata.uid(), &[geteuid().as_raw(), self.owner])?,
            false => return Err(unexpected(&metadata, "regular file")),
        }
        Ok(file)
    }
}

impl LockedFolder {
    /// Creates the file of the segment `number`, to append to it.
    ///
    /// # Errors
    ///
    /// [`AuditError::Journal`] if the file cannot be created, or exists.
    pub(super) fn create_file(&self, number: u64) -> Result<(File, PathBuf), AuditError> {
        let name = format!("{}-{number:010}{LINES}", self.chain);
        let path = self.folder.path.join(name);
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
        let file = self.folder.open_file(&path, flags);
        Ok((file.map_err(AuditError::journal(&path))?, path))
    }

    /// Opens a file of the chain, to read it.
    ///
    /// # Errors
    ///
    /// [`AuditError::Journal`] if it is not a file of the journal.
    pub(super) fn read_file(&self, path: &Path) -> Result<File, AuditError> {
        let file = self.folder.open_file(path, OFlags::RDONLY);
        file.map_err(AuditError::journal(path))
    }

    /// Returns the numbers and paths of the segments of the chain.
    ///
    /// # Errors
    ///
    /// [`AuditError::Journal`] if the folder cannot be read.
    pub(super) fn files(&self) -> Result<Vec<(u64, PathBuf)>, AuditError> {
        let number = |name: &str| {
            let number = name.strip_prefix(&self.chain)?.strip_prefix('-')?;
            number.strip_suffix(LINES)?.parse().ok()
        };
        let names = self.folder.names()?;
        let files = names
            .iter()
            .filter_map(|name| Some((number(name)?, self.folder.path.join(name))));
        Ok(files.collect())
    }

    /// Removes the lock.
    pub(super) fn remove(self) {
        let lock = format!("{}{LOCK}", self.chain);
        let _ = fs::remove_file(self.folder.path.join(lock));
    }
}

/// Returns an error if none of `users` is `owner`.
fn check_owner(owner: u32, users: &[u32]) -> io::Result<()> {
    match users.contains(&owner) {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("it belongs to user {owner}, not to user {}", users[0]),
        )),
    }
}

/// Returns the error for an entry that should be `expected`.
fn unexpected(metadata: &Metadata, expected: &str) -> io::Error {
    let kind = match metadata.file_type() {
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_dir() => "a directory",
        kind if kind.is_file() => "a file",
        _ => "a pipe, socket or device",
    };
    io::Error::other(format!("it is {kind}, not a {expected}"))
}

/// Suffix of a file of records.
const LINES: &str = ".jsonl";

/// Suffix of a lock.
const LOCK: &str = ".lock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_belong_to_the_user_or_the_owner_of_the_folder() {
        assert!(check_owner(7, &[7, 8]).is_ok() && check_owner(8, &[7, 8]).is_ok());
        let error = check_owner(9, &[7, 8]).unwrap_err().to_string();
        assert_eq!(error, "it belongs to user 9, not to user 7");
    }
}
