//! The writer task: group commit of batches, change detection and purge.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::{
    Batch, CommitOutcome, Document, DocumentVersion, ListedDocument, StoreError, WatchEvent,
    WatcherRegistry, WriteOp,
};
use sqlx::error::DatabaseError;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::{PATIENCE, schema};
use crate::convert::{required_version, to_nanos};

/// A batch, and the channel for its outcome.
pub(super) struct WriteRequest {
    pub(super) batch: Batch,
    pub(super) reply: oneshot::Sender<Result<CommitOutcome, StoreError>>,
}

/// A request to the writer task.
pub(super) enum WriterRequest {
    /// Closes the connection. The reply is sent when it is closed.
    Close(oneshot::Sender<()>),
    /// Writes a batch.
    Write(WriteRequest),
}

/// The writer task with its connection.
pub(super) struct Writer {
    connection: SqliteConnection,
    requests: mpsc::Receiver<WriterRequest>,
    watchers: Arc<WatcherRegistry>,
    /// SQLite's `data_version`, which changes when another process has written.
    data_version: i64,
}

/// The outcome of a batch, and the events for its watchers.
type WriteResult = (CommitOutcome, Vec<WatchEvent>);

impl Writer {
    /// Opens the writing connection and migrates the schema.
    pub(super) async fn open(
        options: &SqliteConnectOptions,
        watchers: Arc<WatcherRegistry>,
    ) -> Result<(Self, mpsc::Sender<WriterRequest>), sqlx::Error> {
        let mut connection = connect(options).await?;
        schema::migrate(&mut connection).await?;
        let data_version = data_version(&mut connection).await?;
        let (sender, requests) = mpsc::channel(MAX_WAITING);
        let writer = Self {
            connection,
            requests,
            watchers,
            data_version,
        };
        Ok((writer, sender))
    }

    /// Writes batches until it is closed, or all senders have been dropped.
    pub(super) async fn run(mut self) {
        let mut look_around = interval(LOOK_INTERVAL);
        look_around.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut purge_at = Instant::now();
        let (mut received, mut group) = (Vec::new(), Vec::new());
        loop {
            tokio::select! {
                count = self.requests.recv_many(&mut received, MAX_GROUP) => {
                    let mut closing = None;
                    for request in received.drain(..) {
                        match request {
                            WriterRequest::Close(reply) => closing = Some(reply),
                            WriterRequest::Write(request) => group.push(request),
                        }
                    }
                    self.commit_pending(&mut group).await;
                    match closing {
                        Some(reply) => return self.close(reply).await,
                        None if count == 0 => return,
                        None => {}
                    }
                }
                _ = look_around.tick() => self.look_around().await,
                () = sleep_until(purge_at) => purge_at = Instant::now() + self.purge().await,
            }
        }
    }

    /// Closes the connection, and replies.
    async fn close(self, reply: oneshot::Sender<()>) {
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "database not closed");
        }
        // The caller may have been dropped.
        let _ = reply.send(());
    }

    /// Writes all pending batches in one transaction.
    async fn commit_pending(&mut self, group: &mut Vec<WriteRequest>) {
        if group.is_empty() {
            return;
        }
        let written = self.write(group).await;
        // The batches have been validated, so that none of them can fail the others.
        let failure = written.as_ref().err().map(ToString::to_string);
        let mut written = written.unwrap_or_default().into_iter();
        for request in group.drain(..) {
            let result = match (written.next(), &failure) {
                (Some((outcome, events)), _) => {
                    events
                        .into_iter()
                        .for_each(|event| self.watchers.notify(event));
                    Ok(outcome)
                }
                (None, failure) => Err(StoreError::new(failure.clone().unwrap_or_default())),
            };
            // The caller may have been dropped.
            drop(request.reply.send(result));
        }
    }

    /// Applies the batches of a group in one transaction.
    async fn write(&mut self, group: &[WriteRequest]) -> Result<Vec<WriteResult>, sqlx::Error> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let now = to_nanos(SystemTime::now());
        let writes: usize = group
            .iter()
            .map(|request| request.batch.writes().len())
            .sum();
        let mut version = reserve(&mut transaction, writes).await?;
        let mut written = Vec::with_capacity(group.len());
        for WriteRequest { batch, .. } in group {
            let mut events = Vec::new();
            let outcome = if holds(&mut transaction, batch, now).await? {
                for write in batch.writes() {
                    version += 1;
                    events.push(apply(&mut transaction, write, version).await?);
                }
                CommitOutcome::Committed
            } else {
                CommitOutcome::Conflict
            };
            written.push((outcome, events));
        }
        if written.iter().all(|(_, events)| events.is_empty()) {
            transaction.rollback().await?;
        } else {
            transaction.commit().await?;
        }
        Ok(written)
    }

    /// Resets the watchers if another process has written. Its writes are unknown.
    async fn look_around(&mut self) {
        match data_version(&mut self.connection).await {
            Ok(found) if found == self.data_version => {}
            Ok(found) => {
                self.data_version = found;
                self.watchers.notify(WatchEvent::Reset);
            }
            Err(error) => tracing::warn!(%error, "change detection failed"),
        }
    }

    /// Removes a portion of expired documents, and returns the delay until the next one.
    async fn purge(&mut self) -> Duration {
        let removed = sqlx::query(
            "DELETE FROM documents WHERE id IN (
                SELECT id FROM documents WHERE expires <= ?1 LIMIT ?2
            )",
        )
        .bind(to_nanos(SystemTime::now()))
        .bind(PURGE_PORTION)
        .execute(&mut self.connection)
        .await;
        match removed {
            Ok(done) if done.rows_affected() >= u64::from(PURGE_PORTION) => PURGE_PAUSE,
            Ok(_) => PURGE_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "purge of expired documents failed");
                PURGE_INTERVAL
            }
        }
    }
}

/// Connects with retries. SQLite's busy timeout does not apply while another process sets up a new
/// file.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match options.connect().await {
            Err(error) if is_busy(&error) && Instant::now() < deadline => sleep(OPEN_PAUSE).await,
            result => return result,
        }
    }
}

/// Returns `true` for `SQLITE_BUSY`.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    let code: Option<u32> = code.and_then(|code| code.parse().ok());
    // The low byte is the primary code; the others distinguish its kinds.
    code.is_some_and(|code| code & 0xff == 5)
}

/// Returns SQLite's `data_version`.
async fn data_version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA data_version")
        .fetch_one(connection)
        .await
}

/// Reserves `count` versions, and returns the one before the first.
async fn reserve(connection: &mut SqliteConnection, count: usize) -> Result<i64, sqlx::Error> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    sqlx::query_scalar("UPDATE sequence SET version = version + ?1 RETURNING version - ?1")
        .bind(count)
        .fetch_one(connection)
        .await
}

/// Returns `true` if all conditions of `batch` hold.
async fn holds(
    connection: &mut SqliteConnection,
    batch: &Batch,
    now: i64,
) -> Result<bool, sqlx::Error> {
    for condition in batch.conditions() {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT version FROM documents
            WHERE key = ?1 AND (expires IS NULL OR expires > ?2)",
        )
        .bind(condition.key().as_bytes())
        .bind(now)
        .fetch_optional(&mut *connection)
        .await?;
        if found != required_version(condition) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Applies a write and returns its event.
async fn apply(
    connection: &mut SqliteConnection,
    write: &WriteOp,
    version: i64,
) -> Result<WatchEvent, sqlx::Error> {
    match write {
        WriteOp::Delete(key) => {
            sqlx::query("DELETE FROM documents WHERE key = ?1")
                .bind(key.as_bytes())
                .execute(connection)
                .await?;
            Ok(WatchEvent::Deleted(Arc::clone(key)))
        }
        WriteOp::Put {
            key,
            value,
            expires,
        } => {
            sqlx::query(
                "INSERT INTO documents (key, value, version, expires) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (key) DO UPDATE SET
                    value = excluded.value, version = excluded.version, expires = excluded.expires",
            )
            .bind(key.as_bytes())
            .bind(&value[..])
            .bind(version)
            .bind(expires.map(to_nanos))
            .execute(connection)
            .await?;
            let document = Document {
                value: value.clone(),
                version: DocumentVersion(version.unsigned_abs()),
                expires: *expires,
            };
            let key = Arc::clone(key);
            Ok(WatchEvent::Put(ListedDocument { key, document }))
        }
    }
}

/// Maximum number of batches per transaction. It bounds the latency of the first one.
const MAX_GROUP: usize = 256;

/// Maximum number of pending batches. Beyond that, callers wait.
const MAX_WAITING: usize = 1024;

/// Delay between attempts to open the file.
const OPEN_PAUSE: Duration = Duration::from_millis(10);

/// Interval of change detection: writes of another process are detected within a second.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Number of documents per purge, so that writers do not wait long.
const PURGE_PORTION: u32 = 500;

/// Delay between portions.
const PURGE_PAUSE: Duration = Duration::from_millis(50);

/// Delay after the last portion.
const PURGE_INTERVAL: Duration = Duration::from_secs(5);
