//! State of a fleet behind its lock.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use mcp_gateway_platform::orchestrator::{DeploymentState, DeploymentStatus};
use tokio::time::Instant;

use crate::diagnosis::{Diagnosis, diagnose};
use crate::manifest::Manifest;
use crate::names;
use crate::observed::{Key, Observed};
use crate::plan::{MARKS, Usage};
use crate::slot::{Endpoint, Slot};

/// State of a fleet.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Set after the first declaration.
    pub(super) is_declared: bool,
    pub(super) servers: HashMap<Key, Declared>,
    /// Values of the label of servers that stay as they are.
    pub(super) held: HashSet<Arc<str>>,
    pub(super) observed: HashMap<Key, Observed>,
    pub(super) slots: HashMap<Arc<str>, Arc<Slot>>,
    /// Problems of requests.
    pub(super) problems: HashMap<Key, Problem>,
    /// Progress of the watches, by namespace.
    pub(super) watches: HashMap<Arc<str>, Watches>,
    pub(super) uses: HashMap<Key, Uses>,
}

/// Declared server.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) slot: Arc<Slot>,
    /// Objects, or the mistakes of the definition.
    pub(super) manifest: Result<Arc<Manifest>, Arc<str>>,
}

/// Problem that prevents the declared state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Problem {
    /// One word.
    pub(crate) reason: &'static str,
    /// Description with a remedy.
    pub(crate) message: Arc<str>,
}

/// Progress of the watches in a namespace.
#[derive(Debug, Default)]
pub(super) struct Watches {
    /// Kinds whose objects have been listed.
    pub(super) listed: HashSet<&'static str>,
    pub(super) problem: Option<Problem>,
}

/// Use of a server, as this process has observed it.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// Mark of other processes, and the time when it was seen first.
    pub(super) mark: Option<String>,
    pub(super) marked: Option<Instant>,
    /// Time at which the number of pods was seen to change.
    pub(super) scaled: Option<Instant>,
    pub(super) replicas: Option<i32>,
    /// Time at which this process published its use.
    pub(super) published: Option<Instant>,
}

impl Watches {
    pub(super) fn is_complete(&self) -> bool {
        self.listed.len() >= KINDS
    }
}

impl State {
    pub(super) fn slot(&mut self, name: &Arc<str>) -> Arc<Slot> {
        let slot = self.slots.entry(Arc::clone(name));
        Arc::clone(slot.or_insert_with(|| Arc::new(Slot::new(name))))
    }

    /// Records what the objects tell about the use of their server.
    pub(super) fn note_use(&mut self, key: &Key) {
        let Some(observed) = self.observed.get(key) else {
            return;
        };
        let mark = observed.annotation(names::ACTIVITY).map(ToOwned::to_owned);
        let replicas = observed.replicas();
        let uses = self.uses.entry(key.clone()).or_default();
        if uses.mark != mark {
            uses.mark = mark;
            uses.marked = Some(Instant::now());
        }
        if uses.replicas != replicas {
            uses.replicas = replicas;
            uses.scaled = Some(Instant::now());
        }
        if replicas > Some(0)
            && let Some(declared) = self.servers.get(key)
        {
            declared.slot.wanted.store(false, Ordering::Relaxed);
        }
    }

    pub(super) fn usage(&self, key: &Key, declared: &Declared, since: Instant) -> Usage {
        let own = declared.slot.activity.last();
        let uses = self.uses.get(key);
        let others = uses.map_or([None; 2], |uses| [uses.marked, uses.scaled]);
        let last = others.into_iter().chain([own, Some(since)]).flatten().max();
        let published = uses.and_then(|uses| uses.published);
        let interval = declared.manifest.as_ref().ok().and_then(|one| one.sleep);
        let interval = interval.unwrap_or_default() / MARKS;
        let is_due = published.is_none_or(|time| time.elapsed() >= interval);
        let unpublished = own.filter(|own| published.is_none_or(|time| *own > time) && is_due);
        Usage {
            is_wanted: declared.slot.wanted.load(Ordering::Relaxed),
            idle: last.map_or(Duration::ZERO, |last| last.elapsed()),
            unpublished: unpublished.map(|time| time.elapsed()),
        }
    }

    /// Computes the state of the declared server at `key`, and tells those who wait for it.
    pub(super) fn publish(&self, key: &Key) {
        let Some(declared) = self.servers.get(key) else {
            return;
        };
        let empty = Observed::default();
        let observed = self.observed.get(key).unwrap_or(&empty);
        let sleeps = declared
            .manifest
            .as_ref()
            .is_ok_and(|manifest| manifest.sleep.is_some());
        let found = diagnose(observed, sleeps);
        let problem = self.problem(key, declared);
        declared.slot.view.send_if_modified(|view| {
            let status = status(&found, problem.as_ref(), view.status.as_ref());
            let endpoint = declared
                .manifest
                .as_ref()
                .ok()
                .map(|manifest| endpoint(manifest));
            let changed = view.status.as_ref() != Some(&status)
                || *view.ready != *found.ready
                || *view.current != *found.current
                || view.endpoint.as_deref() != endpoint.as_ref();
            if changed {
                view.status = Some(status);
                view.ready = found.ready.into();
                view.current = found.current.into();
                view.endpoint = endpoint.map(Arc::new);
            }
            changed
        });
    }

    /// Returns the problem that prevents the declared state.
    pub(super) fn problem(&self, key: &Key, declared: &Declared) -> Option<Problem> {
        if let Err(mistakes) = &declared.manifest {
            return Some(Problem {
                reason: "InvalidDefinition",
                message: Arc::clone(mistakes),
            });
        }
        let watches = self.watches.get(&key.namespace);
        let unlisted = watches.filter(|watches| !watches.is_complete());
        let unlisted = unlisted.and_then(|watches| watches.problem.as_ref());
        unlisted.or_else(|| self.problems.get(key)).cloned()
    }
}

fn endpoint(manifest: &Manifest) -> Endpoint {
    Endpoint {
        namespace: manifest.namespace.clone(),
        is_attached: manifest.is_attached,
        secret: manifest.has_token.then(|| manifest.name.clone()),
        port: manifest.port,
        path: manifest.path.clone(),
    }
}

/// Returns the state of a server. A problem of requests is a failure unless a pod answers.
fn status(
    found: &Diagnosis,
    problem: Option<&Problem>,
    before: Option<&DeploymentStatus>,
) -> DeploymentStatus {
    let state = match found.state {
        DeploymentState::Running => DeploymentState::Running,
        _ if problem.is_some() => DeploymentState::Failed,
        state => state,
    };
    let since = before.filter(|before| before.state == state);
    let mut status =
        DeploymentStatus::new(state, since.map_or_else(SystemTime::now, |old| old.since));
    let fault = found
        .fault
        .as_ref()
        .map(|fault| (fault.reason, fault.message.as_str().into()));
    let cause = problem
        .map(|problem| (problem.reason, Arc::clone(&problem.message)))
        .or(fault);
    (status.reason, status.message) = cause
        .map(|(reason, message)| (reason.into(), message))
        .unzip();
    status.ready = u32::try_from(found.ready.len()).unwrap_or(u32::MAX);
    status.desired = found.desired;
    status.restarts = found.restarts;
    status
}

/// Number of kinds that must have been listed before anything is changed: Deployments, pods and
/// network policies.
const KINDS: usize = 3;
