//! Lists of entries, in pages of the store.
//!
//! A page is filtered while it is read, and never reads more than [`MAX_SCANNED`] documents: it may
//! be short, and even empty, although another page follows.

use std::sync::Arc;

use mcp_gateway_store::Documents;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::summary::Versions;
use crate::{Entries, EntriesError, EntryDocument, EntryStatus, EntrySummary, FoundEntry};

/// Reader of entries, who sees some of them.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Viewer<'a> {
    /// Administrator: all entries.
    Admin,
    /// Member of teams: entries of the organization and of the teams.
    Member(&'a [Arc<str>]),
    /// Anybody: entries of the organization.
    Public,
}

/// Filter of entries.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct EntryFilter {
    /// Text in the name, the title or the description.
    pub search: Option<String>,
    /// Status; without one, all but deleted entries.
    pub status: Option<EntryStatus>,
}

/// Filter of versions of entries.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct VersionFilter {
    /// Text in the name, the title or the description.
    pub search: Option<String>,
    /// Version; `latest` for the latest of each name.
    pub version: Option<String>,
    /// Time after which the entry has been changed, in seconds since the Unix epoch.
    pub updated_since: Option<u64>,
    /// `true` to include deleted entries.
    pub deleted: bool,
}

/// Page of a list.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EntryPage<T> {
    /// Entries, in a stable order.
    pub items: Vec<T>,
    /// Cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

impl<T> EntryPage<T> {
    /// Creates the only page of a list.
    #[must_use]
    pub fn of(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

impl Viewer<'_> {
    /// Returns `true` if the viewer sees entries that are restricted to `teams`.
    #[must_use]
    pub fn sees(&self, teams: Option<&[String]>) -> bool {
        match (self, teams) {
            (Self::Admin, _) | (_, None) => true,
            (Self::Member(own), Some(teams)) => teams
                .iter()
                .any(|team| own.iter().any(|own| **own == **team)),
            (Self::Public, Some(_)) => false,
        }
    }
}

impl EntryFilter {
    /// Creates a filter by text and status.
    #[must_use]
    pub fn new(search: Option<String>, status: Option<EntryStatus>) -> Self {
        Self { search, status }
    }

    fn accepts(&self, summary: &EntrySummary) -> bool {
        let is_wanted = match self.status {
            Some(status) => summary.status == status,
            None => summary.status != EntryStatus::Deleted,
        };
        let texts = [
            Some(&summary.name),
            summary.title.as_ref(),
            Some(&summary.description),
        ];
        is_wanted && matches(self.search.as_deref(), &texts)
    }
}

impl VersionFilter {
    /// Creates the filter of a request of the registry API.
    #[must_use]
    pub fn new(
        search: Option<String>,
        version: Option<String>,
        updated_since: Option<u64>,
    ) -> Self {
        Self {
            search,
            version,
            updated_since,
            deleted: updated_since.is_some(),
        }
    }

    fn accepts(&self, document: &EntryDocument) -> bool {
        let entry = &document.entry;
        let texts = [
            Some(&entry.name),
            entry.title.as_ref(),
            Some(&entry.description),
        ];
        let version = self
            .version
            .as_deref()
            .filter(|version| *version != "latest");
        (self.deleted || entry.status != EntryStatus::Deleted)
            && self
                .updated_since
                .is_none_or(|since| document.updated > since)
            && version.is_none_or(|version| entry.version == version)
            && matches(self.search.as_deref(), &texts)
    }
}

impl Entries {
    /// Returns up to `limit` entries with a name greater than `after`, ordered by name, as `viewer`
    /// sees them.
    ///
    /// # Errors
    ///
    /// [`EntriesError::Store`] if the store is unavailable.
    pub async fn list(
        &self,
        filter: &EntryFilter,
        viewer: Viewer<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<EntryPage<EntrySummary>, EntriesError> {
        let select = |summary: &EntrySummary| {
            let is_listed = viewer.sees(summary.teams.as_deref()) && filter.accepts(summary);
            is_listed.then(|| summary.clone())
        };
        let library = self.library.values().filter_map(|document| {
            let summary = EntrySummary {
                library: true,
                ..EntrySummary::of(document)
            };
            Some((summary.name.clone(), select(&summary)?))
        });
        let is_filtered = filter.search.is_some() || !matches!(viewer, Viewer::Admin);
        let scan = Scan {
            library: library.collect(),
            after,
            limit,
            step: if is_filtered { STEP } else { limit + 1 },
        };
        let known = |name: &str| self.library.contains_key(name);
        scan.run(&self.names, |name, versions: &Versions| {
            select(&versions.summary).filter(|_| !known(name))
        })
        .await
    }

    /// Returns up to `limit` versions of entries after the cursor `after`, as `viewer` sees them.
    ///
    /// # Errors
    ///
    /// [`EntriesError::Store`] if the store is unavailable.
    pub async fn list_versions(
        &self,
        filter: &VersionFilter,
        viewer: Viewer<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<EntryPage<FoundEntry>, EntriesError> {
        let select = |document: &EntryDocument| {
            let is_visible = viewer.sees(document.entry.teams.as_deref());
            is_visible && filter.accepts(document)
        };
        let library = self.library.values().filter(|it| select(it));
        let library = library.map(|it| (it.entry.name.clone(), it.entry.id()));
        let (library, only_latest) = (
            library.collect(),
            filter.version.as_deref() == Some("latest"),
        );
        let scan = Scan {
            library,
            after,
            limit,
            step: STEP.min(limit + 1),
        };
        let known = |name: &str| self.library.contains_key(name);
        let page = match only_latest {
            true => {
                let by_name = |name: &str, versions: &Versions| {
                    let latest = versions.latest().filter(|_| !known(name))?;
                    let summary = &versions.summary;
                    let is_text = matches(
                        filter.search.as_deref(),
                        &[
                            Some(&summary.name),
                            summary.title.as_ref(),
                            Some(&summary.description),
                        ],
                    );
                    let is_visible = viewer.sees(summary.teams.as_deref());
                    (is_text && is_visible).then(|| format!("{name}@{latest}"))
                };
                scan.run(&self.names, by_name).await?
            }
            false => {
                let by_version = |id: &str, document: &EntryDocument| {
                    let is_listed = select(document) && !known(&document.entry.name);
                    is_listed.then(|| id.to_owned())
                };
                scan.run(&self.documents, by_version).await?
            }
        };
        let mut items = Vec::with_capacity(page.items.len());
        for id in &page.items {
            let (name, version) = id.split_once('@').unwrap_or((id, ""));
            let found = self.get(name, Some(version)).await?;
            items.extend(found.filter(|found| select(&found.document)));
        }
        Ok(EntryPage {
            items,
            next: page.next,
        })
    }
}

/// Scan of documents for a page, in the order of their identifiers.
struct Scan<'a, T> {
    /// Items of the library, by identifier.
    library: Vec<(String, T)>,
    after: Option<&'a str>,
    limit: usize,
    /// Number of documents that are read at once.
    step: usize,
}

impl<T> Scan<'_, T> {
    /// Returns the page of the documents from which `select` makes an item.
    async fn run<D: Serialize + DeserializeOwned>(
        self,
        documents: &Documents<D>,
        select: impl Fn(&str, &D) -> Option<T>,
    ) -> Result<EntryPage<T>, EntriesError> {
        let mut items: Vec<(String, T)> = Vec::new();
        let mut last = self.after.map(str::to_owned);
        let (mut scanned, mut is_end) = (0, false);
        while items.len() <= self.limit && scanned < MAX_SCANNED && !is_end {
            let page = documents.list("", last.as_deref(), self.step).await?;
            is_end = page.len() < self.step;
            scanned += page.len();
            for (id, document) in &page {
                items.extend(select(id, &document.value).map(|item| (id.clone(), item)));
            }
            last = page.last().map(|(id, _)| id.clone()).or(last);
        }
        let is_here = |id: &str| {
            let is_after = self.after.is_none_or(|after| id > after);
            is_after && (is_end || last.as_deref().is_none_or(|last| id <= last))
        };
        items.extend(self.library.into_iter().filter(|(id, _)| is_here(id)));
        items.sort_by(|(a, _), (b, _)| a.cmp(b));
        let has_more = items.len() > self.limit;
        items.truncate(self.limit);
        let next = match has_more {
            true => items.last().map(|(id, _)| id.clone()),
            false => last.filter(|_| !is_end),
        };
        Ok(EntryPage {
            items: items.into_iter().map(|(_, item)| item).collect(),
            next,
        })
    }
}

/// Returns `true` if one of `texts` contains `search`, in any case.
fn matches(search: Option<&str>, texts: &[Option<&String>]) -> bool {
    let Some(search) = search.filter(|search| !search.is_empty()) else {
        return true;
    };
    let search = search.to_lowercase();
    let mut texts = texts.iter().flatten();
    texts.any(|text| text.to_lowercase().contains(&search))
}

/// Number of documents that a filtered list reads at once.
const STEP: usize = 500;

/// Maximum number of documents that are read for a page.
const MAX_SCANNED: usize = 20_000;

#[cfg(test)]
mod tests {
    use mcp_gateway_store::{Attachment, MemoryStore};

    use super::*;
    use crate::Entry;

    async fn entries() -> Entries {
        let library =
            ["b", "memory"].map(|name| EntryDocument::new(Entry::new(name, "1", "ready"), 0));
        let entries = Entries::new(Arc::new(MemoryStore::new()), library);
        for (name, version, teams) in [
            ("a", "1.0.0", None),
            ("c/d", "1.0.0", Some("ops")),
            ("c/d", "1.1.0", Some("ops")),
            ("e", "1.0.0", Some("dev")),
            ("z", "1.0.0", None),
        ] {
            let mut entry = Entry::new(name, version, format!("Entry {name}"));
            entry.teams = teams.map(|team| vec![team.to_owned()]);
            let document = EntryDocument::new(entry, 7);
            entries
                .create(&document, &Attachment::default())
                .await
                .unwrap();
        }
        entries
    }

    async fn names(
        entries: &Entries,
        filter: &EntryFilter,
        viewer: Viewer<'_>,
        limit: usize,
    ) -> Vec<String> {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = entries
                .list(filter, viewer, after.as_deref(), limit)
                .await
                .unwrap();
            assert!(page.items.len() <= limit);
            names.extend(page.items.into_iter().map(|summary| summary.name));
            match page.next {
                Some(next) => after = Some(next),
                None => return names,
            }
        }
    }

    #[tokio::test]
    async fn every_viewer_sees_their_entries_once() {
        let entries = entries().await;
        let ops = [Arc::from("ops")];
        let filter = EntryFilter::default();
        for limit in 1..=8 {
            for (viewer, expected) in [
                (Viewer::Admin, vec!["a", "b", "c/d", "e", "memory", "z"]),
                (Viewer::Member(&ops), vec!["a", "b", "c/d", "memory", "z"]),
                (Viewer::Public, vec!["a", "b", "memory", "z"]),
            ] {
                assert_eq!(
                    names(&entries, &filter, viewer, limit).await,
                    expected,
                    "{limit}"
                );
            }
        }
        let search = EntryFilter::new(Some("READY".to_owned()), None);
        assert_eq!(
            names(&entries, &search, Viewer::Public, 50).await,
            ["b", "memory"]
        );
        let deleted = EntryFilter::new(None, Some(EntryStatus::Deleted));
        assert!(
            names(&entries, &deleted, Viewer::Admin, 50)
                .await
                .is_empty()
        );
    }

    #[tokio::test]
    async fn versions_are_listed_by_version_and_time() {
        let entries = entries().await;
        let list = async |filter: &VersionFilter, limit| {
            let (mut ids, mut after) = (Vec::new(), None::<String>);
            loop {
                let page = entries.list_versions(filter, Viewer::Admin, after.as_deref(), limit);
                let page = page.await.unwrap();
                ids.extend(
                    page.items
                        .iter()
                        .map(|it| (it.document.entry.id(), it.is_latest)),
                );
                match page.next {
                    Some(next) => after = Some(next),
                    None => return ids,
                }
            }
        };
        for limit in [1, 3, 50] {
            let all = list(&VersionFilter::default(), limit).await;
            assert_eq!(all.len(), 7, "{all:?}");
            assert!(all.contains(&("c/d@1.0.0".to_owned(), false)), "{all:?}");
            let latest = VersionFilter::new(None, Some("latest".to_owned()), None);
            let latest = list(&latest, limit).await;
            assert_eq!(latest.len(), 6, "{latest:?}");
            assert!(latest.iter().all(|(_, is_latest)| *is_latest), "{latest:?}");
        }
        let since = VersionFilter::new(None, None, Some(7));
        assert!(list(&since, 50).await.is_empty());
    }
}
