//! Writes that accompany a change.

use std::fmt;
use std::sync::Arc;

use crate::Batch;

/// Conditions and writes that are added to the batch of a change, such as its audit record. Cheap to
/// clone.
///
/// Code that makes a change takes an attachment without knowledge of its content, and adds it to the
/// batch of the change, so that the store has both or neither.
///
/// # Example
///
/// ```
/// use mcp_gateway_store::{Attachment, Batch, CommitOutcome, MemoryStore, Store, StoreError};
///
/// async fn delete(store: &MemoryStore, id: &str, attached: &Attachment) -> Result<(), StoreError> {
///     let batch = attached.add_to(Batch::new().delete(format!("note/{id}")), id);
///     assert_eq!(store.commit(batch).await?, CommitOutcome::Committed);
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StoreError> {
/// let store = MemoryStore::new();
/// delete(&store, "1", &Attachment::default()).await?;
/// let record = Attachment::new(|batch, id| batch.put(format!("deleted/{id}"), "by ada"));
/// delete(&store, "2", &record).await?;
/// assert!(store.get("deleted/1").await?.is_none());
/// assert!(store.get("deleted/2").await?.is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Attachment(Option<Arc<Addition>>);

/// Function that adds to the batch of the change of the object with an identifier.
type Addition = dyn Fn(Batch, &str) -> Batch + Send + Sync;

impl Attachment {
    /// Creates an attachment that `add` adds to a batch, for the identifier of the changed object.
    ///
    /// It is called again with the same identifier if the change is retried.
    #[must_use]
    pub fn new(add: impl Fn(Batch, &str) -> Batch + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(add)))
    }

    /// Adds to `batch`, which changes the object `id`. The default adds nothing.
    pub fn add_to(&self, batch: Batch, id: &str) -> Batch {
        match &self.0 {
            Some(add) => add(batch, id),
            None => batch,
        }
    }

    /// Returns an attachment that adds both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (&self.0, &other.0) {
            (None, _) => other,
            (_, None) => self,
            _ => Self::new(move |batch, id| other.add_to(self.add_to(batch, id), id)),
        }
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Attachment")
            .field(&self.0.is_some())
            .finish()
    }
}
