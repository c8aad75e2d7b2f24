//! Schema migrations of the PostgreSQL store.

use sqlx::{Connection, PgConnection};

/// Migrates the schema to the current version.
///
/// # Errors
///
/// If the database is unavailable, or its schema is newer.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    // A concurrent replica waits here, and finds nothing left to do.
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await?;
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('mcp_gateway_schema') IS NOT NULL")
        .fetch_one(&mut *transaction)
        .await?;
    let found: i32 = if exists {
        sqlx::query_scalar("SELECT max(version) FROM mcp_gateway_schema")
            .fetch_one(&mut *transaction)
            .await?
    } else {
        0
    };
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    let Some(missing) = MIGRATIONS.get(done..) else {
        let reason = format!("schema version {found} belongs to a newer gateway");
        return Err(sqlx::Error::Configuration(reason.into()));
    };
    for migration in missing {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// Advisory lock of the migration. It must not be the lock of a key.
const LOCK: i64 = 0x6d63_705f_6761_7465;

/// Migrations in order. The index of the next one is the schema version. They are never changed
/// after a release.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE mcp_gateway_documents (
        -- Bytes, so that no collation decides about order and equality.
        key bytea PRIMARY KEY,
        value bytea NOT NULL,
        version bigint NOT NULL,
        -- Nanoseconds since 1970.
        expires bigint
    );
    CREATE INDEX mcp_gateway_documents_expires ON mcp_gateway_documents (expires)
        WHERE expires IS NOT NULL;

    -- Versions, of whatever key: none is ever given twice.
    CREATE SEQUENCE mcp_gateway_versions;

    -- What was written in the last minutes. Who reads it asks for what was committed since it was
    -- read last, which no number tells but a snapshot does: transactions do not end in the order in
    -- which they begin. It is empty after a crash, which every reader notices.
    CREATE UNLOGGED TABLE mcp_gateway_changes (
        xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
        key bytea NOT NULL,
        version bigint NOT NULL,
        deleted boolean NOT NULL,
        written timestamptz NOT NULL DEFAULT statement_timestamp()
    );
    CREATE INDEX mcp_gateway_changes_xid ON mcp_gateway_changes (xid);

    CREATE TABLE mcp_gateway_schema (version integer NOT NULL);
    INSERT INTO mcp_gateway_schema VALUES (1);
"];
