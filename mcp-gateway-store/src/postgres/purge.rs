//! Removal of expired documents and old changes.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::sleep;

use super::listener::KEPT;

/// Removes expired documents and changes that all replicas have read, in small portions. Replicas
/// do not wait for each other.
pub(super) async fn run(pool: PgPool) {
    loop {
        let removed = async {
            let documents = sqlx::query(DOCUMENTS).bind(PORTION).execute(&pool).await?;
            let changes = sqlx::query(CHANGES)
                .bind(PORTION)
                .bind(KEPT.as_secs_f64())
                .bind(LOCK)
                .execute(&pool)
                .await?;
            Ok::<_, sqlx::Error>(documents.rows_affected().max(changes.rows_affected()))
        };
        match removed.await {
            Ok(removed) if removed >= PORTION.unsigned_abs() => sleep(PAUSE).await,
            Ok(_) => sleep(INTERVAL).await,
            Err(error) => {
                tracing::warn!(%error, "purge of expired documents failed");
                sleep(INTERVAL).await;
            }
        }
    }
}

/// Deletes up to $1 expired documents.
const DOCUMENTS: &str = "
    DELETE FROM mcp_gateway_documents WHERE key IN (
        SELECT key FROM mcp_gateway_documents
        WHERE expires <= (extract(epoch FROM statement_timestamp()) * 1000000000)::bigint
        ORDER BY expires LIMIT $1 FOR UPDATE SKIP LOCKED
    )";

/// Deletes up to $1 changes that are older than $2 seconds. The oldest have the smallest
/// transaction numbers. One replica at a time suffices ($3).
const CHANGES: &str = "
    WITH alone AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($3) AS is_alone)
    DELETE FROM mcp_gateway_changes WHERE (SELECT is_alone FROM alone) AND ctid IN (
        SELECT ctid FROM (
            SELECT ctid, written FROM mcp_gateway_changes ORDER BY xid LIMIT $1
        ) AS oldest
        WHERE written < statement_timestamp() - make_interval(secs => $2)
    )";

/// Advisory lock of the purge.
const LOCK: i64 = 0x6d63_705f_7075_7267;

/// Number of rows per statement.
const PORTION: i64 = 1000;

/// Delay between portions.
const PAUSE: Duration = Duration::from_millis(50);

/// Delay after the last portion.
const INTERVAL: Duration = Duration::from_secs(5);
