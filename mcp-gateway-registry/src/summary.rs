//! Summaries of entries: one document for each name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{EntryDocument, EntryStatus, version};

/// Summary of an entry, in its latest version.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntrySummary {
    /// Name.
    pub name: String,
    /// Latest version that is not deleted, if there is one.
    pub version: String,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Description.
    pub description: String,
    /// `true` if the server can be installed.
    pub installable: bool,
    /// Teams that see the entry; everybody if `null`.
    pub teams: Option<Vec<String>>,
    /// Status.
    pub status: EntryStatus,
    /// Reason for the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// `true` for an entry of the library, which is read-only.
    pub library: bool,
    /// Time of the last change, in seconds since the Unix epoch.
    pub updated: u64,
}

/// Document of a name: its versions, and the summary of the latest.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Versions {
    /// Status of each version.
    pub(crate) versions: BTreeMap<String, EntryStatus>,
    pub(crate) summary: EntrySummary,
}

impl EntrySummary {
    /// Returns the summary of `document`.
    #[must_use]
    pub fn of(document: &EntryDocument) -> Self {
        let entry = &document.entry;
        Self {
            name: entry.name.clone(),
            version: entry.version.clone(),
            title: entry.title.clone(),
            description: entry.description.clone(),
            installable: entry.is_installable(),
            teams: entry.teams.clone(),
            status: entry.status,
            status_message: entry.status_message.clone(),
            library: false,
            updated: document.updated,
        }
    }
}

impl Versions {
    /// Returns the document of the only version of a name.
    pub(crate) fn of(document: &EntryDocument) -> Self {
        let entry = &document.entry;
        Self {
            versions: [(entry.version.clone(), entry.status)].into(),
            summary: EntrySummary::of(document),
        }
    }

    /// Returns the latest version: one that is not deleted, if there is any.
    pub(crate) fn latest(&self) -> Option<&str> {
        let rank = |(version, status): &(&String, &EntryStatus)| {
            (**status != EntryStatus::Deleted, (*version).clone())
        };
        let versions = self.versions.iter();
        let latest = versions.max_by(|a, b| {
            let ((a_lives, a), (b_lives, b)) = (rank(a), rank(b));
            a_lives.cmp(&b_lives).then_with(|| version::compare(&a, &b))
        });
        latest.map(|(version, _)| &**version)
    }
}
