//! Schema migrations of the SQLite store.

use sqlx::{Connection, SqliteConnection};

/// Migrates the schema to the current version.
///
/// # Errors
///
/// If the file cannot be written, or its schema is newer.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    // A concurrent process waits here, and finds nothing left to do.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *transaction)
        .await?;
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

/// Migrations in order. The index of the next one is the schema version. They are never changed
/// after a release.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY,
        -- Bytes, so that nothing but they decides about order and equality.
        key BLOB NOT NULL UNIQUE,
        value BLOB NOT NULL,
        version INTEGER NOT NULL,
        -- Nanoseconds since 1970.
        expires INTEGER
    ) STRICT;
    CREATE INDEX documents_expires ON documents (expires) WHERE expires IS NOT NULL;

    -- The last version, of whatever key: none is ever given twice.
    CREATE TABLE sequence (version INTEGER NOT NULL) STRICT;
    INSERT INTO sequence VALUES (0);

    PRAGMA user_version = 1;
"];
