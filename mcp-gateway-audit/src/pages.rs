//! Documents of a store, page by page.

use mcp_gateway_store::{ListedDocument, Store, StoreError};

/// Documents below a prefix, ordered by key.
#[derive(Debug)]
pub(crate) struct Pages<'s> {
    store: &'s dyn Store,
    prefix: &'static str,
    /// Key after which the next page begins.
    after: Option<String>,
}

impl<'s> Pages<'s> {
    /// Returns all documents of `store` whose keys begin with `prefix`.
    pub(crate) fn new(store: &'s dyn Store, prefix: &'static str) -> Self {
        Self {
            store,
            prefix,
            after: None,
        }
    }

    /// Begins after the key `after`.
    pub(crate) fn after(self, after: String) -> Self {
        Self {
            after: Some(after),
            ..self
        }
    }

    /// Returns the next documents; none at the end.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn next(&mut self) -> Result<Vec<ListedDocument>, StoreError> {
        let after = self.after.as_deref();
        let page = self.store.list(self.prefix, after, PAGE).await?;
        if let Some(last) = page.last() {
            self.after = Some(last.key.to_string());
        }
        Ok(page)
    }
}

/// Number of documents of a page.
const PAGE: usize = 16;
