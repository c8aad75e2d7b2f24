//! Options of a PostgreSQL store.

use std::time::Duration;

use crate::StoreError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

/// Options of a [`PostgresStore`](super::PostgresStore).
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_store::{PostgresOptions, PostgresStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let options = PostgresOptions::new()
///     .with_max_connections(32)
///     .with_timeout(Duration::from_secs(5));
///
/// // Errors do not contain the URL, which may contain a password.
/// let error = PostgresStore::connect("not a URL: secret", options).await.unwrap_err();
/// assert!(!format!("{error:?}").contains("secret"));
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PostgresOptions {
    max_connections: u32,
    pub(super) timeout: Duration,
}

impl PostgresOptions {
    /// Creates the defaults: 16 connections, and a timeout of 10 seconds.
    pub fn new() -> Self {
        Self {
            max_connections: 16,
            timeout: Duration::from_secs(10),
        }
    }

    /// Sets the maximum number of connections for reads and writes; at least one. The listener uses
    /// one more.
    pub fn with_max_connections(mut self, max: u32) -> Self {
        self.max_connections = max.max(1);
        self
    }

    /// Sets the timeout of each operation, including the wait for a connection.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns the options of connections to `url`.
    pub(super) fn of_connections(&self, url: &str) -> Result<PgConnectOptions, StoreError> {
        // The cause may quote a part of the URL.
        let options: PgConnectOptions = url
            .parse()
            .map_err(|_| StoreError::new("invalid database URL"))?;
        let limit = self.timeout.as_millis().to_string();
        let options = options.options([
            ("statement_timeout", &*limit),
            // A hanging replica must not block others by its locks.
            ("idle_in_transaction_session_timeout", &*limit),
        ]);
        Ok(options.disable_statement_logging())
    }

    /// Returns the options of the pool for reads and writes.
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

    /// Returns the pool of the listener, with one connection.
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

/// Maximum idle time after which a connection is used without a test.
const UNTESTED: Duration = Duration::from_secs(1);
