//! Union of the filters of all subscribers of a view.
//!
//! The union always covers all lists, because the list cache depends on their notifications; only
//! resources and tasks are counted.

use std::collections::HashMap;

use crate::upstream::subscription_filter::SubscriptionFilter;

/// Union of filters, with reference counts and a version.
///
/// The version increases with each change of the union. The task that applies the union to the
/// server compares versions to detect that it must apply it again.
#[derive(Debug)]
pub(super) struct SubscriptionSet {
    /// Number of subscribers.
    pub(super) subscribers: usize,
    /// Number of subscribers per resource URI.
    uris: HashMap<String, usize>,
    /// Number of subscribers per task ID.
    tasks: HashMap<String, usize>,
    /// Version of the union. It never decreases.
    state: u64,
}

impl Default for SubscriptionSet {
    fn default() -> Self {
        Self {
            subscribers: 0,
            uris: HashMap::new(),
            tasks: HashMap::new(),
            // Not 0, the version acknowledged from the start: the lists are part of the union too.
            state: 1,
        }
    }
}

impl SubscriptionSet {
    /// Adds the filter of a subscriber; returns the version that includes it.
    ///
    /// The version stays the same if other subscribers cover the filter already.
    pub(super) fn add(&mut self, filter: &SubscriptionFilter) -> u64 {
        self.subscribers += 1;
        let mut new = false;
        let wanted = filter.resource_subscriptions.iter().map(|uri| (uri, true));
        let wanted = wanted.chain(filter.task_ids.iter().map(|task| (task, false)));
        for (name, is_uri) in wanted {
            let counts = if is_uri {
                &mut self.uris
            } else {
                &mut self.tasks
            };
            let count = counts.entry(name.clone()).or_default();
            *count += 1;
            new |= *count == 1;
        }
        self.state += u64::from(new);
        self.state
    }

    /// Removes the filter of a subscriber, which must be one that was added.
    pub(super) fn remove(&mut self, filter: &SubscriptionFilter) {
        self.subscribers = self.subscribers.saturating_sub(1);
        let mut gone = false;
        for uri in &filter.resource_subscriptions {
            gone |= release(&mut self.uris, uri);
        }
        for task in &filter.task_ids {
            gone |= release(&mut self.tasks, task);
        }
        self.state += u64::from(gone);
    }

    /// Returns `true` if there are subscribers to the resource `uri`.
    pub(super) fn contains(&self, uri: &str) -> bool {
        self.uris.contains_key(uri)
    }

    /// Returns the current version.
    pub(super) fn generation(&self) -> u64 {
        self.state
    }

    /// Returns the current version and the union of the filters.
    pub(super) fn filter(&self) -> (u64, SubscriptionFilter) {
        let filter = SubscriptionFilter {
            resource_subscriptions: self.uris.keys().cloned().collect(),
            task_ids: self.tasks.keys().cloned().collect(),
            ..SubscriptionFilter::all_lists()
        };
        (self.state, filter)
    }
}

/// Decrements the count of `name`; returns `true` if no subscriber is left.
///
/// A name that is not counted is ignored.
fn release(counts: &mut HashMap<String, usize>, name: &str) -> bool {
    let Some(count) = counts.get_mut(name) else {
        return false;
    };
    *count -= 1;
    let gone = *count == 0;
    if gone {
        counts.remove(name);
    }
    gone
}
