//! Delays of exchanges after failures.

use std::sync::Arc;

use crate::client::ClientError;
use crate::client::backoffs::{Backoffs, FailureClass};
use crate::client::token_http::TokenFailure;

/// Delays of requests to authorization servers that have failed. Cheap to clone; clones share them.
///
/// Resolvers that share it do not request an authorization server that is overloaded or unreachable
/// for one of them.
#[derive(Clone, Debug, Default)]
pub struct ServerBackoffs(Arc<Backoffs>);

impl ServerBackoffs {
    /// Creates an empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Awaits `request` of the client `client` to `server`, unless an earlier failure delays it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Suspended`], or the error of the request.
    pub(super) async fn run<T>(
        &self,
        (server, client): (&str, &str),
        request: impl Future<Output = Result<T, TokenFailure>>,
    ) -> Result<T, ClientError> {
        // A space is part of neither.
        let client = format!("{server} {client}");
        let keys = [server, &*client];
        self.0.check(keys)?;
        match request.await {
            Ok(answer) => {
                self.0.reset(keys);
                Ok(answer)
            }
            Err(failure) => {
                match FailureClass::of(&failure) {
                    // Some servers respond so to a request of one user whom they do not allow.
                    FailureClass::Server if is_server_error(&failure) => {}
                    FailureClass::Server => self.0.record_failure(server, &failure),
                    FailureClass::Client => self.0.record_failure(&client, &failure),
                    FailureClass::Account | FailureClass::Grant => {}
                }
                Err(failure.error)
            }
        }
    }
}

/// Returns `true` for the code `server_error`, unless the server is overloaded.
fn is_server_error(failure: &TokenFailure) -> bool {
    let has_code = matches!(&failure.error, ClientError::Token(it) if it.code == "server_error");
    has_code && failure.overload.is_none()
}
