use std::time::Duration;

use crate::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

/// How a [`PostgresStore`](super::PostgresStore) uses its database.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_store::PostgresOptions;
///
/// let options = PostgresOptions::new()
///     .with_max_connections(32)
///     .with_timeout(Duration::from_secs(5));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PostgresOptions {
    max_connections: u32,
    pub(super) timeout: Duration,
}

impl PostgresOptions {
    /// 16 connections, and 10 seconds for everything.
    pub fn new() -> Self {
        Self {
            max_connections: 16,
            timeout: Duration::from_secs(10),
        }
    }

    /// How many connections are opened at most to read and write with. One more listens.
    pub fn with_max_connections(mut self, max: u32) -> Self {
        self.max_connections = max.max(1);
        self
    }

    /// How long anything may take, waiting for a connection included.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(super) fn of_connections(&self, url: &str) -> Result<PgConnectOptions, StoreError> {
        // The reason might quote a part of the URL.
        let options: PgConnectOptions = url
            .parse()
            .map_err(|_| StoreError::new("the URL of the database is not valid"))?;
        let limit = self.timeout.as_millis().to_string();
        let options = options.options([
            ("statement_timeout", &*limit),
            // A replica that hangs must not keep others waiting for what it has locked.
            ("idle_in_transaction_session_timeout", &*limit),
        ]);
        Ok(options.disable_statement_logging())
    }

    pub(super) fn pool(&self) -> PgPoolOptions {
        PgPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(self.timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > UNTESTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
    }

    /// Of one connection.
    pub(super) fn listener_pool(&self, connect: PgConnectOptions) -> PgPool {
        PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(self.timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(connect)
    }
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// How long a connection may have been idle to be used without a look whether it is still there.
const UNTESTED: Duration = Duration::from_secs(1);
