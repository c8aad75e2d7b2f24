//! Use of quotas, for administrators.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_gateway_store::StoreError;

use crate::counters::Counters;
use crate::key::KeyRef;
use crate::limit::{Bound, Dimension, Limit, Quota};
use crate::limit_set::{CountedLimit, Counts};
use crate::limiter::Limiter;
use crate::quota::{Account, Counted, Period, Share};
use crate::window::Window;

/// Use of a quota by one key, in the current window.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct QuotaUsage {
    /// Identifier, by which the uses of all quotas are ordered.
    pub id: String,
    /// Name of the quota.
    pub name: Arc<str>,
    /// Values of the attributes by which the quota counts apart. That of a tool is `server/tool`, and
    /// an empty value stands for callers without a team or client.
    pub key: Vec<(Dimension, String)>,
    /// Maximum number of calls.
    pub amount: u64,
    /// Calls that were made, or that other processes have reserved.
    pub used: u64,
    /// Kind of the window.
    pub window: Window,
    /// End of the window.
    pub ends: SystemTime,
}

/// A quota with the shares of this process.
struct Counting<'a> {
    limit: &'a Limit,
    quota: &'a Quota,
    shares: &'a Counters<Share>,
}

impl Limiter {
    /// Returns up to `max` uses of the quota `name`, or of all, after the one with the identifier
    /// `after`. Keys without calls in the current window have no use.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn usage(
        &self,
        name: Option<&str>,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<QuotaUsage>, StoreError> {
        let current = self.counted();
        let mut quotas: Vec<_> = current.iter().filter_map(Counting::of).collect();
        quotas.retain(|counting| name.is_none_or(|name| **counting.limit.name() == *name));
        quotas.sort_by_cached_key(|counting| Account::name(counting.limit));
        let (last, mut digest) = match after {
            Some(after) => after.split_once('/').unwrap_or((after, "")),
            None => ("", ""),
        };
        let mut found = Vec::new();
        for counting in quotas {
            let digest = match Account::name(counting.limit).as_str().cmp(last) {
                Ordering::Less => continue,
                Ordering::Equal => std::mem::take(&mut digest),
                Ordering::Greater => "",
            };
            self.add_usage(&counting, digest, max, &mut found).await?;
        }
        Ok(found)
    }

    /// Adds the uses of a quota after the count `digest`, until `found` has `max`.
    async fn add_usage(
        &self,
        counting: &Counting<'_>,
        digest: &str,
        max: usize,
        found: &mut Vec<QuotaUsage>,
    ) -> Result<(), StoreError> {
        let period = self.period(counting.quota);
        let mut after = digest.to_owned();
        while found.len() < max {
            let page = self
                .ledger()
                .counts(counting.limit, period, &after, PAGE)
                .await?;
            let is_last = page.len() < PAGE;
            after = page.last().map_or(after, |last| last.digest.clone());
            let uses = page
                .into_iter()
                .filter_map(|count| counting.usage(&count, period));
            found.extend(uses.take(max - found.len()));
            if is_last {
                break;
            }
        }
        Ok(())
    }
}

impl<'a> Counting<'a> {
    fn of(counted: &'a CountedLimit) -> Option<Self> {
        match (&counted.counts, counted.limit.bound()) {
            (Counts::Quota(shares), Bound::Quota(quota)) => Some(Self {
                limit: &counted.limit,
                quota,
                shares,
            }),
            _ => None,
        }
    }

    /// Returns the use that `count` shows; `None` if there is none, or it counts by other attributes
    /// than the quota has now.
    fn usage(&self, count: &Counted, period: Period) -> Option<QuotaUsage> {
        let key = KeyRef::of(count.values.iter().map(String::as_str));
        if Account::digest(self.limit, &key) != count.digest {
            return None;
        }
        let unused = self.shares.get(&key);
        let unused = unused.map_or(0, |share| share.left_in(period.span));
        let used = count.granted.saturating_sub(unused);
        let ends = Duration::from_secs(u64::try_from(period.span.end).unwrap_or_default());
        (used > 0).then(|| QuotaUsage {
            id: format!("{}/{}", Account::name(self.limit), count.digest),
            name: Arc::clone(self.limit.name()),
            key: attributes(self.limit.dimensions(), &count.values),
            amount: self.quota.amount,
            used,
            window: self.quota.window,
            ends: SystemTime::UNIX_EPOCH + ends,
        })
    }
}

/// Returns the attributes with their `values`, of which a tool has two.
fn attributes(dimensions: &[Dimension], values: &[String]) -> Vec<(Dimension, String)> {
    let mut values = values.iter();
    let mut next = || values.next().cloned().unwrap_or_default();
    let attribute = |dimension: &Dimension| {
        let value = match dimension {
            Dimension::Tool => {
                let server = next();
                format!("{server}/{}", next())
            }
            _ => next(),
        };
        (*dimension, value)
    };
    dimensions.iter().map(attribute).collect()
}

/// Number of counts that are read at once.
const PAGE: usize = 200;

#[cfg(test)]
mod tests;
