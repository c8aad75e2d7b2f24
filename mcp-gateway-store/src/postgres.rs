//! A store in PostgreSQL, for several replicas.
//!
//! Writes are serialized per key by advisory locks ([`commit`]). Watchers follow a table of
//! changes, and are woken by `NOTIFY` ([`listener`]).

mod commit;
mod listener;
mod options;
mod purge;
mod schema;
mod watched_prefixes;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::{Batch, CommitOutcome, Document, ListedDocument, Store, StoreError, WatchStream};
use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::stream::StreamExt;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgPool, Postgres};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::listener::{ChangeListener, LocalWatchers};
pub use self::options::PostgresOptions;
use crate::convert::{self, Row, store_error};

/// A store in PostgreSQL, version 13 or later. Cheap to clone.
///
/// Any number of processes may share one database. Each sees all writes, and is notified of them
/// within a second. Acknowledged writes are as durable as the setting `synchronous_commit` of the
/// server makes them.
///
/// Expiration uses the clock of the server, so that all replicas agree.
///
/// Connections may use a pooler, including one in transaction mode. Where `LISTEN` does not work,
/// watchers are notified half a second later.
///
/// # Example
///
/// ```no_run
/// use mcp_gateway_store::{Batch, CommitOutcome, PostgresOptions, PostgresStore, Store, StoreError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StoreError> {
/// let url = "postgres://gateway@db.example.com/gateway?sslmode=verify-full";
/// let store = PostgresStore::connect(url, PostgresOptions::new()).await?;
/// let outcome = store.commit(Batch::new().if_absent("a/1").put("a/1", "{}")).await?;
/// assert_eq!(outcome, CommitOutcome::Committed);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

/// The code of an `async fn` is compiled in each crate that awaits it, together with all that it
/// awaits itself. A boxed future is compiled once.
type Connecting<'a> = Pin<Box<dyn Future<Output = Result<PostgresStore, StoreError>> + Send + 'a>>;

/// The state that all clones share.
struct Shared {
    pool: PgPool,
    timeout: Duration,
    listeners: Arc<LocalWatchers>,
    /// Listener and purge. They are aborted when the store is dropped.
    _tasks: JoinSet<()>,
}

impl PostgresStore {
    /// Connects to the database at `url` and migrates its schema.
    ///
    /// `url` is `postgres://user:password@host:port/database` with the parameters of libpq. TLS is
    /// configured by `sslmode` (only `verify-full` protects against an active attacker) and
    /// `sslrootcert`. Missing parts are taken from the environment, as by every PostgreSQL client.
    /// The names of the tables begin with `mcp_gateway_`; they are in the first schema of the
    /// search path.
    ///
    /// # Errors
    ///
    /// If the database is unreachable, rejects the user or the creation of tables, or has a newer
    /// schema. No error contains the URL.
    pub async fn connect(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        Self::connect_boxed(url, options).await
    }

    /// Connects to the database at `url`, without code in the crate of the caller.
    #[inline(never)]
    fn connect_boxed(url: &str, options: PostgresOptions) -> Connecting<'_> {
        Box::pin(async move {
            let connect = options.of_connections(url)?;
            let pool = options.pool().connect_lazy_with(connect.clone());
            with_timeout(options.timeout, async {
                schema::migrate(&mut *pool.acquire().await?).await
            })
            .await?;
            let listeners = Arc::new(LocalWatchers::default());
            let listener =
                ChangeListener::new(options.listener_pool(connect), Arc::clone(&listeners));
            let mut tasks = JoinSet::new();
            tasks.spawn(listener.run());
            tasks.spawn(purge::run(pool.clone()));
            Ok(Self(Arc::new(Shared {
                pool,
                timeout: options.timeout,
                listeners,
                _tasks: tasks,
            })))
        })
    }
}

impl fmt::Debug for PostgresStore {
    /// Shows neither the address nor the credentials of the database.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("connections", &self.0.pool.size())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn get(&self, key: &str) -> Result<Option<Document>, StoreError> {
        let found = |attempt| async move {
            let mut connection = acquire(&self.0.pool, attempt).await?;
            let row: Option<(Vec<u8>, i64, Option<i64>)> = sqlx::query_as(GET)
                .bind(key.as_bytes())
                .fetch_optional(&mut *connection)
                .await?;
            Ok(row)
        };
        let found = with_timeout(self.0.timeout, retry_read(found)).await?;
        Ok(found.map(|(value, version, expires)| convert::document(value, version, expires)))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ListedDocument>, StoreError> {
        let (start, end) = &convert::key_range(prefix, after);
        let rows = |attempt| async move {
            let mut connection = acquire(&self.0.pool, attempt).await?;
            let rows: Vec<Row> = sqlx::query_as(LIST)
                .bind(start)
                .bind(end)
                .bind(convert::limit(limit))
                .fetch_all(&mut *connection)
                .await?;
            Ok(rows)
        };
        let rows = with_timeout(self.0.timeout, retry_read(rows)).await?;
        rows.into_iter().map(convert::entry).collect()
    }

    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, StoreError> {
        convert::validate(&batch)?;
        let outcome = with_timeout(self.0.timeout, commit::commit(&self.0.pool, &batch)).await?;
        if outcome == CommitOutcome::Committed && !batch.writes().is_empty() {
            self.0.listeners.on_commit();
        }
        Ok(outcome)
    }

    fn watch(&self, prefix: &str) -> WatchStream {
        let events = self.0.listeners.watchers.watch(prefix);
        let interest = self.0.listeners.interests.add(prefix);
        let events = async move {
            // Writes before that may not be reported.
            interest.active().await;
            events.map(move |event| {
                let _until_dropped = &interest;
                event
            })
        };
        WatchStream::new(events.flatten_stream())
    }
}

/// Limits the time of `work`.
async fn with_timeout<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(store_error),
        Err(_) => Err(StoreError::new("database timeout")),
    }
}

/// Retries a read that fails with a transient error.
async fn retry_read<T, F>(read: impl Fn(usize) -> F) -> Result<T, sqlx::Error>
where
    F: Future<Output = Result<T, sqlx::Error>>,
{
    for attempt in 1..ATTEMPTS {
        match read(attempt).await {
            Err(error) if is_passing(&error) => {}
            result => return result,
        }
    }
    read(ATTEMPTS).await
}

/// Returns a connection. From the second attempt on, it is tested first; before, the round trip is
/// not worth it.
async fn acquire(pool: &PgPool, attempt: usize) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    // After a restart of the server, all idle connections are broken.
    while attempt > 1 && connection.ping().await.is_err() {
        connection.close_on_drop();
        connection = pool.acquire().await?;
    }
    Ok(connection)
}

/// Returns `true` for transient errors. Nothing has been written then, unless the commit itself
/// failed.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // Connection errors, shutdown of the server, and serialization failures.
            code.starts_with("08") || code.starts_with("57P") || code.starts_with("40")
        }),
        _ => false,
    }
}

/// Reads one unexpired document.
const GET: &str = "
    SELECT value, version, expires FROM mcp_gateway_documents
    WHERE key = $1 AND (
        expires IS NULL OR expires > (extract(epoch FROM statement_timestamp()) * 1000000000)::bigint
    )";

/// Reads a range of unexpired documents.
const LIST: &str = "
    SELECT key, value, version, expires FROM mcp_gateway_documents
    WHERE key >= $1 AND key < $2 AND (
        expires IS NULL OR expires > (extract(epoch FROM statement_timestamp()) * 1000000000)::bigint
    )
    ORDER BY key LIMIT $3";

/// Maximum number of attempts.
const ATTEMPTS: usize = 3;
