//! Loop that makes the cluster match the declared servers.

mod steps;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use self::steps::Context;
use crate::fleet::{Fleet, Look, Problem};
use crate::manifest::Manifest;
use crate::objects::{Objects, Refusal, UNAUTHORIZED, unauthorized};
use crate::observed::Key;
use crate::plan::{self, Memory, Step};
use crate::queue::{Due, Pace};

/// Reconciler of one process.
pub(crate) struct Reconciler {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) objects: Objects,
    /// `true` while this process changes objects.
    pub(crate) leads: watch::Receiver<bool>,
}

/// Knowledge of the loop about a server.
#[derive(Debug, Default)]
struct Entry {
    memory: Memory,
    manifest: Option<Arc<Manifest>>,
    failures: u32,
    /// Time at which everything was read anew.
    refreshed: Option<Instant>,
}

/// Result of a step.
enum Outcome {
    /// The next step follows.
    Again,
    /// Nothing to do for this time, or until a change.
    Wait(Option<Duration>),
    /// Too little is known to do anything.
    Unknown,
    Failed(Refusal),
    Forgotten,
}

/// Work for a server.
enum Plan {
    Request(Step, Box<Look>),
    Done(Outcome),
}

impl Reconciler {
    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        let context = self.context();
        let mut entries: HashMap<Key, Entry> = HashMap::new();
        let mut steps = FuturesUnordered::new();
        let mut pace = Pace::new(REQUESTS_PER_SECOND, BURST);
        let mut since = Instant::now();
        let mut is_fixed = false;
        loop {
            let next = self.fleet.queue.next().map(|due| match due {
                // At most one for each server that falls asleep in between.
                Due::Urgently => Instant::now(),
                Due::At(time) => time.max(pace.ready()),
            });
            tokio::select! {
                () = self.fleet.queue.changed() => {}
                Some((key, entry, outcome)) = steps.next(), if !steps.is_empty() => {
                    if let Some(entry) = self.finish(&key, entry, outcome) {
                        entries.insert(key, entry);
                    }
                }
                () = wait(next), if next.is_some() && steps.len() < CONCURRENT => {
                    let Some(key) = self.fleet.queue.take() else {
                        continue;
                    };
                    let mut entry = entries.remove(&key).unwrap_or_default();
                    match self.plan(&key, &mut entry, since) {
                        Plan::Request(step, look) => {
                            pace.spend();
                            steps.push(context.perform(key, entry, step, look));
                        }
                        Plan::Done(outcome) => {
                            if let Some(entry) = self.finish(&key, entry, outcome) {
                                entries.insert(key, entry);
                            }
                        }
                    }
                }
                changed = self.leads.changed(), if !is_fixed => {
                    // Without an election there is nobody who changes it.
                    is_fixed = changed.is_err();
                    since = Instant::now();
                    for key in self.fleet.keys() {
                        self.fleet.queue.add(&key, Duration::ZERO);
                    }
                }
            }
        }
    }

    /// Returns the next step for the server at `key`.
    fn plan(&self, key: &Key, entry: &mut Entry, since: Instant) -> Plan {
        let Some(look) = self.fleet.look(key, since) else {
            return Plan::Done(Outcome::Unknown);
        };
        entry.refresh(look.manifest.as_ref());
        let leads = *self.leads.borrow();
        let step = match &look.manifest {
            Some(manifest) => plan::declared(
                manifest,
                &look.observed,
                &mut entry.memory,
                look.usage,
                leads,
            ),
            None if leads => plan::undeclared(&look.observed, &entry.memory),
            None => Step::Wait(None),
        };
        match step {
            Step::Wait(delay) => Plan::Done(Outcome::Wait(delay)),
            Step::Forget => Plan::Done(Outcome::Forgotten),
            step => Plan::Request(step, Box::new(look)),
        }
    }

    fn context(&self) -> Context {
        Context {
            fleet: Arc::clone(&self.fleet),
            objects: self.objects.clone(),
        }
    }

    /// Puts a server back into the queue. Returns what is remembered of it.
    fn finish(&self, key: &Key, mut entry: Entry, outcome: Outcome) -> Option<Entry> {
        let queue = &self.fleet.queue;
        match outcome {
            Outcome::Again => {
                entry.failures = 0;
                self.fleet.report(key, None);
                queue.give_back(key, Some(Duration::ZERO));
            }
            Outcome::Unknown => queue.give_back(key, None),
            Outcome::Wait(delay) => {
                entry.failures = 0;
                self.fleet.report(key, None);
                queue.give_back(key, Some(delay.map_or(REFRESH, |delay| delay.min(REFRESH))));
            }
            Outcome::Failed(refusal) => {
                entry.failures = entry.failures.saturating_add(1);
                entry.memory = Memory::default();
                if let Some(problem) = problem(&refusal, entry.failures) {
                    tracing::warn!(
                        server = &*key.server,
                        namespace = &*key.namespace,
                        reason = problem.reason,
                        message = &*problem.message,
                        "server on the cluster not as declared"
                    );
                    self.fleet.report(key, Some(problem));
                }
                queue.delay(key, delay(&refusal, entry.failures));
            }
            Outcome::Forgotten => {
                self.fleet.forget(key);
                queue.give_back(key, None);
                return None;
            }
        }
        Some(entry)
    }
}

async fn wait(until: Option<Instant>) {
    if let Some(until) = until {
        sleep_until(until).await;
    }
}

/// Returns the time before another attempt, after `failures` in a row.
fn delay(refusal: &Refusal, failures: u32) -> Duration {
    match refusal {
        // Only a new declaration helps.
        Refusal::Invalid(_) => REFRESH,
        _ => (MIN_DELAY * 2_u32.pow(failures.min(16) - 1)).min(MAX_DELAY),
    }
}

/// Returns the problem to report. Failures that pass are not reported at once.
fn problem(refusal: &Refusal, failures: u32) -> Option<Problem> {
    let (reason, message) = match refusal {
        Refusal::Invalid(message) => (
            "InvalidDefinition",
            format!("the cluster refuses the definition: {message}"),
        ),
        Refusal::Forbidden(message) => (
            "Forbidden",
            format!("the cluster does not permit it: {message}; extend the role of the gateway"),
        ),
        Refusal::Unauthorized(message) => (UNAUTHORIZED, unauthorized(message)),
        Refusal::Foreign(object) => (
            "Conflict",
            format!(
                "the {object} belongs to somebody else, as its labels say, and is left as it is; \
                 rename the server"
            ),
        ),
        Refusal::Conflict if failures >= REPORTED => (
            "Conflict",
            "an object of the server is changed by somebody else again and again".to_owned(),
        ),
        Refusal::Unavailable(message) if failures >= REPORTED => (
            "ClusterUnavailable",
            format!("the cluster cannot be changed: {message}"),
        ),
        Refusal::NotFound if failures >= REPORTED => (
            "NotFound",
            "an object or its namespace does not exist".to_owned(),
        ),
        Refusal::Conflict | Refusal::Unavailable(_) | Refusal::NotFound => return None,
    };
    Some(Problem {
        reason,
        message: message.into(),
    })
}

impl Entry {
    /// Forgets what was known of other objects, and from time to time everything.
    fn refresh(&mut self, manifest: Option<&Arc<Manifest>>) {
        let is_due = self.refreshed.is_none_or(|time| time.elapsed() >= REFRESH);
        if is_due || self.manifest.as_ref() != manifest {
            self.manifest = manifest.cloned();
            self.memory = Memory {
                deleted: self.memory.deleted.take(),
                ..Memory::default()
            };
            self.refreshed = Some(Instant::now());
        }
    }
}

/// Requests to change or read objects per second in the long run, each with its look at a server.
const REQUESTS_PER_SECOND: u32 = 50;
/// Number of requests at once after a pause.
const BURST: u32 = 50;
/// Number of requests in flight.
const CONCURRENT: usize = 8;
/// Delay after the first failure.
const MIN_DELAY: Duration = Duration::from_millis(250);
/// Longest delay after failures.
const MAX_DELAY: Duration = Duration::from_secs(60);
/// Number of failures in a row after which one that may pass is reported.
const REPORTED: u32 = 3;
/// Time after which everything about a server is read anew.
const REFRESH: Duration = Duration::from_secs(600);

#[cfg(test)]
pub(crate) mod tests;
