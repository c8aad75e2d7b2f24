//! Verified tokens of callers.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// The verified token of a caller: a secret that proves who calls.
///
/// A [`CredentialResolver`] may exchange it for a token of a server, as of [RFC
/// 8693](https://www.rfc-editor.org/rfc/rfc8693) (`subject_token`) or [RFC
/// 7523](https://www.rfc-editor.org/rfc/rfc7523) (`assertion`). It must not send it to a server as
/// it is, unless another issuer has issued it for that server too: a token for the gateway alone
/// would let the server act as the caller.
///
/// Cloning is cheap. The memory is zeroized when the last clone is dropped. `Debug` does not show
/// the token.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::{Assertion, Principal};
///
/// let alice = Principal::new("alice").with_assertion(Assertion::new("eyJhbGciOi"));
/// let assertion = alice.assertion().expect("a token");
/// assert_eq!(assertion.expose(), "eyJhbGciOi");
/// assert!(!format!("{alice:?}").contains("eyJ"));
/// ```
///
/// [`CredentialResolver`]: crate::credential::CredentialResolver
#[derive(Clone)]
#[doc(alias("subject_token", "access token"))]
pub struct Assertion(Arc<Zeroizing<String>>);

impl Assertion {
    /// Creates an assertion of the text of a verified token.
    #[must_use]
    pub fn new(token: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(token.into())))
    }

    /// Returns the token, for its exchange.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion").finish_non_exhaustive()
    }
}
