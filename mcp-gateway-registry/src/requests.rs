//! Requests of users for entries, and their decisions.
//!
//! | document | content |
//! |---|---|
//! | `registry/request/{id}` | a request |
//! | `registry/requester/{digest}` | the open requests of a requester |
//!
//! Both are written in one conditional batch, so that concurrent requests of one requester are counted.

mod open;

use std::sync::Arc;

use mcp_gateway_auth::Secret;
use mcp_gateway_store::{Attachment, Batch, CommitOutcome, DocumentError, Documents, Store};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::open::OpenRequests;
use crate::EntryPage;
use crate::timestamp::now;

/// Requests in a store. Cheap to clone.
///
/// A request is decided once: a decision is a conditional write.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_registry::{Decision, RequestError, Requests};
/// use mcp_gateway_store::{Attachment, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), RequestError> {
/// let requests = Requests::new(Arc::new(MemoryStore::new()));
/// let none = Attachment::default();
/// let new = ("com.example/notes@1.0.0", "to take notes");
/// let request = requests.create(new, "bob", &none).await?;
/// let denied = Decision::denied("alice", Some("not yet".to_owned()));
/// requests.decide(&request.id, denied.clone(), &none).await?;
/// let again = requests.decide(&request.id, denied, &none).await.unwrap_err();
/// assert!(matches!(again, RequestError::Decided));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Requests {
    documents: Documents<EntryRequest>,
    open: OpenRequests,
}

/// Request of a user for an entry.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EntryRequest {
    /// Identifier.
    pub id: String,
    /// Name and version of the entry.
    pub entry: String,
    /// Reason.
    pub reason: String,
    /// Subject of the requester.
    pub requester: String,
    /// Time of the request, in seconds since the Unix epoch.
    pub created: u64,
    /// Decision; `null` while the request is open.
    pub decision: Option<Decision>,
}

/// Decision of an administrator.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Decision {
    /// `true` if the entry is installed.
    pub approved: bool,
    /// Subject of the administrator.
    pub by: String,
    /// Message for the requester.
    pub message: Option<String>,
    /// Name of the installed server.
    pub server: Option<String>,
    /// Time of the decision, in seconds since the Unix epoch.
    pub at: u64,
}

/// The reason for which requests could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Other requests of the requester are written at the same time.
    #[error("too many requests at the same time; try again")]
    Busy,
    /// The request has been decided.
    #[error("the request has been decided")]
    Decided,
    /// The system has no random numbers.
    #[error("no random numbers")]
    Random(#[source] mcp_gateway_store::BoxError),
    /// The store is unavailable, or a document is invalid.
    #[error("the requests are unavailable")]
    Store(#[from] DocumentError),
    /// The requester has too many open requests.
    #[error("{MAX_OPEN} requests are open; wait for a decision")]
    TooMany,
    /// The request does not exist.
    #[error("no such request")]
    Unknown,
}

impl Decision {
    /// Approves: the server `server` is installed.
    #[must_use]
    pub fn approved(by: &str, server: &str, message: Option<String>) -> Self {
        Self {
            approved: true,
            by: by.to_owned(),
            message,
            server: Some(server.to_owned()),
            at: now(),
        }
    }

    /// Denies.
    #[must_use]
    pub fn denied(by: &str, message: Option<String>) -> Self {
        Self {
            approved: false,
            by: by.to_owned(),
            message,
            server: None,
            at: now(),
        }
    }
}

impl Requests {
    /// Uses the requests in `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            open: OpenRequests::new(Arc::clone(&store)),
            documents: Documents::new(store, "registry/request/"),
        }
    }

    /// Creates a request of `requester` for `entry` with a reason, with `record` in the same batch.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if the requester has too many open requests, or the store is unavailable.
    pub async fn create(
        &self,
        (entry, reason): (&str, &str),
        requester: &str,
        record: &Attachment,
    ) -> Result<EntryRequest, RequestError> {
        let request = new_request(entry, reason, requester)?;
        for _ in 0..ATTEMPTS {
            let open = self.open.of(requester).await?;
            if open.count() >= MAX_OPEN {
                return Err(RequestError::TooMany);
            }
            let batch = Batch::new().if_absent(self.documents.key(&request.id));
            let batch = self.documents.put(batch, &request.id, &request, None)?;
            let batch = self.open.put(batch, &open.with(&request.id))?;
            let batch = record.add_to(batch, &request.id);
            if self.commit(batch).await? == CommitOutcome::Committed {
                return Ok(request);
            }
        }
        Err(RequestError::Busy)
    }

    /// Returns the request `id`.
    ///
    /// # Errors
    ///
    /// [`RequestError::Store`] if the store is unavailable.
    pub async fn get(&self, id: &str) -> Result<Option<EntryRequest>, RequestError> {
        Ok(self.documents.get(id).await?.map(|found| found.value))
    }

    /// Returns up to `limit` requests that `select` accepts, after `after`, ordered by time.
    ///
    /// # Errors
    ///
    /// [`RequestError::Store`] if the store is unavailable.
    pub async fn list(
        &self,
        select: &(dyn Fn(&EntryRequest) -> bool + Send + Sync),
        after: Option<&str>,
        limit: usize,
    ) -> Result<EntryPage<EntryRequest>, RequestError> {
        let (mut items, mut last) = (Vec::new(), after.map(str::to_owned));
        loop {
            let page = self.documents.list("", last.as_deref(), STEP).await?;
            let is_end = page.len() < STEP;
            for (id, found) in page {
                if items.len() == limit {
                    return Ok(EntryPage { items, next: last });
                }
                items.extend(Some(found.value).filter(|request| select(request)));
                last = Some(id);
            }
            if is_end {
                return Ok(EntryPage { items, next: None });
            }
        }
    }

    /// Decides the request `id`, unless it has been decided, with `record` in the same batch.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if the request has been decided, or the store is unavailable.
    pub async fn decide(
        &self,
        id: &str,
        decision: Decision,
        record: &Attachment,
    ) -> Result<EntryRequest, RequestError> {
        self.change(
            id,
            |request| match request.decision {
                None => {
                    request.decision = Some(decision.clone());
                    Ok(())
                }
                Some(_) => Err(RequestError::Decided),
            },
            record,
        )
        .await
    }

    /// Opens the request `id` again, if `decision` is its decision: it could not be carried out.
    /// `record` is in the same batch.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if the request has another decision, or the store is unavailable.
    pub async fn reopen(
        &self,
        id: &str,
        decision: &Decision,
        record: &Attachment,
    ) -> Result<EntryRequest, RequestError> {
        self.change(
            id,
            |request| match &request.decision {
                Some(known) if known == decision => {
                    request.decision = None;
                    Ok(())
                }
                _ => Err(RequestError::Decided),
            },
            record,
        )
        .await
    }

    /// Changes a request by a conditional write, with the count of open ones.
    async fn change(
        &self,
        id: &str,
        change: impl Fn(&mut EntryRequest) -> Result<(), RequestError>,
        record: &Attachment,
    ) -> Result<EntryRequest, RequestError> {
        for _ in 0..ATTEMPTS {
            let found = self.documents.get(id).await?.ok_or(RequestError::Unknown)?;
            let mut request = found.value;
            change(&mut request)?;
            let open = self.open.of(&request.requester).await?;
            let open = match request.decision {
                Some(_) => open.without(id),
                None => open.with(id),
            };
            let batch = Batch::new().if_version(self.documents.key(id), found.version);
            let batch = self.documents.put(batch, id, &request, None)?;
            let batch = self.open.put(batch, &open)?;
            if self.commit(record.add_to(batch, id)).await? == CommitOutcome::Committed {
                return Ok(request);
            }
        }
        Err(RequestError::Busy)
    }

    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, RequestError> {
        let committed = self.documents.store().commit(batch).await;
        Ok(committed.map_err(DocumentError::from)?)
    }
}

/// Creates a request, whose identifier is ordered by time.
fn new_request(entry: &str, reason: &str, requester: &str) -> Result<EntryRequest, RequestError> {
    let random = Secret::generate("").map_err(|error| RequestError::Random(error.into()))?;
    let random = random.expose().chars().filter(char::is_ascii_alphanumeric);
    let random: String = random.take(12).collect();
    let created = now();
    Ok(EntryRequest {
        id: format!("req_{created:010}{random}"),
        entry: entry.to_owned(),
        reason: reason.to_owned(),
        requester: requester.to_owned(),
        created,
        decision: None,
    })
}

/// Maximum number of open requests of a requester.
const MAX_OPEN: usize = 20;

/// Maximum number of attempts of a write, which loses against others of the same requester.
const ATTEMPTS: usize = 64;

/// Number of documents that are read at once.
const STEP: usize = 200;

#[cfg(test)]
mod tests {
    use mcp_gateway_store::MemoryStore;

    use super::*;

    fn none() -> Attachment {
        Attachment::default()
    }

    #[tokio::test]
    async fn a_requester_has_a_bounded_number_of_open_requests() {
        let requests = Requests::new(Arc::new(MemoryStore::new()));
        for _ in 0..MAX_OPEN {
            requests.create(("a@1", "x"), "bob", &none()).await.unwrap();
        }
        let error = requests
            .create(("a@1", "x"), "bob", &none())
            .await
            .unwrap_err();
        assert!(matches!(error, RequestError::TooMany), "{error}");
        let other = requests
            .create(("a@1", "x"), "carol", &none())
            .await
            .unwrap();
        let own = |request: &EntryRequest| request.requester == "carol";
        let page = requests.list(&own, None, 50).await.unwrap();
        assert_eq!(page.items, [other]);
        let all = requests.list(&|_| true, None, 50).await.unwrap().items;
        let denied = Decision::denied("alice", None);
        requests
            .decide(&all[0].id, denied.clone(), &none())
            .await
            .unwrap();
        requests.create(("a@1", "x"), "bob", &none()).await.unwrap();
        let again = requests
            .decide(&all[0].id, denied, &none())
            .await
            .unwrap_err();
        assert!(matches!(again, RequestError::Decided), "{again}");

        let (mut seen, mut after) = (0, None);
        loop {
            let page = requests.list(&|_| true, after.as_deref(), 4).await.unwrap();
            seen += page.items.len();
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, MAX_OPEN + 2);
    }

    #[tokio::test]
    async fn a_decision_that_was_not_carried_out_is_taken_back() {
        let requests = Requests::new(Arc::new(MemoryStore::new()));
        let request = requests.create(("a@1", "x"), "bob", &none()).await.unwrap();
        let decision = Decision::approved("alice", "a", None);
        requests
            .decide(&request.id, decision.clone(), &none())
            .await
            .unwrap();
        requests
            .reopen(&request.id, &decision, &none())
            .await
            .unwrap();
        let denied = Decision::denied("carol", None);
        requests.decide(&request.id, denied, &none()).await.unwrap();
        let error = requests
            .reopen(&request.id, &decision, &none())
            .await
            .unwrap_err();
        assert!(matches!(error, RequestError::Decided), "{error}");
    }
}
