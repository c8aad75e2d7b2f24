//! Import of published entries.

use mcp_gateway_store::Attachment;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::server_json::{self, ReadEntry};
use crate::timestamp::now;
use crate::{Entries, EntriesError, Entry, EntryDocument, EntryStatus, Origin, Violation};

/// Options of an import.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportOptions {
    /// Registry from which the entries are.
    pub origin: Origin,
    /// Teams that see new entries; those of the other versions of a name, or everybody if `None`.
    pub teams: Option<Vec<String>>,
    /// Record of a new entry.
    pub created: Attachment,
    /// Record of a changed entry.
    pub updated: Attachment,
}

/// Result of an import.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ImportReport {
    /// Names and versions of new entries.
    pub created: Vec<String>,
    /// Names and versions of changed entries.
    pub updated: Vec<String>,
    /// Number of entries that are as before.
    pub unchanged: usize,
    /// Number of deleted entries that are not known here.
    pub skipped: usize,
    /// Imported entries that cannot be installed, with the reasons.
    pub unsupported: Vec<RejectedEntry>,
    /// Entries that have not been imported, with the reasons.
    pub rejected: Vec<RejectedEntry>,
    /// Entries whose status has changed.
    pub statuses: Vec<String>,
}

/// Entry with a reason.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct RejectedEntry {
    /// Name, as it is in the file.
    pub name: String,
    /// Reason.
    pub reason: String,
}

/// Check of the configuration of a server, with sample values.
pub type TemplateCheck<'a> = &'a (dyn Fn(&Value) -> Vec<Violation> + Send + Sync);

impl ImportOptions {
    /// Creates options for entries of `registry`; `None` for a file.
    #[must_use]
    pub fn new(registry: Option<String>, teams: Option<Vec<String>>) -> Self {
        Self {
            origin: Origin { registry },
            teams,
            created: Attachment::default(),
            updated: Attachment::default(),
        }
    }

    /// Adds the records of new and changed entries.
    #[must_use]
    pub fn with_records(self, created: Attachment, updated: Attachment) -> Self {
        Self {
            created,
            updated,
            ..self
        }
    }
}

impl RejectedEntry {
    fn new(name: &str, reason: impl Into<String>) -> Self {
        Self {
            name: name
                .chars()
                .filter(|it| !it.is_control())
                .take(200)
                .collect(),
            reason: reason.into(),
        }
    }
}

impl Entry {
    /// Marks the entry as unsupported if `check` rejects its server with sample values.
    pub fn check_template(&mut self, check: TemplateCheck<'_>) {
        if self.server.is_none() || self.unsupported.is_some() {
            return;
        }
        if let Some(violation) = self.template_violations(check).first() {
            self.unsupported = Some(format!("{}: {}", violation.path, violation.message));
        }
    }
}

impl Entries {
    /// Imports `documents`: files `server.json`, or entries of a response of a registry.
    ///
    /// An invalid document costs itself alone. An entry of another origin is never replaced. The
    /// status is carried over, also to `deleted`; deleted entries that are not known are skipped.
    ///
    /// # Errors
    ///
    /// [`EntriesError::Store`] if the store is unavailable. The entries before remain.
    pub async fn import(
        &self,
        documents: &[Value],
        options: &ImportOptions,
        check: TemplateCheck<'_>,
    ) -> Result<ImportReport, EntriesError> {
        let mut report = ImportReport::default();
        for document in documents {
            match server_json::read(document) {
                Ok(mut read) => {
                    read.entry.check_template(check);
                    self.import_one(read, options, &mut report).await?;
                }
                Err(reason) => {
                    let server = document.get("server").unwrap_or(document);
                    let name = server["name"].as_str().unwrap_or_default();
                    report.rejected.push(RejectedEntry::new(name, reason));
                }
            }
        }
        Ok(report)
    }

    async fn import_one(
        &self,
        read: ReadEntry,
        options: &ImportOptions,
        report: &mut ImportReport,
    ) -> Result<(), EntriesError> {
        let ReadEntry {
            mut entry,
            published,
            ..
        } = read;
        let id = entry.id();
        let before = self.get(&entry.name, Some(&entry.version)).await?;
        if before.is_none() && entry.status == EntryStatus::Deleted {
            report.skipped += 1;
            return Ok(());
        }
        let latest = match &before {
            Some(_) => None,
            None => self.get(&entry.name, None).await?,
        };
        let known = before.as_ref().or(latest.as_ref());
        let known = known.map(|known| known.document.entry.teams.clone());
        entry.teams = known.unwrap_or_else(|| options.teams.clone());
        if let Some(reason) = &entry.unsupported {
            report
                .unsupported
                .push(RejectedEntry::new(&id, reason.as_str()));
        }
        let mut document = EntryDocument::new(entry, now());
        document.origin = Some(options.origin.clone());
        document.published = Some(published);
        let written = match &before {
            None => self.create(&document, &options.created).await,
            Some(before) if before.document.origin != document.origin => {
                report
                    .rejected
                    .push(RejectedEntry::new(&id, "exists, and has another origin"));
                return Ok(());
            }
            Some(before) => {
                document.created = before.document.created;
                let is_same = before.document.entry == document.entry
                    && before.document.published == document.published;
                if is_same {
                    report.unchanged += 1;
                    return Ok(());
                }
                if before.document.entry.status != document.entry.status {
                    report.statuses.push(id.clone());
                }
                self.replace(&document, before.tag.unwrap_or_default(), &options.updated)
                    .await
            }
        };
        match written {
            Ok(_) if before.is_none() => report.created.push(id),
            Ok(_) => report.updated.push(id),
            Err(EntriesError::Store(error)) => return Err(error.into()),
            Err(error) => report
                .rejected
                .push(RejectedEntry::new(&id, error.to_string())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mcp_gateway_store::MemoryStore;
    use serde_json::json;

    use super::*;

    fn file(name: &str, status: &str) -> Value {
        json!({
            "server": { "name": name, "description": "A", "version": "1.0.0",
                "remotes": [{ "type": "sse", "url": "https://a.example.com" }] },
            "_meta": { server_json::OFFICIAL: { "status": status, "statusMessage": "moved" } },
        })
    }

    #[tokio::test]
    async fn one_bad_entry_costs_itself_alone() {
        let entries = Entries::new(Arc::new(MemoryStore::new()), []);
        let options = ImportOptions::new(Some("https://r.example.com".to_owned()), None);
        let documents = [
            file("com.example/a", "active"),
            file("local/memory", "active"),
            json!({ "server": { "name": "a b", "version": "1" } }),
            json!(5),
            file("com.example/gone", "deleted"),
        ];
        let accept = |_: &Value| Vec::new();
        let report = entries.import(&documents, &options, &accept).await.unwrap();
        assert_eq!(report.created, ["com.example/a@1.0.0"]);
        assert_eq!(
            (report.rejected.len(), report.skipped),
            (3, 1),
            "{report:?}"
        );
        let report = entries.import(&documents, &options, &accept).await.unwrap();
        assert_eq!(
            (report.unchanged, report.created.len()),
            (1, 0),
            "{report:?}"
        );

        let gone = [file("com.example/a", "deleted")];
        let report = entries.import(&gone, &options, &accept).await.unwrap();
        assert_eq!(report.statuses, ["com.example/a@1.0.0"], "{report:?}");
        let found = entries
            .get("com.example/a", Some("1.0.0"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.document.entry.status, EntryStatus::Deleted);
        assert_eq!(
            found.document.entry.status_message.as_deref(),
            Some("moved")
        );
    }

    #[tokio::test]
    async fn r14_a_registry_does_not_replace_the_entries_of_another() {
        let entries = Entries::new(Arc::new(MemoryStore::new()), []);
        let accept = |_: &Value| Vec::new();
        let documents = [file("com.example/a", "active")];
        let first = ImportOptions::new(Some("https://a.example.com".to_owned()), None);
        entries.import(&documents, &first, &accept).await.unwrap();
        for origin in [None, Some("https://b.example.com".to_owned())] {
            let other = ImportOptions::new(origin, None);
            let gone = [file("com.example/a", "deleted")];
            let report = entries.import(&gone, &other, &accept).await.unwrap();
            assert!(
                report.rejected[0].reason.contains("another origin"),
                "{report:?}"
            );
        }
    }

    #[tokio::test]
    async fn r14_new_versions_keep_the_visibility_of_the_name() {
        let entries = Entries::new(Arc::new(MemoryStore::new()), []);
        let options = ImportOptions::new(None, Some(vec!["ops".to_owned()]));
        let reject = |_: &Value| vec![Violation::new("remote", "no")];
        let report = entries
            .import(&[file("a/b", "active")], &options, &reject)
            .await
            .unwrap();
        assert_eq!(report.unsupported[0].reason, "remote: no");
        let mut newer = file("a/b", "active");
        newer["server"]["version"] = "1.1.0".into();
        let options = ImportOptions::new(None, None);
        entries.import(&[newer], &options, &reject).await.unwrap();
        let found = entries.get("a/b", None).await.unwrap().unwrap();
        assert_eq!(found.document.entry.version, "1.1.0");
        assert_eq!(found.document.entry.teams, Some(vec!["ops".to_owned()]));
    }
}
