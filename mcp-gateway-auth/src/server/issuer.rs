//! Issuer identifier of the authorization server, and its public URLs.

use std::sync::Arc;

use url::Url;

/// Issuer identifier: the origin of the host, without a trailing slash. Cheap to clone.
///
/// See [RFC 8414, section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2).
#[derive(Clone, Debug)]
pub(super) struct IssuerUrl(Arc<str>);

impl IssuerUrl {
    /// Returns the issuer of the server on the host of `base`.
    pub(super) fn new(base: &Url) -> Self {
        Self(base.origin().ascii_serialization().into())
    }

    /// Returns the identifier.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the host, with its port if it is not the default one.
    pub(super) fn host(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, host)| host)
    }

    /// Returns the identifier, shared.
    pub(super) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// Returns the URL of `path` on the public host.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}
