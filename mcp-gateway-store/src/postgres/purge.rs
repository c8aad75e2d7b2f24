use std::time::Duration;

use sqlx::PgPool;
use tokio::time::sleep;

use super::listener::KEPT;

/// Removes what is over, and the changes that everybody has read, in small portions. Replicas do
/// not wait for each other.
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
                tracing::warn!(%error, "expired documents cannot be removed");
                sleep(INTERVAL).await;
            }
        }
    }
}

const DOCUMENTS: &str = "
    DELETE FROM mcp_gateway_documents WHERE key IN (
        SELECT key FROM mcp_gateway_documents
        WHERE expires <= (extract(epoch FROM statement_timestamp()) * 1000000000)::bigint
        ORDER BY expires LIMIT $1 FOR UPDATE SKIP LOCKED
    )";

/// The oldest have the least numbers. One replica is enough for it ($3).
const CHANGES: &str = "
    WITH alone AS MATERIALIZED (SELECT pg_try_advisory_xact_lock($3) AS is_alone)
    DELETE FROM mcp_gateway_changes WHERE (SELECT is_alone FROM alone) AND ctid IN (
        SELECT ctid FROM (
            SELECT ctid, written FROM mcp_gateway_changes ORDER BY xid LIMIT $1
        ) AS oldest
        WHERE written < statement_timestamp() - make_interval(secs => $2)
    )";

const LOCK: i64 = 0x6d63_705f_7075_7267;

const PORTION: i64 = 1000;

const PAUSE: Duration = Duration::from_millis(50);

const INTERVAL: Duration = Duration::from_secs(5);
