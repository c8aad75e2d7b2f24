//! Progress tokens of requests in flight.
//!
//! A request is sent with its number as the progress token, because the tokens of independent
//! callers may collide. In the stream of a request the number is known to be its own; outside of
//! it, it must be looked up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::jsonrpc::{Id, Notification};

/// JSON texts of the progress tokens of callers, by the number of the request.
#[derive(Debug, Default)]
pub(super) struct ProgressTokens(Mutex<HashMap<i64, Arc<str>>>);

impl ProgressTokens {
    /// Registers the token of the request `number`.
    pub(super) fn insert(&self, number: i64, token: &Arc<str>) {
        self.tokens().insert(number, Arc::clone(token));
    }

    /// Removes the token of the request `number`.
    pub(super) fn remove(&self, number: i64) {
        self.tokens().remove(&number);
    }

    /// Returns a progress notification with the token of its caller; `None` if no request in flight
    /// has requested it.
    pub(super) fn restore(&self, notification: &Notification) -> Option<Notification> {
        let token = notification.param("progressToken").and_then(Id::from_token);
        let number = token.and_then(|token| token.number())?;
        let token = self.tokens().get(&number).cloned()?;
        notification.with_param("progressToken", &token)
    }

    /// Locks the tokens.
    fn tokens(&self) -> MutexGuard<'_, HashMap<i64, Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Method;

    #[test]
    fn a_token_is_restored_while_its_request_is_in_flight() {
        let tokens = ProgressTokens::default();
        let restored = |token: &str| {
            let params = format!(r#"{{"progressToken":{token},"progress":1}}"#);
            let notification = Notification::new(&Method::Progress, Some(&params));
            let restored = tokens.restore(&notification)?;
            restored.param("progressToken").map(str::to_owned)
        };
        tokens.insert(7, &"\"mine\"".into());
        assert_eq!(restored("7").as_deref(), Some("\"mine\""));
        assert_eq!(restored("\"7\"").as_deref(), Some("\"mine\""));
        assert_eq!(restored("8"), None);
        assert_eq!(restored("\"mine\""), None);
        tokens.remove(7);
        assert_eq!(restored("7"), None);
    }
}
