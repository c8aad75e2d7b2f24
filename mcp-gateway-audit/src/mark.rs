//! Mark of the journals of a store, with which the identifiers of their chains begin.

use aws_lc_rs::rand;
use mcp_gateway_store::{Batch, CommitOutcome, Store};

use crate::error::AuditError;
use crate::segment::encode;

/// Returns the mark of `store`, which is created if it does not exist.
///
/// # Errors
///
/// [`AuditError`] if the store is unavailable, or the system has no random numbers.
pub(crate) async fn mark(store: &dyn Store) -> Result<String, AuditError> {
    loop {
        if let Some(document) = store.get(MARK).await? {
            let mark = String::from_utf8(document.value.to_vec());
            let key = MARK.to_owned();
            return mark.map_err(|_| AuditError::Malformed { key });
        }
        let mark = random_name::<6>()?;
        let create = Batch::new().if_absent(MARK).put(MARK, mark.clone());
        if store.commit(create).await? == CommitOutcome::Committed {
            return Ok(mark);
        }
    }
}

/// Generates a name without the characters that separate it in file names and keys.
///
/// # Errors
///
/// [`AuditError::Random`] if the system has no random numbers.
pub(crate) fn random_name<const BYTES: usize>() -> Result<String, AuditError> {
    let mut bytes = [0; BYTES];
    rand::fill(&mut bytes).map_err(|_| AuditError::Random)?;
    Ok(encode(&bytes).replace(['-', '_'], "0"))
}

/// Key of the document with the mark.
const MARK: &str = "audit/journal";
