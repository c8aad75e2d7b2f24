//! Election of the process that changes objects.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::names;
use crate::objects::{Refusal, bounded};

/// Candidate for the lead of the processes of one gateway.
///
/// All clocks are those of the process: it takes over when it has not seen a change of the Lease for
/// its lifetime, whatever times are written there.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub(crate) leases: Api<Lease>,
    /// Name of the Lease.
    pub(crate) name: String,
    /// Name of this process.
    pub(crate) identity: Arc<str>,
    /// Lifetime of the Lease.
    pub(crate) lifetime: Duration,
    /// Name of the gateway.
    pub(crate) instance: String,
    /// Object with which the Lease is deleted.
    pub(crate) owner: Option<OwnerReference>,
}

/// Outcome of a claim.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Claim {
    /// This process has the Lease.
    Taken,
    /// Another process renews it.
    Foreign,
}

/// Last state of the Lease.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    version: Option<String>,
    since: Option<Instant>,
    /// Time of the last look.
    looked: Option<Instant>,
    /// Time at which it was seen to have changed since a look within its lifetime.
    changed: Option<Instant>,
    /// Time of the last renewal by this process.
    renewed: Option<Instant>,
}

impl Seen {
    /// Records the version of a look at `now`.
    fn look(&mut self, version: Option<String>, now: Instant, lifetime: Duration) {
        let is_recent = self.looked.is_some_and(|looked| now - looked < lifetime);
        self.looked = Some(now);
        if self.version != version {
            self.changed = is_recent.then_some(now);
            self.version = version;
            self.since = Some(now);
        }
    }

    /// Returns `true` if another process has renewed the Lease within its last intervals.
    fn is_alive(&self, lifetime: Duration) -> bool {
        let limit = lifetime * 2 / INTERVALS;
        self.changed
            .is_some_and(|changed| changed.elapsed() < limit)
    }
}

impl Candidate {
    /// Takes part in the election until it is dropped.
    pub(crate) async fn run(self, leads: watch::Sender<bool>) {
        let mut seen = Seen::default();
        loop {
            let begun = Instant::now();
            match self.attempt(&mut seen, begun).await {
                Ok(true) => seen.renewed = Some(begun),
                Ok(false) => seen.renewed = None,
                Err(refusal) => {
                    tracing::debug!(cause = refusal.text(), "lease not renewed");
                }
            }
            // The others take over later than this process gives up.
            let limit = self.lifetime * 2 / 3;
            let now = seen
                .renewed
                .is_some_and(|renewed| renewed.elapsed() < limit);
            if leads.send_if_modified(|leads| std::mem::replace(leads, now) != now) {
                tracing::info!(
                    leads = now,
                    lease = self.name,
                    "lead of the replicas changed"
                );
            }
            let pause = self.lifetime / INTERVALS;
            sleep(pause.saturating_sub(begun.elapsed()).max(pause / 4)).await;
        }
    }

    /// Takes the Lease, which another process may have left behind. It is known to be renewed when it
    /// has changed between two looks: those of this call, or the last one in `seen`.
    pub(crate) async fn claim(&self, seen: &mut Seen) -> Result<Claim, Refusal> {
        loop {
            if self.attempt(seen, Instant::now()).await? {
                return Ok(Claim::Taken);
            }
            if seen.is_alive(self.lifetime) {
                return Ok(Claim::Foreign);
            }
            sleep(self.lifetime / INTERVALS / 2).await;
        }
    }

    /// Gives the Lease up, if this process has it.
    pub(crate) async fn release(&self) -> Result<(), Refusal> {
        let Some(mut lease) = bounded(self.leases.get_opt(&self.name)).await? else {
            return Ok(());
        };
        let Some(spec) = lease.spec.as_mut() else {
            return Ok(());
        };
        if spec.holder_identity.as_deref() != Some(&*self.identity) {
            return Ok(());
        }
        spec.holder_identity = Some(String::new());
        let params = PostParams::default();
        bounded(self.leases.replace(&self.name, &params, &lease))
            .await
            .map(drop)
    }

    /// Takes or renews the Lease. Returns `true` if this process has it.
    async fn attempt(&self, seen: &mut Seen, now: Instant) -> Result<bool, Refusal> {
        let Some(lease) = bounded(self.leases.get_opt(&self.name)).await? else {
            let params = PostParams::default();
            let lease = self.lease(None);
            return taken(bounded(self.leases.create(&params, &lease)).await);
        };
        seen.look(lease.metadata.resource_version.clone(), now, self.lifetime);
        let spec = lease.spec.as_ref();
        let holder = spec
            .and_then(|spec| spec.holder_identity.as_deref())
            .unwrap_or_default();
        let lifetime = spec.and_then(|spec| u64::try_from(spec.lease_duration_seconds?).ok());
        let lifetime = lifetime.map_or(self.lifetime, Duration::from_secs);
        let is_expired = seen.since.is_some_and(|since| now - since >= lifetime);
        if *holder != *self.identity && !holder.is_empty() && !is_expired {
            return Ok(false);
        }
        let params = PostParams::default();
        let lease = self.lease(Some(lease));
        taken(bounded(self.leases.replace(&self.name, &params, &lease)).await)
    }

    /// Returns the Lease of this process, which follows `before`.
    fn lease(&self, before: Option<Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let old = before
            .as_ref()
            .and_then(|lease| lease.spec.clone())
            .unwrap_or_default();
        let is_renewal = old.holder_identity.as_deref() == Some(&*self.identity);
        let metadata = before.map_or_else(
            || ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some(names::instance_labels(&self.instance)),
                owner_references: self.owner.clone().map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            |lease| lease.metadata,
        );
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.to_string()),
            lease_duration_seconds: i32::try_from(self.lifetime.as_secs().max(1)).ok(),
            acquire_time: old
                .acquire_time
                .filter(|_| is_renewal)
                .or_else(|| Some(now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(old.lease_transitions.unwrap_or(0) + i32::from(!is_renewal)),
            ..LeaseSpec::default()
        };
        Lease {
            metadata,
            spec: Some(spec),
        }
    }
}

/// Returns `true` if the Lease was written, and `false` if another process was faster.
fn taken(written: Result<Lease, Refusal>) -> Result<bool, Refusal> {
    match written {
        Ok(_) => Ok(true),
        Err(Refusal::Conflict) => Ok(false),
        Err(refusal) => Err(refusal),
    }
}

/// Number of renewals within the lifetime of the Lease.
const INTERVALS: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn a_change_between_two_looks_shows_that_somebody_lives() {
        let mut seen = Seen::default();
        let mut look = async |version: &str, after: u64| {
            tokio::time::advance(Duration::from_secs(after)).await;
            seen.look(Some(version.to_owned()), Instant::now(), LIFETIME);
            seen.is_alive(LIFETIME)
        };
        assert!(!look("1", 0).await, "the first look");
        assert!(look("2", 3).await, "renewed since");
        assert!(look("2", 3).await, "about to be renewed");
        assert!(!look("2", 4).await, "not renewed in time");
        assert!(!look("3", 60).await, "nobody knows when");
        assert!(look("4", 3).await, "renewed again");
    }
}
