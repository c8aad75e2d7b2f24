//! State store: a database, and the key that encrypts its content.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::rand;
use mcp_gateway_core::BoxError;
use mcp_gateway_store::{MemoryStore, Store};
use mcp_gateway_store::{PostgresOptions, PostgresStore, SqliteStore};
use secrecy::zeroize::Zeroizing;

use crate::spec::{SessionKey, Storage};

/// Store, and the key that encrypts its content. The key is not in the store.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{SessionKey, Storage};
/// use mcp_gateway_platform::state::StateStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let key = SessionKey::new([7; 32]);
/// let state = StateStore::open(&Storage::Memory, Some(&key)).await.unwrap();
/// assert_eq!(state.key.bytes(), &[7; 32]);
/// assert!(state.location.starts_with("memory"));
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct StateStore {
    /// Store.
    pub store: Arc<dyn Store>,
    /// Key that encrypts the content.
    pub key: SessionKey,
    /// Description of the location for operators.
    pub location: String,
    /// Folder for files of this process beside the store; `None` if nothing may be kept.
    pub folder: Option<PathBuf>,
}

/// Error of opening the state store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The folder of the database cannot be created.
    #[error("failed to create {}", folder.display())]
    Create {
        /// The folder.
        folder: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The database cannot be opened.
    #[error("failed to open the database")]
    Database(#[source] BoxError),
    /// The data directory cannot be determined.
    #[error("no data directory: set MCP_GATEWAY_DATA, or `store` in the configuration")]
    Folder,
    /// The key file of the database is invalid or unreadable.
    #[error("invalid or unreadable key in {}", path.display())]
    Key {
        /// The file of the key.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// PostgreSQL requires a configured key, which all replicas share.
    #[error("store.postgres requires a sessionKey")]
    KeyMissing,
    /// The file of the database cannot be opened.
    #[error("failed to open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: BoxError,
    },
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    Random,
}

impl fmt::Debug for StateStore {
    /// Omits the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateStore")
            .field("store", &self.store)
            .field("place", &self.location)
            .finish_non_exhaustive()
    }
}

impl StateStore {
    /// Returns the folder for files beside `storage`; `None` if nothing may be kept.
    #[must_use]
    pub fn folder_of(storage: &Storage) -> Option<PathBuf> {
        let folder = match storage {
            Storage::Default | Storage::Postgres(_) => data_folder().ok(),
            Storage::Memory => None,
            Storage::Sqlite(path) => path.parent().map(Path::to_owned),
        };
        std::path::absolute(folder?).ok()
    }

    /// Opens `storage`, with the configured `key` if present.
    ///
    /// Without a configured key, SQLite has one in a file next to the database, which is generated
    /// if missing, and memory has a random one.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the database cannot be opened, or the key is missing or invalid.
    pub async fn open(storage: &Storage, key: Option<&SessionKey>) -> Result<Self, StateError> {
        let given = key.cloned();
        match storage {
            Storage::Default => Self::sqlite(&data_folder()?.join(DATABASE), given).await,
            Storage::Memory => Ok(Self {
                store: Arc::new(MemoryStore::new()),
                key: given.map_or_else(random_key, Ok)?,
                location: "memory, for this run only".to_owned(),
                folder: None,
            }),
            Storage::Postgres(url) => {
                let store = PostgresStore::connect(url.expose(), PostgresOptions::new()).await;
                Ok(Self {
                    store: Arc::new(store.map_err(|error| StateError::Database(error.into()))?),
                    key: given.ok_or(StateError::KeyMissing)?,
                    location: "PostgreSQL".to_owned(),
                    folder: data_folder().ok(),
                })
            }
            Storage::Sqlite(path) => Self::sqlite(path, given).await,
        }
    }

    /// Opens the database at `path`; its key is next to it unless `key` is present.
    async fn sqlite(path: &Path, key: Option<SessionKey>) -> Result<Self, StateError> {
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            let mut builder = fs::DirBuilder::new();
            let created = builder.recursive(true).mode(0o700).create(folder);
            created.map_err(|source| StateError::Create {
                folder: folder.to_owned(),
                source,
            })?;
        }
        let store = SqliteStore::open(path).await;
        let store = store.map_err(|source| StateError::Open {
            path: path.to_owned(),
            source: source.into(),
        })?;
        let key_path = path.with_extension("key");
        Ok(Self {
            store: Arc::new(store),
            key: key.map_or_else(|| kept_key(&key_path), Ok)?,
            location: path.display().to_string(),
            folder: path.parent().map(Path::to_owned),
        })
    }
}

/// Reads the key in the file at `path`, or generates it.
fn kept_key(path: &Path) -> Result<SessionKey, StateError> {
    let key = match read_key(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make_key(path),
        read => read,
    };
    key.map_err(|source| StateError::Key {
        path: path.to_owned(),
        source,
    })
}

/// Reads a key of 32 bytes.
fn read_key(path: &Path) -> io::Result<SessionKey> {
    let bytes = Zeroizing::new(fs::read(path)?);
    let key = <[u8; 32]>::try_from(&**bytes).map(SessionKey::new);
    key.map_err(|_| io::Error::other("expected 32 bytes"))
}

/// Generates a key at `path`, or reads the one that another process has created concurrently.
fn make_key(path: &Path) -> io::Result<SessionKey> {
    let key = random_key().map_err(io::Error::other)?;
    // A hard link makes the complete file appear atomically.
    let new = path.with_extension(format!("key.{}", std::process::id()));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(key.bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read_key(path),
        linked => linked.map(|()| key),
    }
}

/// Generates a random key.
fn random_key() -> Result<SessionKey, StateError> {
    let mut key = Zeroizing::new([0; 32]);
    rand::fill(&mut *key).map_err(|_| StateError::Random)?;
    Ok(SessionKey::new(*key))
}

/// Returns the data directory: `MCP_GATEWAY_DATA`, or a subdirectory of `XDG_DATA_HOME`.
fn data_folder() -> Result<PathBuf, StateError> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folder) = variable(DATA_VARIABLE) {
        return Ok(folder.into());
    }
    let data = variable("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/share")));
    let data = data.ok_or(StateError::Folder)?;
    Ok(data.join("mcp-gateway"))
}

/// Environment variable of the data directory.
const DATA_VARIABLE: &str = "MCP_GATEWAY_DATA";

/// File name of the default database.
const DATABASE: &str = "gateway.db";
