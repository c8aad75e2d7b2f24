//! State folders: files that programs keep for callers.
//!
//! The folder of an owner is `programs/SERVER/OWNER` in the data folder. `OWNER` is a hash, because
//! the subject of a principal may contain any characters; `owner.json` has the subject itself.
//!
//! | name in it | content |
//! |---|---|
//! | `state` | files of the program: the placeholder `state` |
//! | `home` | home folder, if instances have one of their own |

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use mcp_gateway_core::upstream::InstanceOwner;

use super::folder::{
    FolderError, OwnerRecord, TempFolder, claim, create_private, hex, lock_exclusively, lock_shared,
};
use super::tree;

/// Folder below which state folders are created.
#[derive(Clone, Debug)]
pub(crate) enum StateRoot {
    /// Data folder of the gateway.
    Kept(PathBuf),
    /// Temporary folder, created when it is needed, for gateways that keep nothing.
    Temporary(Arc<OnceLock<TempFolder>>),
}

impl Default for StateRoot {
    fn default() -> Self {
        Self::Temporary(Arc::default())
    }
}

impl From<Option<PathBuf>> for StateRoot {
    fn from(data: Option<PathBuf>) -> Self {
        data.map_or_else(Self::default, Self::Kept)
    }
}

impl StateRoot {
    /// Returns the folder, creating it if necessary.
    fn path(&self) -> Result<&Path, FolderError> {
        match self {
            Self::Kept(data) => {
                let created = DirBuilder::new().recursive(true).mode(0o700).create(data);
                created.map_err(FolderError::io(data))?;
                Ok(data)
            }
            Self::Temporary(folder) => {
                if let Some(folder) = folder.get() {
                    return Ok(folder.path());
                }
                let created = TempFolder::create(&OwnerRecord {
                    gateway: Some(self.gateway()),
                    server: None,
                    owner: InstanceOwner::AllCallers,
                })?;
                Ok(folder.get_or_init(|| created).path())
            }
        }
    }

    /// Returns the identity of the gateway, to which its temporary folders belong: the path of its
    /// data folder, or its working directory if it keeps nothing.
    pub(super) fn gateway(&self) -> Arc<str> {
        let (kind, path) = match self {
            // A folder that does not exist has no canonical path.
            Self::Kept(data) => match self.path().map(fs::canonicalize) {
                Ok(Ok(path)) => ("data", path),
                _ => ("data", data.clone()),
            },
            Self::Temporary(_) => ("memory", std::env::current_dir().unwrap_or_default()),
        };
        format!("{kind}:{}", path.display()).into()
    }

    /// Opens the state folder of `record`, creating it if necessary.
    ///
    /// # Errors
    ///
    /// [`FolderError`] if it cannot be created, other users can access it, or it belongs to
    /// another owner.
    pub(super) fn open(&self, record: &OwnerRecord) -> Result<OpenState, FolderError> {
        let mut path = self.path()?.to_owned();
        let server = record.server.as_deref().unwrap_or_default();
        for name in [
            PROGRAMS,
            &server_folder(server),
            &owner_folder(&record.owner),
        ] {
            path.push(name);
            create_private(&path)?;
        }
        record.write(&path)?;
        for name in [FILES, HOME] {
            create_private(&path.join(name))?;
        }
        let _lock = lock_shared(&path)?;
        Ok(OpenState { path, _lock })
    }
}

/// State folder that an instance uses.
#[derive(Debug)]
pub(super) struct OpenState {
    path: PathBuf,
    /// Shared lock, which prevents the removal.
    _lock: File,
}

impl OpenState {
    /// Returns the folder with everything that belongs to the owner.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder for the files of the program.
    pub(super) fn files(&self) -> PathBuf {
        self.path.join(FILES)
    }

    /// Returns the home folder.
    pub(super) fn home(&self) -> PathBuf {
        self.path.join(HOME)
    }
}

/// All state folders of a gateway.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::isolation::StateFolders;
///
/// let none = StateFolders::new("/nonexistent".as_ref());
/// assert!(none.list().unwrap().is_empty());
/// ```
#[derive(Debug)]
pub struct StateFolders {
    programs: PathBuf,
}

/// State folder of one owner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StateFolder {
    /// Name of the server.
    pub server: Arc<str>,
    /// Owner; `None` if the owner file is missing or invalid.
    pub owner: Option<InstanceOwner>,
    /// Path.
    pub path: PathBuf,
    /// Disk space in bytes; `None` if it cannot be determined.
    pub bytes: Option<u64>,
}

impl StateFolder {
    /// Describes the folder at `path`, in that of the server with the folder name `server`.
    fn describe(server: &str, path: PathBuf) -> Self {
        let is_here = |record: &OwnerRecord| {
            let name = record.server.as_deref().map(server_folder);
            name.is_some_and(|name| name == server) && path.ends_with(owner_folder(&record.owner))
        };
        let record = OwnerRecord::read(&path).filter(is_here);
        let (known, owner) = record.map(|record| (record.server, record.owner)).unzip();
        Self {
            server: known.flatten().unwrap_or_else(|| server.into()),
            owner,
            bytes: tree::disk_usage(&path).ok(),
            path,
        }
    }
}

impl StateFolders {
    /// Returns the state folders in the data folder `data` of a gateway.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self {
            programs: data.join(PROGRAMS),
        }
    }

    /// Returns the folders, by server and owner.
    ///
    /// # Errors
    ///
    /// [`FolderError::Io`] if they cannot be read.
    pub fn list(&self) -> Result<Vec<StateFolder>, FolderError> {
        let mut found = Vec::new();
        for server in subfolders(&self.programs)? {
            let name = server.file_name().unwrap_or_default().to_string_lossy();
            let folders = subfolders(&server)?.into_iter();
            found.extend(folders.map(|path| StateFolder::describe(&name, path)));
        }
        let key = |folder: &StateFolder| {
            let subject = folder.owner.as_ref().and_then(InstanceOwner::subject);
            let subject = subject.map(str::to_owned);
            (Arc::clone(&folder.server), folder.owner.is_none(), subject)
        };
        found.sort_by_key(key);
        Ok(found)
    }

    /// Removes `folder` with everything in it.
    ///
    /// # Errors
    ///
    /// [`FolderError::InUse`] if an instance uses it, [`FolderError::Io`] if it cannot be removed.
    pub fn remove(&self, folder: &StateFolder) -> Result<(), FolderError> {
        let _lock = lock_exclusively(&folder.path)?;
        tree::remove(&folder.path).map_err(FolderError::io(&folder.path))
    }
}

/// Returns the private folders in `path`; none if it does not exist.
fn subfolders(path: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(FolderError::io(path))?,
    };
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| claim(path)).collect())
}

/// Returns the name of the folder of the server `name`.
fn server_folder(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    // Other names are hashed, behind a character with which no plain one begins.
    match !name.starts_with(['.', '_']) && name.len() <= MAX_NAME && name.chars().all(is_plain) {
        true if !name.is_empty() => name.to_owned(),
        _ => format!("_{}", hashed(name)),
    }
}

/// Returns the name of the folder of `owner`. Subjects may contain any characters.
fn owner_folder(owner: &InstanceOwner) -> String {
    match owner.subject() {
        Some(subject) => hashed(subject),
        None => ALL_CALLERS.to_owned(),
    }
}

/// Returns half of the hash of `text` in hexadecimal.
fn hashed(text: &str) -> String {
    hex(&digest(&SHA256, text.as_bytes()).as_ref()[..16])
}

/// Name of the folder of all servers.
const PROGRAMS: &str = "programs";

/// Name of the folder of the state of all callers.
const ALL_CALLERS: &str = "all-callers";

/// Name of the folder with the files of a program.
const FILES: &str = "state";

/// Name of the home folder.
const HOME: &str = "home";

/// Maximum length of a folder name that is the name of a server.
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn record(server: &str, subject: &str) -> OwnerRecord {
        OwnerRecord {
            gateway: None,
            server: Some(server.into()),
            owner: InstanceOwner::Principal(subject.into()),
        }
    }

    #[test]
    fn a10_each_server_and_owner_has_a_folder() {
        let root = StateRoot::default();
        let names = ["a", "..", "_a", ".", "a/b", "ä"];
        let mut paths: Vec<_> = names
            .iter()
            .flat_map(|server| ["alice", "bob", "../alice"].map(|who| record(server, who)))
            .map(|record| root.open(&record).unwrap().path().to_owned())
            .collect();
        let count = paths.len();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), count);
        let top = root.path().unwrap().join(PROGRAMS);
        assert!(
            paths
                .iter()
                .all(|path| path.parent().unwrap().parent() == Some(&top))
        );
    }

    #[test]
    fn folders_are_kept_until_they_are_removed() {
        let root = StateRoot::default();
        let state = root.open(&record("a", "alice")).unwrap();
        fs::write(state.files().join("note"), "text").unwrap();
        let all = StateFolders::new(root.path().unwrap());
        let folder = all.list().unwrap().pop().unwrap();
        let alice = InstanceOwner::Principal("alice".into());
        assert_eq!((&*folder.server, &folder.owner), ("a", &Some(alice)));
        assert!(folder.bytes > Some(0));
        let in_use = all.remove(&folder).unwrap_err().to_string();
        let expected = format!("is in use by the process {}", std::process::id());
        assert!(in_use.ends_with(&expected), "{in_use}");
        drop(state);
        let state = root.open(&record("a", "alice")).unwrap();
        assert_eq!(fs::read(state.files().join("note")).unwrap(), b"text");
        drop(state);
        all.remove(&folder).unwrap();
        assert!(all.list().unwrap().is_empty());
        assert!(!folder.path.exists());
    }

    #[test]
    fn folders_without_a_valid_owner_file_are_listed_and_removed() {
        let root = StateRoot::default();
        let all = StateFolders::new(root.path().unwrap());
        let other = r#"{ "server": "b", "principal": "alice" }"#;
        for damage in ["", "{", "{}", r#"{ "server": "a" }"#, other] {
            let state = root.open(&record("a", "alice")).unwrap();
            fs::write(state.path().join("owner.json"), damage).unwrap();
            drop(state);
            let folder = all.list().unwrap().pop().unwrap();
            assert_eq!((&*folder.server, &folder.owner), ("a", &None), "{damage}");
            let rejected = root.open(&record("a", "alice")).unwrap_err();
            let is_advised = rejected.to_string().contains("remove the folder");
            assert!(is_advised || damage == other, "{rejected}");
            all.remove(&folder).unwrap();
            assert!(all.list().unwrap().is_empty(), "{damage}");
        }
    }

    #[test]
    fn a9_a_folder_that_its_program_has_closed_is_listed_and_removed() {
        tree::tests::unprivileged(|temp| {
            let root = StateRoot::from(Some(temp.join("data")));
            let state = root.open(&record("a", "alice")).unwrap();
            let path = state.path().to_owned();
            drop(state);
            let closed = fs::Permissions::from_mode(0o000);
            fs::set_permissions(path.join(FILES), closed.clone()).unwrap();
            fs::set_permissions(&path, closed).unwrap();
            let all = StateFolders::new(root.path().unwrap());
            let folder = all.list().unwrap().pop().unwrap();
            assert!(folder.owner.is_some() && folder.bytes.is_some());
            all.remove(&folder).unwrap();
            assert!(!path.exists());
        });
    }
}
