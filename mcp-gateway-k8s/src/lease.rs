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
#[derive(Default)]
struct Seen {
    version: Option<String>,
    since: Option<Instant>,
    /// Time of the last renewal by this process.
    renewed: Option<Instant>,
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
    /// has changed in between.
    pub(crate) async fn claim(&self) -> Result<Claim, Refusal> {
        let mut seen = Seen::default();
        let mut first = None;
        loop {
            if self.attempt(&mut seen, Instant::now()).await? {
                return Ok(Claim::Taken);
            }
            let version = seen.version.clone();
            if *first.get_or_insert_with(|| version.clone()) != version {
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
        let version = lease.metadata.resource_version.clone();
        if seen.version != version {
            seen.version = version;
            seen.since = Some(now);
        }
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
