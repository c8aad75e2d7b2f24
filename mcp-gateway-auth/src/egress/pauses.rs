//! Pauses that servers have asked for with `Retry-After`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use tokio::time::Instant;
use url::Url;

use super::{EgressError, FetchedDocument};

/// Endpoints that are not requested for a while, because they have responded with 429 or 503 and
/// `Retry-After` (RFC 9110, section 10.2.3).
///
/// A pause is not for a whole host: a limit of registrations must not end the refresh of tokens.
#[derive(Debug, Default)]
pub(super) struct Pauses(Mutex<HashMap<String, Instant>>);

impl Pauses {
    /// Rejects a request to `url` during a pause.
    ///
    /// # Errors
    ///
    /// [`EgressError::Paused`] with the rest of the pause.
    pub(super) fn check(&self, url: &Url) -> Result<(), EgressError> {
        let until = self.endpoints().get(&endpoint(url)).copied();
        let remaining = until.map(|until| until.saturating_duration_since(Instant::now()));
        match remaining {
            Some(remaining) if !remaining.is_zero() => Err(EgressError::Paused { remaining }),
            _ => Ok(()),
        }
    }

    /// Begins the pause that `fetched`, the response of `url`, asks for.
    pub(super) fn record(&self, url: &Url, fetched: &FetchedDocument) {
        let (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) = fetched.status
        else {
            return;
        };
        let Some(delay) = fetched.retry_after(SystemTime::now()) else {
            return;
        };
        let (now, mut endpoints) = (Instant::now(), self.endpoints());
        endpoints.retain(|_, until| *until > now);
        if endpoints.len() < MAX_ENDPOINTS {
            endpoints.insert(endpoint(url), now + delay.min(MAX_PAUSE));
        }
    }

    fn endpoints(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns `url` without its query, which may be secret.
fn endpoint(url: &Url) -> String {
    let mut endpoint = url.clone();
    endpoint.set_query(None);
    endpoint.set_fragment(None);
    endpoint.into()
}

/// Maximum pause: users must not be locked out by a mistake.
const MAX_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Maximum number of paused endpoints.
const MAX_ENDPOINTS: usize = 1000;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderMap;
    use http::header::RETRY_AFTER;

    use super::*;

    fn asks(status: StatusCode, seconds: &'static str) -> FetchedDocument {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, seconds.parse().unwrap());
        let body = Bytes::new();
        FetchedDocument {
            status,
            headers,
            body,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_is_paused_for_the_time_that_it_asks_for() {
        let pauses = Pauses::default();
        let url: Url = "https://as.example.com/register".parse().unwrap();
        let other: Url = "https://as.example.com/token".parse().unwrap();
        let with_query: Url = "https://as.example.com/register?a=b".parse().unwrap();
        pauses.record(&url, &asks(StatusCode::BAD_REQUEST, "60"));
        assert!(pauses.check(&url).is_ok());
        pauses.record(&url, &asks(StatusCode::TOO_MANY_REQUESTS, "60"));
        assert!(pauses.check(&other).is_ok());
        match pauses.check(&with_query) {
            Err(EgressError::Paused { remaining }) => assert_eq!(remaining.as_secs(), 60),
            other => panic!("{other:?}"),
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(pauses.check(&url).is_ok());
        pauses.record(&url, &asks(StatusCode::SERVICE_UNAVAILABLE, "86400"));
        tokio::time::advance(MAX_PAUSE).await;
        assert!(pauses.check(&url).is_ok(), "no server locks users out");
    }
}
