//! Private folders: mode 0700, an owner file, and a lock.
//!
//! | file | content |
//! |---|---|
//! | `owner.json` | `server`, the name of the server, and `principal`, the subject of the owner; null for all callers |
//! | `lock` | locked by each process that uses the folder |
//!
//! The operating system releases the locks of a process that is killed, so that its folders can be
//! told from those in use.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::rand;
use mcp_gateway_core::upstream::InstanceOwner;
use rustix::fs::OFlags;
use serde_json::{Value, json};

/// Error of a folder of a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// A running gateway uses the folder.
    #[error("{} is in use", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The folder cannot be created, read or removed.
    #[error("failed to access {}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Somebody else could read the folder, or it is a symbolic link.
    #[error("{} is not a private folder of this user", path.display())]
    NotPrivate {
        /// The folder.
        path: PathBuf,
    },
    /// The owner file names somebody else.
    #[error("{} belongs to somebody else", path.display())]
    OtherOwner {
        /// The folder.
        path: PathBuf,
    },
    /// The folder has reached its maximum size.
    #[error("{} has {bytes} bytes, more than state.maxSize allows ({max})", path.display())]
    TooLarge {
        /// The folder.
        path: PathBuf,
        /// Its size in bytes.
        bytes: u64,
        /// Maximum size in bytes.
        max: u64,
    },
}

impl FolderError {
    /// Returns a function that completes an I/O error at `path`.
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

/// Content of an owner file: the server and the caller that a folder belongs to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct OwnerRecord {
    /// Name of the server; `None` for the state of all servers.
    pub(super) server: Option<Arc<str>>,
    /// Owner of the instance.
    pub(super) owner: InstanceOwner,
}

impl OwnerRecord {
    /// Reads the owner file of the folder at `path`; `None` if there is no valid one.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path.join(OWNER)).ok()?;
        let record: Value = serde_json::from_str(&text).ok()?;
        let text = |name: &str| record.get(name)?.as_str().map(Arc::from);
        Some(Self {
            server: text("server"),
            owner: match text("principal") {
                Some(subject) => InstanceOwner::Principal(subject),
                None => InstanceOwner::AllCallers,
            },
        })
    }

    /// Writes the owner file of the folder at `path`, or compares it with the existing one.
    pub(super) fn write(&self, path: &Path) -> Result<(), FolderError> {
        let file = path.join(OWNER);
        if file.exists() {
            let is_same = Self::read(path).as_ref() == Some(self);
            let path = path.to_owned();
            return is_same
                .then_some(())
                .ok_or(FolderError::OtherOwner { path });
        }
        let record = json!({ "server": self.server.as_deref(), "principal": self.owner.subject() });
        // Renamed, so that the file is whole whenever it exists.
        let new = path.join(format!("{OWNER}.{}", std::process::id()));
        let written = private_file(&new)
            .and_then(|mut file| writeln!(file, "{record}"))
            .and_then(|()| fs::rename(&new, &file));
        written.map_err(FolderError::io(&file))
    }
}

/// Creates the folder at `path` if it is missing.
///
/// # Errors
///
/// [`FolderError::NotPrivate`] if it is a symbolic link, or other users can access it.
pub(super) fn create_private(path: &Path) -> Result<(), FolderError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        created => created.map_err(FolderError::io(path))?,
    }
    match is_private(path) {
        true => Ok(()),
        false => Err(FolderError::NotPrivate {
            path: path.to_owned(),
        }),
    }
}

/// Returns `true` if `path` is a folder, and not a link to one, of this user that nobody else can access.
pub(super) fn is_private(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| {
        let uid = rustix::process::geteuid().as_raw();
        found.is_dir() && found.uid() == uid && found.mode() & 0o077 == 0
    })
}

/// Opens the lock file of the folder at `path`.
pub(super) fn lock_file(path: &Path) -> Result<File, FolderError> {
    let path = path.join(LOCK);
    private_file(&path).map_err(FolderError::io(&path))
}

/// Locks the folder at `path` for its removal.
///
/// # Errors
///
/// [`FolderError::InUse`] if a process uses it.
pub(super) fn lock_exclusively(path: &Path) -> Result<File, FolderError> {
    let lock = lock_file(path)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(FolderError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(FolderError::io(path)(error)),
    }
}

/// Opens a file for writing that only this user can access. A symbolic link is an error: a program
/// may have created it in place of the file.
fn private_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    options.custom_flags(flags.bits().cast_signed()).open(path)
}

/// Returns the disk space of the folder at `path` in bytes. Symbolic links are not followed, and
/// entries that vanish meanwhile do not count.
pub(super) fn disk_usage(path: &Path) -> u64 {
    let mut folders = vec![path.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else {
                continue;
            };
            bytes += found.blocks() * BLOCK;
            if found.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    bytes
}

/// Temporary folder, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct TempFolder {
    path: PathBuf,
    /// Lock, which says that a process uses the folder.
    _lock: File,
}

impl TempFolder {
    /// Creates a folder for temporary files, whose path is short because sockets are in it.
    pub(super) fn create(record: &OwnerRecord) -> Result<Self, FolderError> {
        let parent = std::env::temp_dir();
        let mut random = [0; 6];
        rand::fill(&mut random)
            .map_err(|_| FolderError::io(&parent)(io::Error::other("no random numbers")))?;
        let path = parent.join(format!("{PREFIX}{}", hex(&random)));
        let created = DirBuilder::new().mode(0o700).create(&path);
        created.map_err(FolderError::io(&path))?;
        let folder = Self {
            _lock: lock_exclusively(&path)?,
            path,
        };
        record.write(&folder.path)?;
        Ok(folder)
    }

    /// Takes over the folders of ended processes that `is_wanted`.
    ///
    /// Folders of other users, folders in use, and those without an owner file are skipped.
    pub(super) fn orphans(is_wanted: impl Fn(&OwnerRecord) -> bool) -> Vec<(Self, OwnerRecord)> {
        let entries = fs::read_dir(std::env::temp_dir());
        let paths = entries.into_iter().flatten().flatten();
        let paths = paths.filter(|entry| {
            let name = entry.file_name();
            name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
        });
        let orphan = |path: PathBuf| {
            let record = is_private(&path).then(|| OwnerRecord::read(&path))??;
            let _lock = is_wanted(&record).then(|| lock_exclusively(&path).ok())??;
            Some((Self { path, _lock }, record))
        };
        paths.filter_map(|entry| orphan(entry.path())).collect()
    }

    /// Leaves the folder as a killed process does.
    #[cfg(test)]
    pub(super) fn abandon(self) {
        // Unlocked as by the end of the process; the drop that would remove the folder is omitted.
        drop(self._lock.unlock());
        std::mem::forget(self);
    }

    /// Returns the path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            let path = self.path.display();
            tracing::warn!(%path, %error, "failed to remove temporary folder");
        }
    }
}

/// Formats `bytes` in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Prefix of temporary folders.
const PREFIX: &str = "mcpg-";

/// Name of the owner file.
const OWNER: &str = "owner.json";

/// Name of the lock file.
const LOCK: &str = "lock";

/// Unit of the block count of a file in bytes.
const BLOCK: u64 = 512;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn record(subject: &str) -> OwnerRecord {
        OwnerRecord {
            server: Some("a".into()),
            owner: InstanceOwner::Principal(subject.into()),
        }
    }

    #[test]
    fn a8_folders_of_others_and_links_are_rejected() {
        let temp = TempFolder::create(&record("alice")).unwrap();
        let (open, link) = (temp.path().join("open"), temp.path().join("link"));
        create_private(&open).unwrap();
        symlink(&open, &link).unwrap();
        let rejected = create_private(&link).unwrap_err();
        assert!(matches!(rejected, FolderError::NotPrivate { .. }));
        fs::set_permissions(&open, fs::Permissions::from_mode(0o750)).unwrap();
        let rejected = create_private(&open).unwrap_err();
        assert!(matches!(rejected, FolderError::NotPrivate { .. }));
    }

    #[test]
    fn a8_files_behind_links_are_left_alone() {
        let temp = TempFolder::create(&record("alice")).unwrap();
        let (victim, folder) = (temp.path().join("victim"), temp.path().join("folder"));
        create_private(&folder).unwrap();
        fs::write(&victim, "text").unwrap();
        let owner = format!("{OWNER}.{}", std::process::id());
        for name in [LOCK, owner.as_str()] {
            symlink(&victim, folder.join(name)).unwrap();
        }
        assert!(lock_file(&folder).is_err());
        assert!(record("alice").write(&folder).is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "text");
    }

    #[test]
    fn a_folder_has_one_owner() {
        let temp = TempFolder::create(&record("alice")).unwrap();
        assert!(record("alice").write(temp.path()).is_ok());
        assert_eq!(OwnerRecord::read(temp.path()), Some(record("alice")));
        let other = record("bob").write(temp.path()).unwrap_err();
        assert!(matches!(other, FolderError::OtherOwner { .. }));
    }

    #[test]
    fn temporary_folders_are_locked_and_removed() {
        let mine = |record: &OwnerRecord| record.owner.subject() == Some("temporary");
        let temp = TempFolder::create(&record("temporary")).unwrap();
        assert_eq!(TempFolder::orphans(mine).len(), 0, "it is locked");
        let path = temp.path().to_owned();
        fs::write(path.join("file"), "text").unwrap();
        assert!(disk_usage(&path) > 0);
        drop(temp);
        assert!(!path.exists());

        let temp = TempFolder::create(&record("temporary")).unwrap();
        let path = temp.path().to_owned();
        temp.abandon();
        let orphans = TempFolder::orphans(mine);
        assert_eq!(orphans[0].1, record("temporary"));
        assert_eq!(orphans[0].0.path(), path);
    }
}
