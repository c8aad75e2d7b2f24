mod commit;
mod interests;
mod listener;
mod options;
mod purge;
mod schema;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::{Batch, Document, Entry, Events, Outcome, Store, StoreError};
use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::stream::StreamExt;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgPool, Postgres};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::listener::{Listener, Listeners};
pub use self::options::PostgresOptions;
use crate::convert::{self, Row, failed};

/// Keeps documents in PostgreSQL, 13 or later. Cheap to clone.
///
/// Any number of processes may use one database: each sees what any of them has written, and hears
/// of it within a second. What was acknowledged is as durable as the server is set to make it
/// (`synchronous_commit`).
///
/// The clock is that of the server, so that all replicas agree on what is over.
///
/// Connections may go through a pooler, one that pools transactions included; where `LISTEN` does
/// not work, watchers hear of writes half a second later.
#[derive(Clone)]
pub struct PostgresStore(Arc<Shared>);

struct Shared {
    pool: PgPool,
    timeout: Duration,
    listeners: Arc<Listeners>,
    /// End with the store.
    _tasks: JoinSet<()>,
}

impl PostgresStore {
    /// Connects to the database at `url`, and creates there what is missing.
    ///
    /// `url` is `postgres://user:password@host:port/database`, with the parameters of libpq; TLS is
    /// chosen by `sslmode` (`verify-full` is what protects) and `sslrootcert`. What it leaves out is
    /// taken from the environment, as by every client of PostgreSQL. Tables have names that begin
    /// with `mcp_gateway_`, and are in the first schema of the search path.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached, does not let the user in or create tables, or is one
    /// of a newer version. No error contains the URL.
    pub async fn connect(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let connect = options.of_connections(url)?;
        let pool = options.pool().connect_lazy_with(connect.clone());
        within(options.timeout, async {
            schema::migrate(&mut *pool.acquire().await?).await
        })
        .await?;
        let listeners = Arc::new(Listeners::default());
        let listener = Listener::new(options.listener_pool(connect), Arc::clone(&listeners));
        let mut tasks = JoinSet::new();
        tasks.spawn(listener.run());
        tasks.spawn(purge::run(pool.clone()));
        Ok(Self(Arc::new(Shared {
            pool,
            timeout: options.timeout,
            listeners,
            _tasks: tasks,
        })))
    }
}

impl fmt::Debug for PostgresStore {
    /// Does not show where the database is, and how to get in.
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
        let found = within(self.0.timeout, repeated(found)).await?;
        Ok(found.map(|(value, version, expires)| convert::document(value, version, expires)))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (start, end) = &convert::range(prefix, after);
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
        let rows = within(self.0.timeout, repeated(rows)).await?;
        rows.into_iter().map(convert::entry).collect()
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, StoreError> {
        convert::check(&batch)?;
        let outcome = within(self.0.timeout, commit::commit(&self.0.pool, &batch)).await?;
        if outcome == Outcome::Committed && !batch.writes().is_empty() {
            self.0.listeners.written();
        }
        Ok(outcome)
    }

    fn watch(&self, prefix: &str) -> Events {
        let events = self.0.listeners.watchers.watch(prefix);
        let interest = self.0.listeners.interests.add(prefix);
        let events = async move {
            // Before that, what is written may not be told of.
            interest.known().await;
            events.map(move |event| {
                let _until_dropped = &interest;
                event
            })
        };
        Events::new(events.flatten_stream())
    }
}

/// What `work` says, unless it takes too long.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match timeout(limit, work).await {
        Ok(result) => result.map_err(failed),
        Err(_) => Err(StoreError::new("the database did not answer in time")),
    }
}

/// What `read` says when it does not meet a connection that has ended meanwhile.
async fn repeated<T, F>(read: impl Fn(usize) -> F) -> Result<T, sqlx::Error>
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

/// A connection; not before the second attempt is it worth the time to see whether it still works.
async fn acquire(pool: &PgPool, attempt: usize) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    // After a restart of the server, all that were idle have ended.
    while attempt > 1 && connection.ping().await.is_err() {
        connection.close_on_drop();
        connection = pool.acquire().await?;
    }
    Ok(connection)
}

/// Whether the same may succeed when it is tried again. Nothing has been written then, unless it was
/// the end of the transaction that failed.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // Connections, the server going down, and transactions in each other's way.
            code.starts_with("08") || code.starts_with("57P") || code.starts_with("40")
        }),
        _ => false,
    }
}

const GET: &str = "
    SELECT value, version, expires FROM mcp_gateway_documents
    WHERE key = $1 AND (
        expires IS NULL OR expires > (extract(epoch FROM statement_timestamp()) * 1000000000)::bigint
    )";

const LIST: &str = "
    SELECT key, value, version, expires FROM mcp_gateway_documents
    WHERE key >= $1 AND key < $2 AND (
        expires IS NULL OR expires > (extract(epoch FROM statement_timestamp()) * 1000000000)::bigint
    )
    ORDER BY key LIMIT $3";

const ATTEMPTS: usize = 3;
