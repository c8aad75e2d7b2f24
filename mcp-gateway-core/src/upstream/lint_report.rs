//! Defects of the definitions that a server lists.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalog::lint::{Finding, LintPolicy, Outcome};
use crate::catalog::{ListKind, Listing};

/// Defects of the definitions that a server lists, over all views.
///
/// Each of them is logged once.
#[derive(Debug, Default)]
pub(super) struct LintReport {
    policy: LintPolicy,
    state: Mutex<LintState>,
}

#[derive(Debug, Default)]
struct LintState {
    /// Treatment of the tools with defects.
    tools: BTreeMap<Arc<str>, Outcome>,
    /// Defects that have been logged.
    logged: HashSet<Finding>,
}

/// Numbers of tools with defects.
///
/// A tool counts once, by its worst defect.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LintCounts {
    /// Tools whose definitions have been adapted.
    pub adapted: usize,
    /// Tools with defects that are listed as they are.
    pub reported: usize,
    /// Tools that are left out of the list.
    pub held_back: usize,
}

impl LintReport {
    /// Creates an empty report.
    pub(super) fn new(policy: LintPolicy) -> Self {
        let state = Mutex::default();
        Self { policy, state }
    }

    /// Returns the treatment of tools that model interfaces reject.
    pub(super) fn policy(&self) -> LintPolicy {
        self.policy
    }

    /// Returns the numbers of tools with defects.
    pub(super) fn counts(&self) -> LintCounts {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |outcome| state.tools.values().filter(|it| **it == outcome).count();
        LintCounts {
            adapted: count(Outcome::Adapted),
            reported: count(Outcome::Reported),
            held_back: count(Outcome::HeldBack),
        }
    }

    /// Records the findings about `listing` of `server`, which is a page that follows others unless
    /// `is_first`, and logs those that are new.
    pub(super) fn record(&self, server: &str, listing: &Listing, is_first: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if listing.kind() == ListKind::Tools {
            if is_first {
                state.tools.clear();
            }
            for finding in listing.findings() {
                let worst = state
                    .tools
                    .entry(Arc::clone(&finding.name))
                    .or_insert(finding.outcome);
                *worst = finding.outcome.max(*worst);
            }
        }
        let new = listing.findings().iter();
        let new: Vec<_> = new
            .filter(|finding| !state.logged.contains(finding))
            .collect();
        if state.logged.len() + new.len() > MAX_LOGGED {
            state.logged.clear();
        }
        state.logged.extend(new.iter().copied().cloned());
        drop(state);
        log(server, listing.kind(), &new);
    }
}

/// Logs one line about `findings`, and each of them for debugging.
fn log(server: &str, kind: ListKind, findings: &[&Finding]) {
    let Some(worst) = findings.iter().max_by_key(|finding| finding.outcome) else {
        return;
    };
    let (list, count, name) = (kind.member(), findings.len(), &*worst.name);
    match worst.outcome {
        Outcome::Adapted => {
            tracing::info!(server, list, count, name, first = %worst, "invalid definitions adapted");
        }
        Outcome::Reported => {
            tracing::warn!(server, list, count, name, first = %worst, "model interfaces reject definitions");
        }
        Outcome::HeldBack => {
            tracing::warn!(server, list, count, name, first = %worst, "definitions held back");
        }
    }
    for finding in findings {
        tracing::debug!(server, list, name = &*finding.name, %finding, "definition checked");
    }
}

/// Maximum number of defects that are remembered as logged.
const MAX_LOGGED: usize = 10_000;
