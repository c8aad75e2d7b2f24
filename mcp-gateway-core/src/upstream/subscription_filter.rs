//! Notification filters of subscriptions.
//!
//! A filter is the member `notifications` of `subscriptions/listen`, and of its acknowledgement.
//! The filters of all subscribers of a view are merged into one, and that of a gateway is split
//! among its servers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::DiscoverResult;
use crate::json::{object_json, string_json};
use crate::jsonrpc::Notification;
use crate::protocol::{Era, Method};

/// A notification filter: the changes that a subscriber is interested in.
///
/// Missing members of its JSON text match nothing, and unknown ones are ignored.
///
/// See [MCP 2026-07-28, notification
/// filter](https://modelcontextprotocol.io/specification/2026-07-28/basic/patterns/subscriptions#notification-filter).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SubscriptionFilter {
    /// Changes of the list of tools.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) tools_list_changed: bool,
    /// Changes of the list of prompts.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) prompts_list_changed: bool,
    /// Changes of the list of resources.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) resources_list_changed: bool,
    /// Updates of the resources with these URIs.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) resource_subscriptions: BTreeSet<String>,
    /// Status of the tasks with these IDs; from the tasks extension.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) task_ids: BTreeSet<String>,
}

impl SubscriptionFilter {
    /// Creates a filter of all changes of lists, without resources and tasks.
    pub(crate) fn all_lists() -> Self {
        Self {
            tools_list_changed: true,
            prompts_list_changed: true,
            resources_list_changed: true,
            ..Self::default()
        }
    }

    /// Parses the JSON text of a filter; `None` if a member has another type than specified.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// Returns the JSON text of the filter, without the members that match nothing.
    pub(crate) fn to_json(&self) -> String {
        // Serializing flags and sets of strings is infallible.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }

    /// Returns the part of the filter that a server with these capabilities can honor.
    ///
    /// Lists need `listChanged` of their capability, resources `resources.subscribe`, and tasks the
    /// tasks extension. A legacy server notifies of lists without being asked, whether it declares
    /// that or not.
    pub(crate) fn honored_by(&self, info: &DiscoverResult) -> Self {
        let legacy = info.version.era() == Era::Legacy;
        let lists = |kind: &str| legacy || info.declares(kind, "listChanged");
        let subscribe = info.declares("resources", "subscribe");
        let subscriptions = self.resource_subscriptions.iter().filter(|_| subscribe);
        let tasks = info.capabilities["extensions"]["io.modelcontextprotocol/tasks"].is_object();
        Self {
            tools_list_changed: self.tools_list_changed && lists("tools"),
            prompts_list_changed: self.prompts_list_changed && lists("prompts"),
            resources_list_changed: self.resources_list_changed && lists("resources"),
            resource_subscriptions: subscriptions.cloned().collect(),
            task_ids: self.task_ids.iter().filter(|_| tasks).cloned().collect(),
        }
    }

    /// Returns the filter without individual resources and tasks.
    pub(crate) fn lists_only(&self) -> Self {
        Self {
            resource_subscriptions: BTreeSet::new(),
            task_ids: BTreeSet::new(),
            ..self.clone()
        }
    }

    /// Adds everything that `other` matches.
    pub(crate) fn merge(&mut self, other: Self) {
        self.tools_list_changed |= other.tools_list_changed;
        self.prompts_list_changed |= other.prompts_list_changed;
        self.resources_list_changed |= other.resources_list_changed;
        self.resource_subscriptions
            .extend(other.resource_subscriptions);
        self.task_ids.extend(other.task_ids);
    }

    /// Returns `true` if the filter matches nothing.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns `true` if the filter matches `notification`.
    ///
    /// Notifications outside of subscriptions, such as progress and log messages, never match.
    pub(crate) fn matches(&self, notification: &Notification) -> bool {
        let names = |key: &str, names: &BTreeSet<String>| {
            notification
                .param(key)
                .and_then(crate::json::string)
                .is_some_and(|name| names.contains(&*name))
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "filters cover no other notifications"
        )]
        match notification.method() {
            Method::PromptsListChanged => self.prompts_list_changed,
            Method::ResourcesListChanged => self.resources_list_changed,
            Method::ResourcesUpdated => names("uri", &self.resource_subscriptions),
            Method::TaskStatus | Method::TasksNotification => names("taskId", &self.task_ids),
            Method::ToolsListChanged => self.tools_list_changed,
            _ => false,
        }
    }

    /// Returns the notifications to send after an unknown number of notifications was missed: one
    /// for each list and resource of the filter.
    ///
    /// The status of a task is not repeated: it is part of its notification, and unknown here.
    pub(crate) fn everything_changed(&self) -> impl Iterator<Item = Notification> {
        let lists = [
            (self.tools_list_changed, Method::ToolsListChanged),
            (self.prompts_list_changed, Method::PromptsListChanged),
            (self.resources_list_changed, Method::ResourcesListChanged),
        ];
        let lists = lists.into_iter().filter(|(wanted, _)| *wanted);
        let lists = lists.map(|(_, method)| Notification::new(&method, None));
        let updated = self.resource_subscriptions.iter().map(|uri| {
            let params = object_json(&[("uri", string_json(uri).into())]);
            Notification::new(&Method::ResourcesUpdated, Some(&params))
        });
        lists.chain(updated).collect::<Vec<_>>().into_iter()
    }
}

/// Returns `true` if the member can be left out of the JSON text.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn legacy(capabilities: &str) -> DiscoverResult {
        let result = format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities}}}"#);
        DiscoverResult::from_initialize(&result).unwrap()
    }

    fn modern(capabilities: &str) -> DiscoverResult {
        let result =
            format!(r#"{{"supportedVersions":["2026-07-28"],"capabilities":{capabilities}}}"#);
        DiscoverResult::from_discover(&result).unwrap()
    }

    #[test]
    fn a_filter_reads_back() {
        let json = r#"{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}"#;
        let filter = SubscriptionFilter::parse(json).unwrap();
        assert_eq!(filter.to_json(), json);
        assert_eq!(
            SubscriptionFilter::parse(r#"{"vendor":1}"#),
            Some(SubscriptionFilter::default())
        );
        assert_eq!(SubscriptionFilter::parse(r#"{"toolsListChanged":1}"#), None);
        assert!(SubscriptionFilter::default().is_empty());
    }

    #[test]
    fn only_what_the_server_declares_is_honored() {
        let mut filter = SubscriptionFilter::all_lists();
        filter.resource_subscriptions.insert("a:b".to_owned());
        let honored =
            filter.honored_by(&modern(r#"{"tools":{"listChanged":true},"resources":{}}"#));
        assert_eq!(honored.to_json(), r#"{"toolsListChanged":true}"#);
        let honored = filter.honored_by(&modern(r#"{"resources":{"subscribe":true}}"#));
        assert_eq!(honored.to_json(), r#"{"resourceSubscriptions":["a:b"]}"#);
    }

    #[test]
    fn a_legacy_server_may_notify_of_lists_that_it_does_not_declare() {
        let mut filter = SubscriptionFilter::all_lists();
        filter.resource_subscriptions.insert("a:b".to_owned());
        assert_eq!(
            filter.honored_by(&legacy("{}")),
            SubscriptionFilter::all_lists()
        );
        filter.tools_list_changed = false;
        let honored = filter.honored_by(&legacy(r#"{"resources":{"subscribe":true}}"#));
        assert_eq!(honored, filter);
    }

    #[test]
    fn only_what_was_asked_for_is_wanted() {
        let filter = SubscriptionFilter::parse(
            r#"{"toolsListChanged":true,"resourceSubscriptions":["a:b"]}"#,
        );
        let filter = filter.unwrap();
        let updated = |params: &str| Notification::new(&Method::ResourcesUpdated, Some(params));
        assert!(filter.matches(&Notification::new(&Method::ToolsListChanged, None)));
        assert!(!filter.matches(&Notification::new(&Method::PromptsListChanged, None)));
        assert!(filter.matches(&updated(r#"{"uri":"a:b"}"#)));
        assert!(!filter.matches(&updated(r#"{"uri":"a:c"}"#)));
        assert!(!filter.matches(&Notification::new(&Method::LogMessage, None)));
        assert!(
            filter
                .everything_changed()
                .all(|notification| filter.matches(&notification))
        );
        assert_eq!(filter.everything_changed().count(), 2);
    }
}
