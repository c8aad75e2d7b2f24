//! Counts of quotas in the store.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_gateway_store::{Batch, BoxError, CommitOutcome, Document, Store, StoreError};
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::share::share;
use crate::limit::Limit;
use crate::window::{Span, Window};

/// Counts in the store, which all processes share.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    store: Arc<dyn Store>,
}

/// The window of a quota in which calls are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period {
    pub(crate) window: Window,
    pub(crate) span: Span,
}

/// Count of one key in one window.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
struct Count {
    /// Calls in shares that processes have taken.
    granted: u64,
    /// Values of the key, for administrators.
    #[serde(default)]
    key: Vec<String>,
}

/// Count of one key, as the store has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Counted {
    /// Digest of the key.
    pub(crate) digest: String,
    /// Values of the key.
    pub(crate) values: Vec<String>,
    /// Calls in shares that processes have taken.
    pub(crate) granted: u64,
}

impl Ledger {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Takes a share of up to `wanted` calls of the `amount` of `account`; 0 if all are taken.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable. The share may be lost then.
    pub(crate) async fn reserve(
        &self,
        (account, period): (&Account, Period),
        amount: u64,
        wanted: u32,
    ) -> Result<u32, StoreError> {
        let mut taken = 0;
        let written = self.change((account, period), |count| {
            taken = share(amount.saturating_sub(count.granted), wanted);
            count.granted = count.granted.saturating_add(u64::from(taken));
            taken > 0
        });
        written.await?;
        Ok(taken)
    }

    /// Returns `calls` of a share that were not used.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable. The calls may be lost then.
    pub(crate) async fn give_back(
        &self,
        account: (&Account, Period),
        calls: u32,
    ) -> Result<(), StoreError> {
        let less = |count: &mut Count| {
            count.granted = count.granted.saturating_sub(u64::from(calls));
            true
        };
        self.change(account, less).await
    }

    /// Returns up to `max` counts of the quota `limit` in `period`, after the one of `digest`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn counts(
        &self,
        limit: &Limit,
        period: Period,
        digest: &str,
        max: usize,
    ) -> Result<Vec<Counted>, StoreError> {
        let prefix = Account::prefix(limit, &period.window.to_string(), period.span.index);
        let after = format!("{prefix}{digest}");
        let found = self.store.list(&prefix, Some(&after), max).await?;
        let counts = found.iter().map(|listed| {
            let Count { granted, key } = read(&listed.document)?;
            let digest = listed.key.strip_prefix(&*prefix).unwrap_or_default();
            Ok(Counted {
                digest: digest.to_owned(),
                values: key,
                granted,
            })
        });
        counts.collect()
    }

    /// Changes a count, unless `change` returns `false`. Repeated while other processes change it.
    async fn change(
        &self,
        (account, period): (&Account, Period),
        mut change: impl FnMut(&mut Count) -> bool,
    ) -> Result<(), StoreError> {
        let key: Arc<str> = account
            .document(&period.window.to_string(), period.span.index)
            .into();
        for _ in 0..MAX_ATTEMPTS {
            let found = self.store.get(&key).await?;
            let mut count = match &found {
                Some(document) => read(document)?,
                None => Count {
                    granted: 0,
                    key: account.values().to_vec(),
                },
            };
            if !change(&mut count) {
                return Ok(());
            }
            let batch = match &found {
                Some(document) => Batch::new().if_version(Arc::clone(&key), document.version),
                None => Batch::new().if_absent(Arc::clone(&key)),
            };
            let text = serde_json::to_vec(&count).map_err(|error| failure(error.into()))?;
            let batch = batch.put_until(Arc::clone(&key), text, expiry(period.span));
            if self.store.commit(batch).await? == CommitOutcome::Committed {
                return Ok(());
            }
        }
        Err(failure("too many conflicts".into()))
    }
}

fn read(document: &Document) -> Result<Count, StoreError> {
    serde_json::from_slice(&document.value).map_err(|error| failure(error.into()))
}

fn failure(error: BoxError) -> StoreError {
    StoreError::new(error)
}

/// Returns the time at which the count of a window is dropped: later than its end, because a clock
/// may step back.
fn expiry(span: Span) -> SystemTime {
    let end = Duration::from_secs(u64::try_from(span.end).unwrap_or_default());
    SystemTime::UNIX_EPOCH + end + RETENTION
}

/// Maximum number of attempts to change a count. Each conflict is the success of another process.
const MAX_ATTEMPTS: u32 = 64;

/// Time for which a count outlives its window.
const RETENTION: Duration = Duration::from_secs(86_400);
