//! Results of requests that clients may repeat.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{Context, SHA256};
use mcp_gateway_auth::Keyring;
use mcp_gateway_store::{Batch, CommitOutcome, DocumentError, Documents, Store, StoreError};
use serde::{Deserialize, Serialize};

/// Results of requests with an `Idempotency-Key`, in a store that replicas share. Cheap to clone.
///
/// Results may contain secrets, such as that of a new token, and are sealed.
#[derive(Clone, Debug)]
pub struct IdempotencyStore {
    documents: Documents<Record>,
    keyring: Keyring,
}

/// Request of a principal with a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RepeatableRequest<'a> {
    /// Subject of the principal.
    pub(crate) subject: &'a str,
    /// Key that the client has chosen.
    pub(crate) key: &'a str,
    /// Method, path and query, and body.
    pub(crate) parts: [&'a [u8]; 3],
}

/// Document of a request.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Record {
    /// Digest of the request.
    request: String,
    /// Sealed result; `None` while the request is executed.
    result: Option<String>,
}

/// Result of a request.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct KeptResult {
    pub(crate) status: u16,
    /// Headers by their names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Beginning of a request.
#[derive(Debug)]
pub(crate) enum Beginning {
    /// The request has been executed, with this result.
    Executed(KeptResult),
    /// The principal has used too many keys.
    Full,
    /// The request is to be executed; its identifier.
    New(String),
    /// The key belongs to another request.
    Other,
    /// The request is executed at present.
    Running,
}

/// The reason for which results could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdempotencyError {
    /// A document could not be read or written.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The system has no random numbers for a seal.
    #[error("no randomness")]
    Seal,
    /// The store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl IdempotencyStore {
    /// Keeps results in `store`, sealed by `keyring`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, keyring: Keyring) -> Self {
        Self {
            documents: Documents::new(store, PREFIX),
            keyring,
        }
    }

    /// Begins `request`, unless it has begun before.
    pub(crate) async fn begin(
        &self,
        request: RepeatableRequest<'_>,
    ) -> Result<Beginning, IdempotencyError> {
        let folder = digest(&[request.subject.as_bytes()]);
        let id = format!("{folder}/{}", digest(&[request.key.as_bytes()]));
        let record = Record {
            request: digest(&request.parts),
            result: None,
        };
        if let Some(found) = self.documents.get(&id).await? {
            return Ok(self.found(&id, &record, found.value));
        }
        let below = format!("{folder}/");
        let used = self.documents.list(&below, None, MAX_KEYS);
        if used.await?.len() >= MAX_KEYS {
            return Ok(Beginning::Full);
        }
        let batch = Batch::new().if_absent(self.documents.key(&id));
        let expires = Some(SystemTime::now() + EXECUTION);
        let batch = self.documents.put(batch, &id, &record, expires)?;
        if self.documents.store().commit(batch).await? == CommitOutcome::Committed {
            return Ok(Beginning::New(id));
        }
        Ok(match self.documents.get(&id).await? {
            Some(found) => self.found(&id, &record, found.value),
            None => Beginning::Running,
        })
    }

    /// Returns what `found` tells about the request of `wanted`.
    fn found(&self, id: &str, wanted: &Record, found: Record) -> Beginning {
        if found.request != wanted.request {
            return Beginning::Other;
        }
        let Some(sealed) = found.result else {
            return Beginning::Running;
        };
        let opened = self.keyring.sealer().open(&purpose(id), &sealed);
        let kept = opened.and_then(|text| serde_json::from_slice(&text).ok());
        // A key that is gone cannot tell the result, and the request must not run again.
        kept.map_or(Beginning::Other, Beginning::Executed)
    }

    /// Keeps the result of the request `id`. Without one, the request may be sent again.
    pub(crate) async fn end(
        &self,
        id: &str,
        parts: [&[u8]; 3],
        result: Option<&KeptResult>,
    ) -> Result<(), IdempotencyError> {
        let batch = match result {
            None => Batch::new().delete(self.documents.key(id)),
            Some(result) => {
                let text = serde_json::to_vec(result).unwrap_or_default();
                let sealed = self.keyring.sealer().seal(&purpose(id), &text);
                let record = Record {
                    request: digest(&parts),
                    result: Some(sealed.map_err(|_| IdempotencyError::Seal)?),
                };
                let expires = Some(SystemTime::now() + LIFETIME);
                self.documents.put(Batch::new(), id, &record, expires)?
            }
        };
        // It has no condition.
        let _ = self.documents.store().commit(batch).await?;
        Ok(())
    }
}

/// Returns the purpose of the seal of the result `id`.
fn purpose(id: &str) -> String {
    format!("idempotent result {id}")
}

/// Returns the digest of `parts`, with their lengths.
fn digest(parts: &[&[u8]]) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let digest = context.finish();
    let bytes = digest.as_ref().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Prefix of the keys of the documents.
const PREFIX: &str = "admin/result/";

/// Maximum number of keys of a principal whose results are kept.
const MAX_KEYS: usize = 500;

/// Time for which a result is kept: a day.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Time after which a request whose result is missing may be sent again: its process has ended.
const EXECUTION: Duration = Duration::from_secs(120);
