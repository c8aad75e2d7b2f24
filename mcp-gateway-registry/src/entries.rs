//! Entries in a store, beside a library.
//!
//! | document | content |
//! |---|---|
//! | `registry/entry/{name}@{version}` | one version of an entry |
//! | `registry/name/{name}` | the versions of a name, and the summary of the latest |
//!
//! Both are written in one conditional batch, so that concurrent writers of one name never lose a
//! version. Nothing is kept in memory: lists are pages of the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use mcp_gateway_store::{
    Attachment, Batch, CommitOutcome, DocumentError, DocumentVersion, Documents, Store,
};

use crate::summary::Versions;
use crate::{EntryDocument, EntrySummary};

/// Entries of a registry. Cheap to clone.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_registry::{Entries, EntriesError, Entry, EntryDocument};
/// use mcp_gateway_store::{Attachment, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), EntriesError> {
/// let entries = Entries::new(Arc::new(MemoryStore::new()), []);
/// for version in ["1.10.0", "1.9.0"] {
///     let entry = Entry::new("com.example/notes", version, "Notes");
///     entries.create(&EntryDocument::new(entry, 0), &Attachment::default()).await?;
/// }
/// let latest = entries.get("com.example/notes", None).await?.unwrap();
/// assert_eq!(latest.document.entry.version, "1.10.0");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Entries {
    pub(crate) documents: Documents<EntryDocument>,
    pub(crate) names: Documents<Versions>,
    pub(crate) library: Arc<BTreeMap<String, EntryDocument>>,
}

/// Entry that has been found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FoundEntry {
    /// Entry.
    pub document: EntryDocument,
    /// Version of its document; `None` for an entry of the library, which is read-only.
    pub tag: Option<u64>,
    /// `true` if it is the latest version of its name.
    pub is_latest: bool,
}

/// The reason for which entries could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntriesError {
    /// The entry has been changed by somebody else.
    #[error("the entry has been changed in the meantime")]
    Changed,
    /// The version exists.
    #[error("this version of the entry exists")]
    Exists,
    /// The name is that of an entry of the library.
    #[error("the entry belongs to the library, and is read-only")]
    ReadOnly,
    /// The store is unavailable, or a document is invalid.
    #[error("the entries are unavailable")]
    Store(#[from] DocumentError),
    /// The name has too many versions.
    #[error("the entry has {MAX_VERSIONS} versions; delete one")]
    TooManyVersions,
    /// The entry does not exist.
    #[error("no such entry")]
    Unknown,
}

/// Change of one version.
enum Write<'a> {
    Create(&'a EntryDocument),
    Replace(&'a EntryDocument, DocumentVersion),
    Delete(&'a str, DocumentVersion),
}

impl Entries {
    /// Uses the entries in `store`, beside those of `library`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, library: impl IntoIterator<Item = EntryDocument>) -> Self {
        let library = library.into_iter();
        let library = library.map(|document| (document.entry.name.clone(), document));
        Self {
            documents: Documents::new(Arc::clone(&store), "registry/entry/"),
            names: Documents::new(store, "registry/name/"),
            library: Arc::new(library.collect()),
        }
    }

    /// Returns the entry `name` in `version`, or in the latest one.
    ///
    /// # Errors
    ///
    /// [`EntriesError::Store`] if the store is unavailable.
    pub async fn get(
        &self,
        name: &str,
        version: Option<&str>,
    ) -> Result<Option<FoundEntry>, EntriesError> {
        if let Some(document) = self.library.get(name) {
            let is_found = version.is_none_or(|version| document.entry.version == version);
            return Ok(is_found.then(|| FoundEntry {
                document: document.clone(),
                tag: None,
                is_latest: true,
            }));
        }
        let Some(names) = self.names.get(name).await? else {
            return Ok(None);
        };
        let latest = names.value.latest();
        let Some(version) = version.or(latest) else {
            return Ok(None);
        };
        let found = self.documents.get(&id(name, version)).await?;
        Ok(found.map(|found| FoundEntry {
            is_latest: latest == Some(version),
            tag: Some(found.version.0),
            document: found.value,
        }))
    }

    /// Returns the versions of the entry `name`, the latest first.
    ///
    /// # Errors
    ///
    /// [`EntriesError::Store`] if the store is unavailable.
    pub async fn versions(&self, name: &str) -> Result<Vec<FoundEntry>, EntriesError> {
        if self.library.contains_key(name) {
            return Ok(self.get(name, None).await?.into_iter().collect());
        }
        let names = self.names.get(name).await?;
        let mut versions: Vec<_> = names
            .into_iter()
            .flat_map(|names| names.value.versions.into_keys())
            .collect();
        versions.sort_unstable_by(|a, b| crate::version::compare(b, a));
        let mut found = Vec::new();
        for version in versions {
            found.extend(self.get(name, Some(&version)).await?);
        }
        Ok(found)
    }

    /// Creates a version of an entry, with `record` in the same batch.
    ///
    /// # Errors
    ///
    /// [`EntriesError`] if it exists, is read-only, or the store is unavailable.
    pub async fn create(
        &self,
        document: &EntryDocument,
        record: &Attachment,
    ) -> Result<FoundEntry, EntriesError> {
        self.write(&document.entry.name, Write::Create(document), record)
            .await?;
        self.reread(document).await
    }

    /// Replaces a version of an entry whose document has the version `tag`, with `record` in the same
    /// batch.
    ///
    /// # Errors
    ///
    /// [`EntriesError`] if it has another version, is read-only, or the store is unavailable.
    pub async fn replace(
        &self,
        document: &EntryDocument,
        tag: u64,
        record: &Attachment,
    ) -> Result<FoundEntry, EntriesError> {
        let write = Write::Replace(document, DocumentVersion(tag));
        self.write(&document.entry.name, write, record).await?;
        self.reread(document).await
    }

    /// Deletes a version of an entry whose document has the version `tag`, with `record` in the same
    /// batch.
    ///
    /// # Errors
    ///
    /// [`EntriesError`] if it has another version, is read-only, or the store is unavailable.
    pub async fn delete(
        &self,
        name: &str,
        version: &str,
        tag: u64,
        record: &Attachment,
    ) -> Result<(), EntriesError> {
        let write = Write::Delete(version, DocumentVersion(tag));
        self.write(name, write, record).await
    }

    async fn reread(&self, document: &EntryDocument) -> Result<FoundEntry, EntriesError> {
        let entry = &document.entry;
        let found = self.get(&entry.name, Some(&entry.version)).await?;
        found.ok_or(EntriesError::Changed)
    }

    /// Writes a version and the document of its name.
    ///
    /// Writers of other versions of the name cause a retry; another writer of this one an error.
    async fn write(
        &self,
        name: &str,
        write: Write<'_>,
        record: &Attachment,
    ) -> Result<(), EntriesError> {
        if self.library.contains_key(name) {
            return Err(EntriesError::ReadOnly);
        }
        for _ in 0..ATTEMPTS {
            let before = self.names.get(name).await?;
            let mut batch = match &before {
                Some(before) => Batch::new().if_version(self.names.key(name), before.version),
                None => Batch::new().if_absent(self.names.key(name)),
            };
            let key = self.documents.key(&id(name, write.version()));
            batch = match &write {
                Write::Create(_) => batch.if_absent(key),
                Write::Replace(_, tag) | Write::Delete(_, tag) => batch.if_version(key, *tag),
            };
            let after = self
                .after(name, before.map(|before| before.value), &write)
                .await?;
            batch = match &after {
                Some(after) => self.names.put(batch, name, after, None)?,
                None => batch.delete(self.names.key(name)),
            };
            let id = id(name, write.version());
            batch = match write {
                Write::Create(document) | Write::Replace(document, _) => {
                    self.documents.put(batch, &id, document, None)?
                }
                Write::Delete(..) => batch.delete(self.documents.key(&id)),
            };
            let batch = record.add_to(batch, &id);
            let committed = self.documents.store().commit(batch).await;
            if committed.map_err(DocumentError::from)? == CommitOutcome::Committed {
                return Ok(());
            }
            let current = self.documents.get(&id).await?.map(|it| it.version);
            match (&write, current) {
                (Write::Create(_), Some(_)) => return Err(EntriesError::Exists),
                (Write::Replace(_, tag) | Write::Delete(_, tag), current) => match current {
                    None => return Err(EntriesError::Unknown),
                    Some(current) if current != *tag => return Err(EntriesError::Changed),
                    Some(_) => {}
                },
                (Write::Create(_), None) => {}
            }
        }
        Err(EntriesError::Changed)
    }

    /// Returns the document of `name` after `write`; `None` if no version is left.
    async fn after(
        &self,
        name: &str,
        before: Option<Versions>,
        write: &Write<'_>,
    ) -> Result<Option<Versions>, EntriesError> {
        let written = match write {
            Write::Create(document) | Write::Replace(document, _) => Some(*document),
            Write::Delete(..) => None,
        };
        let Some(mut versions) = before else {
            return Ok(written.map(Versions::of));
        };
        match written {
            Some(document) => {
                let entry = &document.entry;
                versions
                    .versions
                    .insert(entry.version.clone(), entry.status);
            }
            None => _ = versions.versions.remove(write.version()),
        }
        if versions.versions.len() > MAX_VERSIONS {
            return Err(EntriesError::TooManyVersions);
        }
        let Some(latest) = versions.latest() else {
            return Ok(None);
        };
        let stored;
        let document = match written.filter(|document| document.entry.version == latest) {
            Some(document) => Some(document),
            None if versions.summary.version == latest => None,
            None => {
                stored = self.documents.get(&id(name, latest)).await?;
                stored.as_ref().map(|stored| &stored.value)
            }
        };
        if let Some(document) = document {
            versions.summary = EntrySummary::of(document);
        }
        Ok(Some(versions))
    }
}

impl Write<'_> {
    /// Returns the version of the entry.
    fn version(&self) -> &str {
        match self {
            Self::Create(document) | Self::Replace(document, _) => &document.entry.version,
            Self::Delete(version, _) => version,
        }
    }
}

/// Returns the identifier of the document of a version. Names have no `@`.
fn id(name: &str, version: &str) -> String {
    format!("{name}@{version}")
}

/// Maximum number of attempts of a write.
const ATTEMPTS: usize = 8;

/// Maximum number of versions of a name.
const MAX_VERSIONS: usize = 1000;

#[cfg(test)]
mod tests {
    use mcp_gateway_store::MemoryStore;

    use super::*;
    use crate::{Entry, EntryStatus};

    fn document(version: &str, status: EntryStatus) -> EntryDocument {
        let mut entry = Entry::new("com.example/a", version, format!("A {version}"));
        entry.status = status;
        EntryDocument::new(entry, 1)
    }

    fn none() -> Attachment {
        Attachment::default()
    }

    async fn latest(entries: &Entries) -> Option<(String, String)> {
        let found = entries.get("com.example/a", None).await.unwrap();
        let names = entries.names.get("com.example/a").await.unwrap();
        let version = found.map(|found| found.document.entry.version);
        Some((version?, names.unwrap().value.summary.description))
    }

    #[tokio::test]
    async fn the_latest_version_is_followed() {
        let entries = Entries::new(Arc::new(MemoryStore::new()), []);
        let expected = |version: &str| Some((version.to_owned(), format!("A {version}")));
        entries
            .create(&document("1.9.0", EntryStatus::Active), &none())
            .await
            .unwrap();
        let found = entries
            .create(&document("1.10.0", EntryStatus::Active), &none())
            .await
            .unwrap();
        assert_eq!(latest(&entries).await, expected("1.10.0"));
        let gone = document("1.10.0", EntryStatus::Deleted);
        let tag = found.tag.unwrap();
        let gone = entries.replace(&gone, tag, &none()).await.unwrap();
        assert!(!gone.is_latest);
        assert_eq!(latest(&entries).await, expected("1.9.0"));
        let error = entries
            .delete("com.example/a", "1.10.0", tag, &none())
            .await
            .unwrap_err();
        assert!(matches!(error, EntriesError::Changed), "{error}");
        let error = entries
            .create(&document("1.9.0", EntryStatus::Active), &none())
            .await
            .unwrap_err();
        assert!(matches!(error, EntriesError::Exists), "{error}");

        let versions = entries.versions("com.example/a").await.unwrap();
        assert_eq!(versions.len(), 2);
        for found in versions {
            let version = &found.document.entry.version;
            entries
                .delete("com.example/a", version, found.tag.unwrap(), &none())
                .await
                .unwrap();
        }
        assert_eq!(latest(&entries).await, None);
        assert!(entries.names.get("com.example/a").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_library_is_read_only() {
        let library = document("1.0.0", EntryStatus::Active);
        let entries = Entries::new(Arc::new(MemoryStore::new()), [library.clone()]);
        let found = entries
            .get("com.example/a", Some("1.0.0"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!((found.document, found.tag), (library, None));
        assert!(
            entries
                .get("com.example/a", Some("2.0.0"))
                .await
                .unwrap()
                .is_none()
        );
        let error = entries
            .create(&document("2.0.0", EntryStatus::Active), &none())
            .await
            .unwrap_err();
        assert!(matches!(error, EntriesError::ReadOnly), "{error}");
    }
}
