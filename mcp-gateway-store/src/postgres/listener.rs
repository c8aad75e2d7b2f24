use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::{Entry, Event, Watchers};
use sqlx::postgres::{PgListener, PgRow};
use sqlx::{FromRow, PgPool, Row};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::interests::Interests;
use crate::convert::entry;

/// Those who listen at this replica.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    pub(super) watchers: Watchers,
    pub(super) interests: Interests,
    written: Notify,
}

impl Listeners {
    /// This replica has written something.
    pub(super) fn written(&self) {
        self.written.notify_one();
    }
}

/// Tells watchers of what any replica has written, on one connection for all of them.
pub(super) struct Listener {
    pool: PgPool,
    listeners: Arc<Listeners>,
}

/// Up to where the changes have been read.
struct Place {
    snapshot: String,
    /// When the server was started: where that changes, changes may have been lost.
    server: String,
    read_at: Instant,
}

/// A change that was committed since, or nothing but where the changes have been read up to.
struct Change {
    snapshot: String,
    server: String,
    key: Option<Vec<u8>>,
    version: Option<i64>,
    deleted: Option<bool>,
    value: Option<Vec<u8>>,
    expires: Option<i64>,
}

impl Listener {
    pub(super) fn new(pool: PgPool, listeners: Arc<Listeners>) -> Self {
        Self { pool, listeners }
    }

    pub(super) async fn run(self) {
        loop {
            let Err(error) = self.follow().await;
            tracing::warn!(%error, "writes of other replicas are not heard of for now");
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Follows the changes until the connection is lost.
    async fn follow(&self) -> Result<Infallible, sqlx::Error> {
        let (mut connection, mut place, own) = in_time(self.begin()).await?;
        loop {
            let (prefixes, next) = self.listeners.interests.prefixes();
            self.listeners.interests.known(next);
            place = in_time(self.read(&mut connection, &prefixes, place)).await?;
            sleep(READ_INTERVAL).await;
            let poll_at = sleep(POLL_INTERVAL);
            tokio::pin!(poll_at);
            loop {
                tokio::select! {
                    heard = connection.try_recv() => match heard? {
                        // It says what is known here.
                        Some(heard) if heard.process_id() == own => {}
                        Some(_) => break,
                        None => return Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
                    },
                    () = self.listeners.written.notified() => {
                        in_time(tell_others(&mut connection)).await?;
                        break;
                    }
                    () = self.listeners.interests.added() => break,
                    () = &mut poll_at => break,
                }
            }
        }
    }

    /// Connects, and begins with what is written from now on.
    async fn begin(&self) -> Result<(PgListener, Place, u32), sqlx::Error> {
        let mut connection = PgListener::connect_with(&self.pool).await?;
        connection.eager_reconnect(false);
        connection.listen(CHANNEL).await?;
        let (snapshot, server, own): (String, String, i32) = sqlx::query_as(
            "SELECT pg_current_snapshot()::text, pg_postmaster_start_time()::text, pg_backend_pid()",
        )
        .fetch_one(&mut connection)
        .await?;
        let place = Place {
            snapshot,
            server,
            read_at: Instant::now(),
        };
        if self.listeners.interests.were_known() {
            // A connection was lost, and what was written meanwhile is not told of.
            self.listeners.watchers.tell(Event::Reset);
        }
        Ok((connection, place, own.unsigned_abs()))
    }

    /// Tells of what was committed since `place`.
    async fn read(
        &self,
        connection: &mut PgListener,
        prefixes: &[Arc<str>],
        place: Place,
    ) -> Result<Place, sqlx::Error> {
        let read_at = Instant::now();
        let prefixes: Vec<&[u8]> = prefixes.iter().map(|prefix| prefix.as_bytes()).collect();
        let changes: Vec<Change> = sqlx::query_as(CHANGES)
            .bind(&place.snapshot)
            .bind(prefixes)
            .bind(MAX_CHANGES + 1)
            .fetch_all(connection)
            .await?;
        let Some(first) = changes.first() else {
            return Err(sqlx::Error::RowNotFound);
        };
        let next = Place {
            snapshot: first.snapshot.clone(),
            server: first.server.clone(),
            read_at,
        };
        let is_missing = next.server != place.server
            || read_at - place.read_at > KEPT / 2
            || i64::try_from(changes.len()).is_ok_and(|count| count > MAX_CHANGES);
        if is_missing {
            self.listeners.watchers.tell(Event::Reset);
        } else {
            let events = changes.into_iter().filter_map(Change::into_event);
            events.for_each(|event| self.listeners.watchers.tell(event));
        }
        Ok(next)
    }
}

impl Change {
    /// None if it is nothing, or if another change has followed.
    fn into_event(self) -> Option<Event> {
        let key = self.key?;
        if self.deleted? {
            return Some(Event::Deleted(String::from_utf8(key).ok()?.into()));
        }
        let found: Entry = entry((key, self.value?, self.version?, self.expires)).ok()?;
        Some(Event::Put(found))
    }
}

impl FromRow<'_, PgRow> for Change {
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

/// Wakes the other replicas up.
///
/// Not in the transaction that has written: those that notify are committed one at a time.
async fn tell_others(connection: &mut PgListener) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT pg_notify($1, '')")
        .bind(CHANNEL)
        .execute(connection)
        .await?;
    Ok(())
}

async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

/// The changes that are seen now and were not by the snapshot $1, of keys with one of the prefixes
/// $2, $3 of them at most. One row is there if none is.
///
/// A database that was restored has changes with numbers that transactions are yet to get.
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

const CHANNEL: &str = "mcp_gateway_changes";

/// How long changes are kept.
pub(super) const KEPT: Duration = Duration::from_secs(600);

/// More than watchers could take at once.
const MAX_CHANGES: i64 = 1000;

/// How often is looked for changes that nobody has told of.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// What is written meanwhile is told of together.
const READ_INTERVAL: Duration = Duration::from_millis(10);

const PATIENCE: Duration = Duration::from_secs(5);
