//! State store: a database, and the key that encrypts its content.

mod key;

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_gateway_core::BoxError;
use mcp_gateway_store::{MemoryStore, Store, StoreError};
use mcp_gateway_store::{PostgresOptions, PostgresStore, SqliteStore};

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
    /// The content of the store was encrypted with another key.
    #[error(
        "{location} was encrypted with another key than {key}: restore that key from a backup, or \
         move the files of the database away to start anew, without its accounts, tokens and audit \
         log"
    )]
    KeyForeign {
        /// The file of the key, or `sessionKey`.
        key: String,
        /// Description of the store.
        location: String,
    },
    /// The store has content, but its key file is missing.
    #[error(
        "{} is missing, and the database next to it is useless without it: restore the file from a \
         backup, or move the files of the database away to start anew, without its accounts, tokens \
         and audit log",
        path.display()
    )]
    KeyLost {
        /// The missing file.
        path: PathBuf,
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
    /// The content of the database cannot be read.
    #[error("failed to read the database")]
    Read(#[source] BoxError),
}

impl StateError {
    /// Wraps an error of reading the store.
    pub(crate) fn read(error: StoreError) -> Self {
        Self::Read(error.into())
    }
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
    ///
    /// The path is absolute. It is that of [`folder`](Self::folder), without opening the store.
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
    /// for an empty database, and memory has a random one. The first key of a database is the only
    /// one with which it is opened.
    ///
    /// # Errors
    ///
    /// [`StateError`] if the database cannot be opened, or the key is missing, invalid or not that
    /// of the database.
    pub async fn open(storage: &Storage, key: Option<&SessionKey>) -> Result<Self, StateError> {
        let given = key.cloned();
        match storage {
            Storage::Default => Self::sqlite(&data_folder()?.join(DATABASE), given).await,
            Storage::Memory => Ok(Self {
                store: Arc::new(MemoryStore::new()),
                key: given.map_or_else(key::random, Ok)?,
                location: "memory, for this run only".to_owned(),
                folder: None,
            }),
            Storage::Postgres(url) => {
                let store = PostgresStore::connect(url.expose(), PostgresOptions::new()).await;
                let state = Self {
                    store: Arc::new(store.map_err(|error| StateError::Database(error.into()))?),
                    key: given.ok_or(StateError::KeyMissing)?,
                    location: "PostgreSQL".to_owned(),
                    folder: data_folder().ok(),
                };
                state.checked(SESSION_KEY).await
            }
            Storage::Sqlite(path) => Self::sqlite(path, given).await,
        }
    }

    /// Opens `storage` as [`open`](Self::open) does, if it exists; `None` for memory, and for a
    /// database that would be created.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub async fn open_existing(
        storage: &Storage,
        key: Option<&SessionKey>,
    ) -> Result<Option<Self>, StateError> {
        let is_there = match storage {
            Storage::Default => data_folder()?.join(DATABASE).exists(),
            Storage::Memory => false,
            Storage::Postgres(_) => true,
            Storage::Sqlite(path) => path.exists(),
        };
        match is_there {
            true => Self::open(storage, key).await.map(Some),
            false => Ok(None),
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
        let (key, source) = match key {
            Some(key) => (key, SESSION_KEY.to_owned()),
            None => {
                let key = key::of_file(&key_path, &store).await?;
                (key, key_path.display().to_string())
            }
        };
        let state = Self {
            store: Arc::new(store),
            key,
            location: path.display().to_string(),
            folder: path.parent().map(Path::to_owned),
        };
        state.checked(&source).await
    }

    /// Returns the state if its key, which is in `source`, is that of the store.
    async fn checked(self, source: &str) -> Result<Self, StateError> {
        let known = key::belongs_to(&self.key, &self.store).await;
        match known.map_err(|error| StateError::Database(error.into()))? {
            true => Ok(self),
            false => Err(StateError::KeyForeign {
                key: source.to_owned(),
                location: self.location,
            }),
        }
    }
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

/// Key of the configuration that contains the key of the store.
const SESSION_KEY: &str = "`sessionKey`";

/// File name of the default database.
const DATABASE: &str = "gateway.db";
