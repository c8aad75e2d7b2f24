//! Limits that apply together, and their decision.

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_core::call::{Call, Permitted};
use mcp_gateway_core::catalog::CatalogEntry;
use mcp_gateway_core::protocol::Method;
use mcp_gateway_core::route::Feature;
use mcp_gateway_core::upstream::ServerPool;
use mcp_gateway_core::{Caller, Error};
use mcp_gateway_policy::{Candidates, Hint, Scope};

use crate::charges::{Charge, Charges};
use crate::clock::Clock;
use crate::counters::{Counter, Counters};
use crate::in_flight::Running;
use crate::key::{Key, KeyRef, keys};
use crate::limit::{Bound, Dimension, Limit, Quota};
use crate::quota::{Account, Period, Refills, Refusal, Share};
use crate::rate::Bucket;

/// Limits that apply together. A call counts in all that concern it, or is rejected by one.
#[derive(Debug)]
pub struct LimitSet {
    /// Scopes of the limits, in the same order.
    scopes: Box<[Scope]>,
    limits: Box<[CountedLimit]>,
    /// Limits that may concern a tool.
    candidates: Candidates,
    clock: Clock,
    refills: Arc<Refills>,
}

/// A limit with its counts.
#[derive(Clone, Debug)]
pub(crate) struct CountedLimit {
    pub(crate) limit: Limit,
    pub(crate) counts: Counts,
}

/// Counts of a limit. Clones share them.
#[derive(Clone, Debug)]
pub(crate) enum Counts {
    InFlight(Arc<LocalCounts<Running>>),
    Quota(Arc<Counters<Share>>),
    Rate(Arc<LocalCounts<Bucket>>),
}

/// Counts of a process alone.
#[derive(Debug)]
pub(crate) struct LocalCounts<C> {
    pub(crate) counters: Counters<C>,
    /// Counter of the keys for which the table has no room.
    pub(crate) others: Arc<C>,
}

/// A call for which a quota must be asked in the store.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) charges: Charges,
    due: Vec<Due>,
    clock: Clock,
    refills: Arc<Refills>,
}

/// A quota whose share is used up.
#[derive(Debug)]
struct Due {
    limit: Arc<str>,
    quota: Quota,
    period: Period,
    share: Arc<Share>,
}

/// Decision about a call.
#[derive(Debug)]
pub(crate) enum Admission {
    /// The call is counted.
    Admitted(Charges),
    /// The call is rejected.
    Rejected(Error),
    /// The store must be asked.
    Waiting(Box<Waiting>),
}

/// Progress of a decision.
struct Decision<'a> {
    set: &'a LimitSet,
    charges: Charges,
    due: Vec<Due>,
    now: u64,
}

impl LimitSet {
    pub(crate) fn new(mut limits: Vec<CountedLimit>, clock: Clock, refills: Arc<Refills>) -> Self {
        limits.sort_by_key(|counted| counted.limit.bound().order());
        let scopes = limits.iter().map(|counted| counted.limit.scope().clone());
        Self {
            scopes: scopes.collect(),
            limits: limits.into(),
            candidates: Candidates::default(),
            clock,
            refills,
        }
    }

    /// Decides about `call` at `gateway`.
    pub(crate) fn admit(
        &self,
        gateway: &str,
        call: &Call<Permitted>,
        pool: &ServerPool,
    ) -> Admission {
        let (caller, target) = (&**call.caller(), call.target());
        let is_tool_call = call.request().method() == &Method::ToolsCall;
        let candidates = self.candidates.of(&self.scopes, gateway, target);
        let mut decision = Decision {
            set: self,
            charges: Charges::default(),
            due: Vec::new(),
            now: if candidates.is_empty() {
                0
            } else {
                self.clock.nanos()
            },
        };
        for at in &*candidates {
            let counted = &self.limits[*at];
            let scope = &self.scopes[*at];
            let concerns = (is_tool_call || counted.limit.counts_all_requests())
                && scope.has_caller(caller)
                && (scope.hints().is_empty() || has_hints(scope, call, pool));
            if !concerns {
                continue;
            }
            if let Err(retry_after) = decision.count(counted, call, pool) {
                decision.charges.give_back();
                return Admission::Rejected(Error::LimitReached {
                    limit: Arc::clone(counted.limit.name()),
                    retry_after,
                });
            }
        }
        decision.admission()
    }
}

impl<'a> Decision<'a> {
    /// Counts a call in `counted`, or returns the time after which to retry.
    fn count(
        &mut self,
        counted: &'a CountedLimit,
        call: &Call<Permitted>,
        pool: &ServerPool,
    ) -> Result<(), Duration> {
        let CountedLimit { limit, counts } = counted;
        let about: (&Caller, _) = (call.caller(), call.target());
        let mut is_new = false;
        if limit.dimensions().contains(&Dimension::Tool) {
            keys(limit, about, true, |key| {
                is_new |= !counts.has(&key);
                Ok::<_, Duration>(())
            })?;
        }
        let target = call.target();
        let is_listed = !is_new || pool.is_known_to_list(&target.server, &target.feature);
        keys(limit, about, is_listed, |key| self.count_key(counted, &key))
    }

    /// Counts a call under `key`.
    fn count_key(&mut self, counted: &CountedLimit, key: &KeyRef<'_>) -> Result<(), Duration> {
        let CountedLimit { limit, counts } = counted;
        match (counts, limit.bound()) {
            (Counts::InFlight(counts), Bound::InFlight(max)) => {
                let running = counts.get(key, self.now, |_| Running::default());
                let flight = running.begin(max.get()).ok_or(RETRY)?;
                self.charges.push(Charge::Flight(flight));
            }
            (Counts::Rate(counts), Bound::Rate(rate)) => {
                let bucket = counts.get(key, self.now, |_| Bucket::default());
                bucket.take(rate, self.now)?;
                self.charges.push(Charge::Rate(bucket, *rate));
            }
            (Counts::Quota(counts), Bound::Quota(quota)) => {
                let share = share(counts, limit, key, self.now);
                self.count_quota((limit, quota), share);
            }
            // Counts are made for the bound of their limit.
            _ => return Err(RETRY),
        }
        Ok(())
    }

    /// Takes a call from `share`, or notes that the store must be asked.
    fn count_quota(&mut self, (limit, quota): (&Limit, &Quota), share: Arc<Share>) {
        let window = quota.window;
        let span = window.at(self.set.clock.unix_seconds());
        if share.take(span, self.now) {
            self.charges.push(Charge::Quota(share, span));
            return;
        }
        self.due.push(Due {
            limit: Arc::clone(limit.name()),
            quota: *quota,
            period: Period { window, span },
            share,
        });
    }

    fn admission(self) -> Admission {
        if self.due.is_empty() {
            return Admission::Admitted(self.charges);
        }
        Admission::Waiting(Box::new(Waiting {
            charges: self.charges,
            due: self.due,
            clock: self.set.clock.clone(),
            refills: Arc::clone(&self.set.refills),
        }))
    }
}

impl Waiting {
    /// Takes the calls that are due, and returns all charges.
    ///
    /// # Errors
    ///
    /// [`Error::LimitReached`] if a quota is used up, or cannot be counted.
    pub(crate) async fn admit(mut self: Box<Self>) -> Result<Charges, Error> {
        for due in std::mem::take(&mut self.due) {
            let Due {
                limit,
                quota,
                period,
                share,
            } = due;
            let refusal = match self.refills.take(&share, (&quota, period)).await {
                Ok(()) => {
                    self.charges.push(Charge::Quota(share, period.span));
                    continue;
                }
                Err(Refusal::Unavailable) if quota.permits_uncounted => continue,
                Err(refusal) => refusal,
            };
            self.charges.give_back();
            let retry_after = match refusal {
                Refusal::Exhausted => {
                    let left = period.span.end - self.clock.unix_seconds();
                    Duration::from_secs(u64::try_from(left).unwrap_or_default())
                }
                Refusal::Unavailable => RETRY,
            };
            return Err(Error::LimitReached { limit, retry_after });
        }
        Ok(self.charges)
    }
}

impl Counts {
    pub(crate) fn new(bound: &Bound) -> Self {
        match bound {
            Bound::InFlight(_) => Self::InFlight(Arc::default()),
            Bound::Quota(_) => Self::Quota(Arc::new(Counters::new())),
            Bound::Rate(_) => Self::Rate(Arc::default()),
        }
    }

    /// Returns `true` if there is a counter of `key`.
    fn has(&self, key: &KeyRef<'_>) -> bool {
        match self {
            Self::InFlight(counts) => counts.counters.get(key).is_some(),
            Self::Quota(counters) => counters.get(key).is_some(),
            Self::Rate(counts) => counts.counters.get(key).is_some(),
        }
    }
}

impl<C: Counter> LocalCounts<C> {
    fn get(&self, key: &KeyRef<'_>, now: u64, create: impl FnOnce(&Key) -> C) -> Arc<C> {
        self.counters
            .get(key)
            .or_else(|| self.counters.get_or_insert(key, now, create))
            .unwrap_or_else(|| Arc::clone(&self.others))
    }
}

impl<C: Counter + Default> Default for LocalCounts<C> {
    fn default() -> Self {
        Self {
            counters: Counters::new(),
            others: Arc::default(),
        }
    }
}

/// Returns the share of `key`. A key for which the table has no room takes calls one by one.
fn share(counts: &Counters<Share>, limit: &Limit, key: &KeyRef<'_>, now: u64) -> Arc<Share> {
    let account = |key: &Key| Account::new(limit, key);
    counts
        .get(key)
        .or_else(|| counts.get_or_insert(key, now, |key| Share::new(account(key))))
        .unwrap_or_else(|| Arc::new(Share::of_one_call(account(&key.to_owned()))))
}

/// Returns `true` if the tool of `call` has the annotations that `scope` names, or is in no list:
/// then the limit concerns it in any case.
fn has_hints(scope: &Scope, call: &Call<Permitted>, pool: &ServerPool) -> bool {
    let target = call.target();
    let Feature::Tool(_) = &target.feature else {
        return false;
    };
    let Some(entry) = pool.entry(&target.server, &target.feature) else {
        return true;
    };
    let mut hints = scope.hints().iter();
    hints.all(|(hint, wanted)| hint_of(&entry, *hint) == *wanted)
}

/// Returns the annotation `hint` of a tool, or its default.
fn hint_of(entry: &CatalogEntry, hint: Hint) -> bool {
    let declared = |hint: Hint| entry.hint(hint.as_str());
    declared(hint).unwrap_or_else(|| match hint {
        Hint::Destructive => !declared(Hint::ReadOnly).unwrap_or(false),
        Hint::OpenWorld => true,
        _ => false,
    })
}

/// Time after which to retry a call when the end of its wait is unknown.
const RETRY: Duration = Duration::from_secs(1);
