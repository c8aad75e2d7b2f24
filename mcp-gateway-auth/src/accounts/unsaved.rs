//! Refreshed tokens that the store has not accepted yet.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::account::ConnectedAccount;
use super::outcome::Outcome;

/// Account before a refresh, with its lease, and the outcome.
pub(super) type Unsaved = (ConnectedAccount, Outcome);

/// Tokens by the identifiers of their documents.
///
/// The refresh token in the store has been used: another use of it could end the grant.
#[derive(Debug, Default)]
pub(super) struct UnsavedTokens {
    tokens: Mutex<HashMap<String, Arc<Unsaved>>>,
    is_closed: AtomicBool,
}

impl UnsavedTokens {
    /// Returns the tokens of a document.
    pub(super) fn get(&self, document: &str) -> Option<Arc<Unsaved>> {
        self.lock().get(document).cloned()
    }

    /// Adds the tokens of a document.
    pub(super) fn insert(&self, document: &str, unsaved: Unsaved) {
        self.lock().insert(document.to_owned(), Arc::new(unsaved));
    }

    /// Removes the tokens of a document, which are stored.
    pub(super) fn remove(&self, document: &str) {
        self.lock().remove(document);
    }

    /// Ends the attempts to store tokens.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }

    /// Returns `true` if tokens are not stored any more.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Unsaved>>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
