//! Identifiers of the requests on one connection.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::jsonrpc::Id;

/// Source of identifiers, none of which is ever issued twice.
///
/// Independent callers may use the same identifier, so a connection needs its own. Some servers
/// show it, though, or clients refer to it: a client that is alone on a connection and counts
/// upwards, as SDKs do, keeps its identifiers. All other requests get numbers beyond
/// [`FIRST_OWN`].
#[derive(Debug)]
pub(super) struct RequestIds {
    /// Smallest identifier of clients that has not been issued.
    unused: AtomicI64,
    /// Next identifier that no client chose.
    own: AtomicI64,
}

impl RequestIds {
    /// Creates a source of identifiers from `first` on.
    pub(super) fn from(first: i64) -> Self {
        Self {
            unused: AtomicI64::new(first),
            own: AtomicI64::new(FIRST_OWN),
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
}

/// First identifier that no client chose. It is representable in 32 bits, for servers that require
/// that.
const FIRST_OWN: i64 = 1_000_000_000;

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
    fn no_identifier_is_issued_twice() {
        let ids = RequestIds::from(1);
        let mut issued = std::collections::HashSet::new();
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
