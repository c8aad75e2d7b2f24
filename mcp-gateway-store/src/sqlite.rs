//! A store in an SQLite file, for a single process.

mod schema;
mod writer;

use std::fs::OpenOptions;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{fmt, iter};

use crate::{
    Batch, CommitOutcome, Document, ListedDocument, Store, StoreError, WatchStream, WatcherRegistry,
};
use async_trait::async_trait;
use sqlx::ConnectOptions;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use self::writer::{WriteRequest, Writer, WriterRequest};
use crate::convert::{self, Row, store_error, to_nanos};

/// A store in an SQLite file. Cheap to clone.
///
/// Acknowledged writes survive a crash of the process and a power failure. One connection writes.
/// Pending batches are written together, so that concurrent writers share the cost of an `fsync`.
/// Other connections read.
///
/// The file is meant for one process. A second one (a command line next to a running server) is
/// safe: nothing is lost or written twice. Watchers receive
/// [`WatchEvent::Reset`](crate::WatchEvent::Reset) within a second after its writes.
///
/// [`close`](Store::close) leaves one file, unless another process has it open.
///
/// Expiration uses the clock of the process.
///
/// # Example
///
/// ```
/// use mcp_gateway_store::{Batch, CommitOutcome, SqliteStore, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// let store = SqliteStore::open(folder.path().join("gateway.db")).await?;
/// assert_eq!(store.commit(Batch::new().put("a/1", "{}")).await?, CommitOutcome::Committed);
/// assert_eq!(store.list("a/", None, 10).await?.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore(Arc<Shared>);

/// The code of an `async fn` is compiled in each crate that awaits it, together with all that it
/// awaits itself. A boxed future is compiled once.
type Opening<'a> = Pin<Box<dyn Future<Output = Result<SqliteStore, StoreError>> + Send + 'a>>;

/// The state that all clones share.
struct Shared {
    path: PathBuf,
    readers: SqlitePool,
    requests: mpsc::Sender<WriterRequest>,
    watchers: Arc<WatcherRegistry>,
    /// Writer task. It is aborted when the store is dropped.
    _writer: JoinSet<()>,
}

impl SqliteStore {
    /// Opens the file at `path` and migrates its schema. A new file is readable by its owner only.
    ///
    /// The file must be on a local disk. SQLite maintains two more files next to it while it is
    /// open (`-wal` and `-shm`), which may contain acknowledged writes.
    ///
    /// # Errors
    ///
    /// If the file cannot be created, is not a database, or has a newer schema.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_boxed(path.as_ref()).await
    }

    /// Opens the file at `path`, without code in the crate of the caller.
    #[inline(never)]
    fn open_boxed(path: &Path) -> Opening<'_> {
        Box::pin(async move {
            let named =
                |error: &dyn fmt::Display| StoreError::new(format!("{}: {error}", path.display()));
            create(path).map_err(|error| named(&error))?;
            let watchers = Arc::new(WatcherRegistry::new());
            let options = options(path);
            let (writer, requests) = Writer::open(&options, Arc::clone(&watchers))
                .await
                .map_err(|error| named(&error))?;
            let readers = SqlitePoolOptions::new()
                .max_connections(MAX_READERS)
                .acquire_timeout(PATIENCE)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_lazy_with(options.read_only(true));
            Ok(Self(Arc::new(Shared {
                path: path.into(),
                readers,
                requests,
                watchers,
                _writer: iter::once(writer.run()).collect(),
            })))
        })
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.0.path)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, key: &str) -> Result<Option<Document>, StoreError> {
        let found: Option<(Vec<u8>, i64, Option<i64>)> = sqlx::query_as(
            "SELECT value, version, expires FROM documents
            WHERE key = ?1 AND (expires IS NULL OR expires > ?2)",
        )
        .bind(key.as_bytes())
        .bind(to_nanos(SystemTime::now()))
        .fetch_optional(&self.0.readers)
        .await
        .map_err(store_error)?;
        Ok(found.map(|(value, version, expires)| convert::document(value, version, expires)))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ListedDocument>, StoreError> {
        let (start, end) = convert::key_range(prefix, after);
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT key, value, version, expires FROM documents
            WHERE key >= ?1 AND key < ?2 AND (expires IS NULL OR expires > ?3)
            ORDER BY key LIMIT ?4",
        )
        .bind(start)
        .bind(end)
        .bind(to_nanos(SystemTime::now()))
        .bind(convert::limit(limit))
        .fetch_all(&self.0.readers)
        .await
        .map_err(store_error)?;
        rows.into_iter().map(convert::entry).collect()
    }

    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, StoreError> {
        convert::validate(&batch)?;
        let (reply, outcome) = oneshot::channel();
        let request = WriteRequest { batch, reply };
        let sent = self.0.requests.send(WriterRequest::Write(request)).await;
        sent.map_err(|_| StoreError::new(WRITER_ENDED))?;
        outcome.await.map_err(|_| StoreError::new(WRITER_ENDED))?
    }

    fn watch(&self, prefix: &str) -> WatchStream {
        self.0.watchers.watch(prefix)
    }

    async fn close(&self) {
        // The last connection writes the log back into the database, and the reading ones cannot.
        self.0.readers.close().await;
        let (reply, closed) = oneshot::channel();
        if self
            .0
            .requests
            .send(WriterRequest::Close(reply))
            .await
            .is_ok()
        {
            // The writer has ended if it does not reply.
            let _ = closed.await;
        }
    }
}

/// Returns the options of connections: write-ahead log and full durability.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // Otherwise a synchronized write may still be in the cache of the disk (macOS).
        .pragma("fullfsync", "ON")
        .busy_timeout(PATIENCE)
        .disable_statement_logging()
}

/// Creates the file with restricted permissions. SQLite would make it readable for everybody.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Timeout of the wait for another writing process, and for a reading connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Maximum number of reading connections.
const MAX_READERS: u32 = 4;

/// Error after the end of the writer task.
const WRITER_ENDED: &str = "writer task has ended";
