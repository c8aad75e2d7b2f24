//! Content of a session ID.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::auth::Principal;
use crate::clock::unix_now;
use crate::protocol::{Capabilities, Era, ProtocolVersion};

/// Content of a session ID, before encryption.
///
/// Not to be confused with the claims of a JWT.
#[derive(Clone, Debug)]
pub(crate) struct SessionRecord {
    /// Principal that started the session; no other may use it.
    pub(crate) principal: Principal,
    /// Name of the gateway that issued the session.
    pub(crate) gateway: Arc<str>,
    /// Negotiated protocol version.
    pub(crate) version: ProtocolVersion,
    /// Capabilities of the client.
    pub(crate) capabilities: Capabilities,
    /// JSON text of the name and version of the client.
    pub(crate) client_info: Option<Arc<str>>,
}

/// Serialized form. Member names are short because the session ID travels in a header.
#[derive(Serialize)]
struct SealedRecord<'a> {
    /// Random key of the session.
    k: &'a str,
    p: &'a str,
    g: &'a str,
    v: &'a str,
    c: &'a str,
    i: Option<&'a str>,
    /// Expiry, in seconds since 1970.
    e: u64,
}

impl SessionRecord {
    /// Returns the plaintext of the session ID; it expires after `lifetime`.
    pub(super) fn to_text(&self, key: &str, lifetime: Duration) -> String {
        let sealed = SealedRecord {
            k: key,
            p: self.principal.subject(),
            g: &self.gateway,
            v: self.version.as_str(),
            c: self.capabilities.as_json(),
            i: self.client_info.as_deref(),
            e: unix_now().saturating_add(lifetime.as_secs()),
        };
        // Serializing strings and numbers is infallible.
        serde_json::to_string(&sealed).unwrap_or_default()
    }

    /// Parses the plaintext of a session ID; returns `None` if it has expired or is invalid.
    pub(super) fn from_text(text: &[u8]) -> Option<(Arc<str>, Self)> {
        let text = std::str::from_utf8(text).ok()?;
        let sealed: OwnedRecord = serde_json::from_str(text).ok()?;
        if sealed.e <= unix_now() {
            return None;
        }
        let record = Self {
            principal: Principal::new(sealed.p),
            gateway: sealed.g.into(),
            version: ProtocolVersion::parse(&sealed.v)
                .filter(|version| version.era() == Era::Legacy)?,
            capabilities: Capabilities::parse(&sealed.c)?,
            client_info: sealed.i.map(Into::into),
        };
        Some((sealed.k.into(), record))
    }
}

/// Deserialized form of [`SealedRecord`], with owned strings because a subject may contain escapes.
#[derive(Deserialize)]
struct OwnedRecord {
    k: String,
    p: String,
    g: String,
    v: String,
    c: String,
    i: Option<String>,
    e: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_read_back_until_they_expire() {
        let record = SessionRecord {
            principal: Principal::new("a\"b\nc"),
            gateway: "g".into(),
            version: ProtocolVersion::V2025_06_18,
            capabilities: Capabilities::parse(r#"{"roots":{}}"#).unwrap(),
            client_info: Some(r#"{"name":"x"}"#.into()),
        };
        let text = record.to_text("key", Duration::from_secs(60));
        let (key, read) = SessionRecord::from_text(text.as_bytes()).unwrap();
        assert_eq!(&*key, "key");
        assert_eq!(read.principal, record.principal);
        assert_eq!(read.capabilities, record.capabilities);
        assert_eq!(read.client_info, record.client_info);
        assert!(
            SessionRecord::from_text(record.to_text("key", Duration::ZERO).as_bytes()).is_none()
        );
        assert!(
            SessionRecord::from_text(text.replace("2025-06-18", "2026-07-28").as_bytes()).is_none()
        );
        assert!(SessionRecord::from_text(b"{}").is_none());
    }
}
