//! Private folders: mode 0700, an owner file, and a lock.
//!
//! | file | content |
//! |---|---|
//! | `owner.json` | `server`, the name of the server, and `principal`, the subject of the owner; null for all callers. In a temporary folder also `gateway`, the identity of the gateway |
//! | `lock` | locked by each process that uses the folder; the ID of the last one |
//!
//! The operating system releases the locks of a process that is killed, so that its folders can be
//! told from those in use.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::rand;
use mcp_gateway_core::upstream::InstanceOwner;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};

use super::tree;

/// Error of a folder of a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The owner file is missing or invalid.
    #[error("{} has no valid owner file; remove the folder to start anew", path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
    },
    /// A running gateway uses the folder.
    #[error(
        "{} is in use by {}", path.display(),
        process.map_or_else(|| "another process".to_owned(), |id| format!("the process {id}"))
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// ID of the process, if it can be determined.
        process: Option<u32>,
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
    /// The size of the folder cannot be determined, which counts as too large.
    #[error("the size of {}, which state.maxSize limits, cannot be determined", path.display())]
    Unmeasured {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
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
    /// Identity of the gateway; `None` for state folders, which are in the folder of their gateway.
    pub(super) gateway: Option<Arc<str>>,
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
        let text = |name: &str| match record.get(name)? {
            Value::Null => Some(None),
            value => Some(Some(Arc::from(value.as_str()?))),
        };
        Some(Self {
            gateway: text("gateway").flatten(),
            server: text("server")?,
            owner: match text("principal")? {
                Some(subject) => InstanceOwner::Principal(subject),
                None => InstanceOwner::AllCallers,
            },
        })
    }

    /// Writes the owner file of the folder at `path`, or compares it with the existing one.
    pub(super) fn write(&self, path: &Path) -> Result<(), FolderError> {
        let file = path.join(OWNER);
        if file.exists() {
            let path = path.to_owned();
            return match Self::read(&path) {
                Some(record) if record == *self => Ok(()),
                Some(_) => Err(FolderError::OtherOwner { path }),
                None => Err(FolderError::Damaged { path }),
            };
        }
        let mut record =
            json!({ "server": self.server.as_deref(), "principal": self.owner.subject() });
        if let Some(gateway) = &self.gateway {
            record["gateway"] = json!(&**gateway);
        }
        // Renamed, so that the file is whole whenever it exists.
        let new = path.join(format!("{OWNER}.{}", std::process::id()));
        let write = |mut new: File| new.set_len(0).and_then(|()| writeln!(new, "{record}"));
        let written = private_file(&new).and_then(write);
        let written = written.and_then(|()| fs::rename(&new, &file));
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

/// Restores the access of this user to the folder at `path`. Returns `true` if it
/// [is private](is_private).
pub(super) fn claim(path: &Path) -> bool {
    is_private(path) && tree::restore_access(path).is_ok()
}

/// Locks the folder at `path` against its removal, and names this process in the lock.
pub(super) fn lock_shared(path: &Path) -> Result<File, FolderError> {
    let mut lock = lock_file(path)?;
    let id = std::process::id();
    let locked = lock.lock_shared().and_then(|()| lock.set_len(0));
    let named = locked.and_then(|()| write!(lock, "{id}"));
    named.map_err(FolderError::io(path))?;
    Ok(lock)
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
            process: process_of(lock),
        }),
        Err(TryLockError::Error(error)) => Err(FolderError::io(path)(error)),
    }
}

/// Returns the ID of the running process that `lock` names.
fn process_of(lock: File) -> Option<u32> {
    let mut text = String::new();
    lock.take(MAX_ID).read_to_string(&mut text).ok()?;
    let id = text.parse().ok()?;
    match test_kill_process(Pid::from_raw(id)?) {
        Ok(()) | Err(Errno::PERM) => u32::try_from(id).ok(),
        Err(_) => None,
    }
}

/// Opens the lock file of the folder at `path`.
fn lock_file(path: &Path) -> Result<File, FolderError> {
    let path = path.join(LOCK);
    private_file(&path).map_err(FolderError::io(&path))
}

/// Opens a file that only this user can access. A symbolic link is an error: a program may have
/// created it in place of the file.
fn private_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).mode(0o600);
    let options = options
        .truncate(false)
        .custom_flags(flags.bits().cast_signed());
    options.open(path)
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
            let record = claim(&path).then(|| OwnerRecord::read(&path))??;
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
        if let Err(error) = tree::remove(&self.path)
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

/// Maximum length of the ID of a process in a lock file.
const MAX_ID: u64 = 20;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn record(subject: &str) -> OwnerRecord {
        OwnerRecord {
            gateway: None,
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
        assert!(tree::disk_usage(&path).unwrap() > 0);
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
