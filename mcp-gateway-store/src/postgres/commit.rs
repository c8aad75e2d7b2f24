//! Atomic batches: one transaction with advisory locks on all keys.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::{Batch, CommitOutcome, Condition, WriteOp};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Connection, PgPool, Postgres};

use super::{ATTEMPTS, acquire, is_passing};
use crate::convert::{required_version, to_nanos};

/// Writes `batch`, and retries as long as nothing can have been written.
pub(super) async fn commit(pool: &PgPool, batch: &Batch) -> Result<CommitOutcome, sqlx::Error> {
    let begin = begin(batch);
    for number in 1..ATTEMPTS {
        let connection = acquire(pool, number).await?;
        match attempt(connection, batch, &begin).await {
            Err(CommitFailure::Before(error)) if is_passing(&error) => {}
            result => return result.map_err(CommitFailure::into_inner),
        }
    }
    let connection = acquire(pool, ATTEMPTS).await?;
    let result = attempt(connection, batch, &begin).await;
    result.map_err(CommitFailure::into_inner)
}

/// A failed attempt, by its effect.
enum CommitFailure {
    /// Nothing was written.
    Before(sqlx::Error),
    /// The batch may have been written.
    Committing(sqlx::Error),
}

impl CommitFailure {
    /// Returns the error.
    fn into_inner(self) -> sqlx::Error {
        match self {
            Self::Before(error) | Self::Committing(error) => error,
        }
    }
}

/// Writes `batch` in one transaction.
async fn attempt(
    mut connection: PoolConnection<Postgres>,
    batch: &Batch,
    begin: &str,
) -> Result<CommitOutcome, CommitFailure> {
    let mut transaction = connection
        // The statements contain only numbers that were computed here.
        .begin_with(AssertSqlSafe(begin))
        .await
        .map_err(CommitFailure::Before)?;
    let parameters = Parameters::from_batch(batch);
    let holds: bool = sqlx::query_scalar(WRITE)
        .bind(parameters.conditions.0)
        .bind(parameters.conditions.1)
        .bind(parameters.deletes)
        .bind(parameters.keys)
        .bind(parameters.values)
        .bind(parameters.expiries)
        .fetch_one(&mut *transaction)
        .await
        .map_err(CommitFailure::Before)?;
    if !holds {
        transaction
            .rollback()
            .await
            .map_err(CommitFailure::Before)?;
        return Ok(CommitOutcome::Conflict);
    }
    transaction
        .commit()
        .await
        .map_err(CommitFailure::Committing)?;
    Ok(CommitOutcome::Committed)
}

/// Returns the statements that begin a transaction and lock all keys of `batch`.
///
/// The following statement sees all writes of previous lock holders. Row locks would not suffice:
/// an absent key has no row. Everybody takes locks in the same order, so that there are no
/// deadlocks. All statements are sent as one message.
fn begin(batch: &Batch) -> String {
    let conditions = batch.conditions().iter().map(Condition::key);
    let writes = batch.writes().iter().map(|write| &**write.key());
    let locks: BTreeSet<i64> = conditions.chain(writes).map(lock_of).collect();
    let mut statements = String::from("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
    for lock in locks {
        // Writing to a string is infallible.
        let _ = write!(statements, "; SELECT pg_advisory_xact_lock({lock})");
    }
    statements
}

/// Returns the lock of a key: its FNV-1a hash, which is the same for every replica and version.
/// Keys with the same hash merely wait for each other.
fn lock_of(key: &str) -> i64 {
    let of_key = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = key.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, of_key);
    hash.cast_signed()
}

/// A batch as arrays, for `unnest`.
#[derive(Default)]
struct Parameters<'a> {
    conditions: (Vec<&'a [u8]>, Vec<Option<i64>>),
    deletes: Vec<&'a [u8]>,
    keys: Vec<&'a [u8]>,
    values: Vec<&'a [u8]>,
    expiries: Vec<Option<i64>>,
}

impl<'a> Parameters<'a> {
    /// Converts a batch.
    fn from_batch(batch: &'a Batch) -> Self {
        let mut parameters = Self::default();
        for condition in batch.conditions() {
            parameters.conditions.0.push(condition.key().as_bytes());
            parameters.conditions.1.push(required_version(condition));
        }
        for write in batch.writes() {
            match write {
                WriteOp::Delete(key) => parameters.deletes.push(key.as_bytes()),
                WriteOp::Put {
                    key,
                    value,
                    expires,
                } => {
                    parameters.keys.push(key.as_bytes());
                    parameters.values.push(value);
                    parameters.expiries.push(expires.map(to_nanos));
                }
            }
        }
        parameters
    }
}

/// Checks the conditions ($1, $2), and applies deletes ($3) and puts ($4, $5, $6) if they hold.
///
/// Versions are drawn while the keys are locked, so that they increase with each write to a key.
const WRITE: &str = "
    WITH checked AS MATERIALIZED (
        SELECT NOT EXISTS (
            SELECT FROM unnest($1::bytea[], $2::bigint[]) AS wanted (key, version)
            LEFT JOIN mcp_gateway_documents AS found
                ON found.key = wanted.key AND (found.expires IS NULL OR found.expires
                    > (extract(epoch FROM statement_timestamp()) * 1000000000)::bigint)
            WHERE found.version IS DISTINCT FROM wanted.version
        ) AS holds
    ), deleted AS (
        DELETE FROM mcp_gateway_documents
        WHERE key = ANY ($3::bytea[]) AND (SELECT holds FROM checked)
    ), put AS (
        INSERT INTO mcp_gateway_documents (key, value, version, expires)
        SELECT key, value, nextval('mcp_gateway_versions'), expires
        FROM unnest($4::bytea[], $5::bytea[], $6::bigint[]) AS given (key, value, expires)
        WHERE (SELECT holds FROM checked)
        ON CONFLICT (key) DO UPDATE SET
            value = excluded.value, version = excluded.version, expires = excluded.expires
        RETURNING key, version
    ), told AS (
        INSERT INTO mcp_gateway_changes (key, version, deleted)
        SELECT key, version, false FROM put
        UNION ALL
        SELECT key, nextval('mcp_gateway_versions'), true
        FROM unnest($3::bytea[]) AS given (key)
        WHERE (SELECT holds FROM checked)
    )
    SELECT holds FROM checked";
