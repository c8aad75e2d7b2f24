//! Identifiers of the requests on one connection.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::jsonrpc::Id;

/// Source of identifiers, none of which is ever issued twice.
///
/// Independent callers may use the same identifier, so a connection needs its own. Some servers
/// show it, though, or clients refer to it: a client that is alone on a connection and counts
/// upwards, as SDKs do, keeps its identifiers, and a subscription keeps its text, because its
/// notifications refer to that. All other requests get numbers beyond [`FIRST_OWN`].
#[derive(Debug)]
pub(super) struct RequestIds {
    /// Smallest identifier of clients that has not been issued.
    unused: AtomicI64,
    /// Next identifier that no client chose.
    own: AtomicI64,
    /// Texts that have been issued, at most [`MAX_TEXTS`].
    texts: Mutex<HashSet<Id>>,
}

/// Identifier of a request on a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct IssuedId {
    /// Number that no other request on the connection has; also its progress token.
    pub(super) number: i64,
    /// `true` if the server receives the text that the client chose instead of the number.
    pub(super) is_kept: bool,
}

impl IssuedId {
    /// Returns the identifier that the server receives for a request of a client with `id`.
    pub(super) fn for_server(self, id: &Id) -> Id {
        match self.is_kept {
            true => id.clone(),
            false => Id::from(self.number),
        }
    }
}

impl From<i64> for IssuedId {
    fn from(number: i64) -> Self {
        Self {
            number,
            is_kept: false,
        }
    }
}

impl RequestIds {
    /// Creates a source of identifiers from `first` on.
    pub(super) fn from(first: i64) -> Self {
        Self {
            unused: AtomicI64::new(first),
            own: AtomicI64::new(FIRST_OWN),
            texts: Mutex::default(),
        }
    }

    /// Returns the identifier for a request that its sender has given `id`.
    pub(super) fn issue(&self, id: &Id) -> i64 {
        let wanted = id.as_i64().filter(|number| *number < FIRST_OWN);
        if let Some(number) = wanted
            && self
                .unused
                .fetch_max(number.saturating_add(1), Ordering::Relaxed)
                <= number
        {
            return number;
        }
        self.own.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the identifier for a subscription, which keeps the text `id` of its client.
    pub(super) fn issue_for_subscription(&self, id: &Id) -> IssuedId {
        IssuedId {
            number: self.issue(id),
            is_kept: self.reserve(id),
        }
    }

    /// Records that the text `id` is issued; returns `false` if it is no text, could be taken for a
    /// number, or has been issued before.
    fn reserve(&self, id: &Id) -> bool {
        let is_text = |text: &str| text.len() <= MAX_TEXT && id.number().is_none();
        if !id.as_str().is_some_and(is_text) {
            return false;
        }
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        texts.len() < MAX_TEXTS && texts.insert(id.clone())
    }
}

/// First identifier that no client chose. It is representable in 32 bits, for servers that require
/// that.
const FIRST_OWN: i64 = 1_000_000_000;

/// Maximum length of a text that is kept, in bytes.
const MAX_TEXT: usize = 128;

/// Maximum number of texts that are kept on one connection.
const MAX_TEXTS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_counts_keeps_its_identifiers() {
        let ids = RequestIds::from(1);
        for number in [1, 2, 3, 7, 8] {
            assert_eq!(ids.issue(&Id::from(number)), number);
        }
    }

    #[test]
    fn a_subscription_keeps_its_text_once() {
        let ids = RequestIds::from(1);
        let text = Id::from("listen-3");
        let first = ids.issue_for_subscription(&text);
        assert_eq!(first.for_server(&text), text);
        let second = ids.issue_for_subscription(&text);
        assert_eq!(second.for_server(&text), Id::from(second.number));
        assert_ne!(first.number, second.number);
        let long = "x".repeat(MAX_TEXT + 1);
        for id in [Id::from(7), Id::from("7"), Id::from(&*long)] {
            assert!(!ids.issue_for_subscription(&id).is_kept, "{id}");
        }
        let texts = (0..2 * MAX_TEXTS).map(|number| Id::from(&*format!("t{number}")));
        let kept = texts.filter(|id| ids.issue_for_subscription(id).is_kept);
        assert_eq!(kept.count(), MAX_TEXTS - 1);
    }

    #[test]
    fn no_identifier_is_issued_twice() {
        let ids = RequestIds::from(1);
        let mut issued = HashSet::new();
        let wanted = [
            1,
            1,
            5,
            4,
            5,
            0,
            -1,
            FIRST_OWN,
            FIRST_OWN + 1,
            FIRST_OWN - 1,
        ];
        for number in wanted
            .into_iter()
            .chain([i64::MAX, i64::MIN, FIRST_OWN - 1])
        {
            assert!(issued.insert(ids.issue(&Id::from(number))), "{number}");
        }
        for _ in 0..3 {
            assert!(issued.insert(ids.issue(&Id::from("text"))));
        }
    }
}
