//! Delays of token requests after failures.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mcp_gateway_core::error_chain;

use super::ClientError;
use super::backoff::Backoff;
use super::token_http::TokenFailure;
#[cfg(feature = "accounts")]
use crate::egress::EgressError;

/// Class of a failed token request, which decides what else fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FailureClass {
    /// The request of this account: others may succeed.
    Account,
    /// The registered client.
    Client,
    /// The grant: it is expired or revoked.
    Grant,
    /// The authorization server: it is overloaded or unreachable.
    Server,
}

impl FailureClass {
    /// Classifies a failure by its code, and by its status only if its code tells nothing.
    pub(crate) fn of(failure: &TokenFailure) -> Self {
        match Self::of_error(&failure.error) {
            Self::Account if failure.overload.is_some() => Self::Server,
            class => class,
        }
    }

    fn of_error(error: &ClientError) -> Self {
        match error {
            ClientError::Token(error) => match error.code.as_str() {
                "invalid_grant" => Self::Grant,
                "invalid_client" => Self::Client,
                "server_error" | "slow_down" | "temporarily_unavailable" => Self::Server,
                // The status of a response without a code.
                "429" => Self::Server,
                code if code.len() == 3 && code.starts_with('5') => Self::Server,
                _ => Self::Account,
            },
            ClientError::Egress { .. } => Self::Server,
            _ => Self::Account,
        }
    }
}

/// Returns `true` if the server may have processed the request whose response failed with `error`.
#[cfg(feature = "accounts")]
pub(crate) fn is_lost(error: &ClientError) -> bool {
    match error {
        ClientError::Egress { source, .. } => match source {
            EgressError::Paused { .. } => false,
            EgressError::Status(status) => !status.is_client_error(),
            _ => true,
        },
        ClientError::Response { .. } => true,
        _ => false,
    }
}

/// Backoffs of authorization servers and of accounts, by their identifiers.
#[derive(Debug, Default)]
pub(crate) struct Backoffs(Mutex<HashMap<String, Delayed>>);

/// Delay after a failure.
#[derive(Debug, Default)]
struct Delayed {
    backoff: Backoff,
    failure: String,
    /// Code of the failure, if the next refresh would fail alike.
    code: Option<String>,
}

impl Backoffs {
    /// Rejects a request while one of `keys` is backed off.
    ///
    /// # Errors
    ///
    /// [`ClientError::Suspended`] with the last failure.
    pub(crate) fn check(&self, keys: [&str; 2]) -> Result<(), ClientError> {
        let backoffs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = keys.into_iter().filter_map(|key| backoffs.get(key));
        let suspended = found.find_map(|delayed| Some((delayed.backoff.remaining()?, delayed)));
        match suspended {
            Some((remaining, delayed)) => Err(ClientError::Suspended {
                remaining,
                failure: delayed.failure.clone(),
                code: delayed.code.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Delays the next request for `key`, for as long as the server asks for or longer.
    pub(crate) fn record_failure(&self, key: &str, failed: &TokenFailure) {
        let mut backoffs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let delayed = backoffs.entry(key.to_owned()).or_default();
        delayed.backoff.record_failure();
        if let Some(delay) = failed.overload {
            delayed.backoff.delay(delay);
        }
        delayed.failure = error_chain(&failed.error);
        delayed.code = failed.error.final_code().map(str::to_owned);
    }

    /// Permits the next requests for `keys` after a success.
    pub(crate) fn reset(&self, keys: [&str; 2]) {
        let mut backoffs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            backoffs.remove(key);
        }
    }
}

#[cfg(all(test, feature = "accounts"))]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::client::ServerError;
    use crate::client::backoff::MAX_ASKED;

    #[test]
    fn errors_are_classified_by_their_code() {
        let table = [
            ("invalid_grant", FailureClass::Grant),
            ("invalid_client", FailureClass::Client),
            ("invalid_scope", FailureClass::Account),
            ("temporarily_unavailable", FailureClass::Server),
            ("429", FailureClass::Server),
            ("503", FailureClass::Server),
            ("400", FailureClass::Account),
        ];
        for (code, class) in table {
            let error = ClientError::Token(ServerError::new(code, None));
            assert!(!is_lost(&error));
            assert_eq!(FailureClass::of(&failure(error)), class, "{code}");
        }
    }

    fn failure(error: ClientError) -> TokenFailure {
        let overload = None;
        TokenFailure { error, overload }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_is_not_requested_before_the_time_that_it_names() {
        let backoffs = Backoffs::default();
        let remaining = || match backoffs.check(["as", "account"]) {
            Err(ClientError::Suspended { remaining, .. }) => remaining.as_secs(),
            other => panic!("{other:?}"),
        };
        let overloaded = |seconds| {
            let mut failed = failure(ClientError::Token(ServerError::default()));
            failed.overload = Some(Duration::from_secs(seconds));
            // The code tells nothing.
            assert_eq!(FailureClass::of(&failed), FailureClass::Server);
            backoffs.record_failure("as", &failed);
        };
        overloaded(120);
        assert_eq!(remaining(), 120);
        // A shorter time does not end a longer one.
        overloaded(1);
        assert_eq!(remaining(), 120);
        overloaded(86_400);
        assert_eq!(remaining(), MAX_ASKED.as_secs());
        tokio::time::advance(MAX_ASKED).await;
        assert!(backoffs.check(["as", "account"]).is_ok());
    }

    #[test]
    fn a_response_is_lost_unless_the_request_was_rejected() {
        let table = [
            (EgressError::Unavailable, true),
            (EgressError::Status(StatusCode::BAD_GATEWAY), true),
            (EgressError::Status(StatusCode::TOO_MANY_REQUESTS), false),
            (
                EgressError::Paused {
                    remaining: Duration::ZERO,
                },
                false,
            ),
        ];
        for (source, expected) in table {
            let url = String::new();
            let error = ClientError::Egress { url, source };
            assert_eq!(is_lost(&error), expected, "{error:?}");
            assert_eq!(FailureClass::of(&failure(error)), FailureClass::Server);
        }
    }
}
