//! The change listener: reports the writes of all replicas to the local watchers.
//!
//! Changes are read from a table by transaction snapshots, since transactions do not commit in the
//! order of their numbers. `NOTIFY` only wakes the reader up; without it, the table is polled.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::{ListedDocument, WatchEvent, WatcherRegistry};
use sqlx::postgres::{PgListener, PgRow};
use sqlx::{FromRow, PgPool, Row};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::watched_prefixes::WatchedPrefixes;
use crate::convert::entry;

/// The local watchers.
#[derive(Debug, Default)]
pub(super) struct LocalWatchers {
    pub(super) watchers: WatcherRegistry,
    pub(super) interests: WatchedPrefixes,
    written: Notify,
}

impl LocalWatchers {
    /// Signals a local write.
    pub(super) fn on_commit(&self) {
        self.written.notify_one();
    }
}

/// The task that reads changes, on one connection for all watchers.
pub(super) struct ChangeListener {
    pool: PgPool,
    listeners: Arc<LocalWatchers>,
}

/// The position up to which changes have been read.
struct ChangePosition {
    snapshot: String,
    /// Start time of the server. If it differs, changes may have been lost.
    server: String,
    read_at: Instant,
}

/// A committed change, or only the current position.
struct ChangeRow {
    snapshot: String,
    server: String,
    key: Option<Vec<u8>>,
    version: Option<i64>,
    deleted: Option<bool>,
    value: Option<Vec<u8>>,
    expires: Option<i64>,
}

impl ChangeListener {
    /// Creates a listener on a connection of `pool`.
    pub(super) fn new(pool: PgPool, listeners: Arc<LocalWatchers>) -> Self {
        Self { pool, listeners }
    }

    /// Follows the changes, and reconnects after errors.
    pub(super) async fn run(self) {
        loop {
            let Err(error) = self.follow().await;
            tracing::warn!(%error, "change listener disconnected; reconnecting");
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Follows the changes until the connection is lost.
    async fn follow(&self) -> Result<Infallible, sqlx::Error> {
        let (mut connection, mut place, own) = in_time(self.connect()).await?;
        loop {
            let (prefixes, next) = self.listeners.interests.prefixes();
            self.listeners.interests.mark_active(next);
            place = in_time(self.read(&mut connection, &prefixes, place)).await?;
            sleep(READ_INTERVAL).await;
            let poll_at = sleep(POLL_INTERVAL);
            tokio::pin!(poll_at);
            loop {
                tokio::select! {
                    heard = connection.try_recv() => match heard? {
                        // A notification of this process.
                        Some(heard) if heard.process_id() == own => {}
                        Some(_) => break,
                        None => return Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
                    },
                    () = self.listeners.written.notified() => {
                        in_time(tell_others(&mut connection)).await?;
                        break;
                    }
                    () = self.listeners.interests.wait_for_new() => break,
                    () = &mut poll_at => break,
                }
            }
        }
    }

    /// Connects, and starts at the current position.
    async fn connect(&self) -> Result<(PgListener, ChangePosition, u32), sqlx::Error> {
        let mut connection = PgListener::connect_with(&self.pool).await?;
        connection.eager_reconnect(false);
        connection.listen(CHANNEL).await?;
        let (snapshot, server, own): (String, String, i32) = sqlx::query_as(
            "SELECT pg_current_snapshot()::text, pg_postmaster_start_time()::text, pg_backend_pid()",
        )
        .fetch_one(&mut connection)
        .await?;
        let place = ChangePosition {
            snapshot,
            server,
            read_at: Instant::now(),
        };
        if self.listeners.interests.were_known() {
            // The previous connection was lost: writes in the meantime are not reported.
            self.listeners.watchers.notify(WatchEvent::Reset);
        }
        Ok((connection, place, own.unsigned_abs()))
    }

    /// Reports the changes since `place`.
    async fn read(
        &self,
        connection: &mut PgListener,
        prefixes: &[Arc<str>],
        place: ChangePosition,
    ) -> Result<ChangePosition, sqlx::Error> {
        let read_at = Instant::now();
        let prefixes: Vec<&[u8]> = prefixes.iter().map(|prefix| prefix.as_bytes()).collect();
        let changes: Vec<ChangeRow> = sqlx::query_as(CHANGES)
            .bind(&place.snapshot)
            .bind(prefixes)
            .bind(MAX_CHANGES + 1)
            .fetch_all(connection)
            .await?;
        let Some(first) = changes.first() else {
            return Err(sqlx::Error::RowNotFound);
        };
        let next = ChangePosition {
            snapshot: first.snapshot.clone(),
            server: first.server.clone(),
            read_at,
        };
        let is_missing = next.server != place.server
            || read_at - place.read_at > KEPT / 2
            || i64::try_from(changes.len()).is_ok_and(|count| count > MAX_CHANGES);
        if is_missing {
            self.listeners.watchers.notify(WatchEvent::Reset);
        } else {
            let events = changes.into_iter().filter_map(ChangeRow::into_event);
            events.for_each(|event| self.listeners.watchers.notify(event));
        }
        Ok(next)
    }
}

impl ChangeRow {
    /// Returns the event of the change. Returns `None` if there is no change, or another one to the
    /// key follows.
    fn into_event(self) -> Option<WatchEvent> {
        let key = self.key?;
        if self.deleted? {
            return Some(WatchEvent::Deleted(String::from_utf8(key).ok()?.into()));
        }
        let found: ListedDocument = entry((key, self.value?, self.version?, self.expires)).ok()?;
        Some(WatchEvent::Put(found))
    }
}

impl FromRow<'_, PgRow> for ChangeRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            snapshot: row.try_get("snapshot")?,
            server: row.try_get("server")?,
            key: row.try_get("key")?,
            version: row.try_get("version")?,
            deleted: row.try_get("deleted")?,
            value: row.try_get("value")?,
            expires: row.try_get("expires")?,
        })
    }
}

/// Wakes up the other replicas.
///
/// This is not part of the writing transaction, because PostgreSQL commits transactions with
/// `NOTIFY` one at a time.
async fn tell_others(connection: &mut PgListener) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_notify($1, '')")
        .bind(CHANNEL)
        .execute(connection)
        .await?;
    Ok(())
}

/// Limits the time of `work`.
async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

/// Reads the changes that are visible now and were not in the snapshot $1, of keys with one of the
/// prefixes $2, at most $3. There is always at least one row.
///
/// A restored database contains changes whose transaction numbers are assigned again later.
const CHANGES: &str = "
    WITH change AS (
        SELECT key, version, deleted FROM mcp_gateway_changes
        WHERE xid >= pg_snapshot_xmin($1::text::pg_snapshot)
            AND xid < pg_snapshot_xmax(pg_current_snapshot())
            AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
            AND EXISTS (
                SELECT FROM unnest($2::bytea[]) AS watched (prefix)
                WHERE substring(key FROM 1 FOR length(prefix)) = prefix
            )
        ORDER BY version LIMIT $3
    )
    SELECT pg_current_snapshot()::text AS snapshot,
        pg_postmaster_start_time()::text AS server,
        change.key, change.version, change.deleted, document.value, document.expires
    FROM (VALUES (true)) AS one
    LEFT JOIN change ON true
    LEFT JOIN mcp_gateway_documents AS document
        ON document.key = change.key AND document.version = change.version
    ORDER BY change.version";

/// Channel of `NOTIFY`.
const CHANNEL: &str = "mcp_gateway_changes";

/// Retention of changes.
pub(super) const KEPT: Duration = Duration::from_secs(600);

/// Maximum number of changes per read. Beyond that, watchers must list the documents again.
const MAX_CHANGES: i64 = 1000;

/// Interval of polling for changes without a notification.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Delay between reads, in which writes are batched.
const READ_INTERVAL: Duration = Duration::from_millis(10);

/// Timeout of each statement.
const PATIENCE: Duration = Duration::from_secs(5);
