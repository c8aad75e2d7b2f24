use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::auth::Principal;
use crate::clock::unix_now;
use crate::protocol::{Capabilities, Era, Version};

/// What the identifier of a session says.
#[derive(Clone, Debug)]
pub(crate) struct Claims {
    pub(crate) principal: Principal,
    pub(crate) gateway: Arc<str>,
    pub(crate) version: Version,
    pub(crate) capabilities: Capabilities,
    /// The JSON text of the name and version of the client.
    pub(crate) client_info: Option<Arc<str>>,
}

/// The form in which claims are sealed. The names are short because the text is a header.
#[derive(Serialize)]
struct Sealed<'a> {
    /// What tells the session from others.
    k: &'a str,
    p: &'a str,
    g: &'a str,
    v: &'a str,
    c: &'a str,
    i: Option<&'a str>,
    /// The second, since 1970, at which the session expires.
    e: u64,
}

impl Claims {
    /// The text to be sealed.
    pub(super) fn to_text(&self, key: &str, lifetime: Duration) -> String {
        let sealed = Sealed {
            k: key,
            p: self.principal.subject(),
            g: &self.gateway,
            v: self.version.as_str(),
            c: self.capabilities.as_json(),
            i: self.client_info.as_deref(),
            e: unix_now().saturating_add(lifetime.as_secs()),
        };
        // Strings and numbers can always be written.
        serde_json::to_string(&sealed).unwrap_or_default()
    }

    /// What the sealed text says, unless it has expired.
    pub(super) fn from_text(text: &[u8]) -> Option<(Arc<str>, Self)> {
        let text = std::str::from_utf8(text).ok()?;
        let sealed: Owned = serde_json::from_str(text).ok()?;
        if sealed.e <= unix_now() {
            return None;
        }
        let claims = Self {
            principal: Principal::new(sealed.p),
            gateway: sealed.g.into(),
            version: Version::parse(&sealed.v).filter(|version| version.era() == Era::Legacy)?,
            capabilities: Capabilities::parse(&sealed.c)?,
            client_info: sealed.i.map(Into::into),
        };
        Some((sealed.k.into(), claims))
    }
}

/// What [`Sealed`] reads back as; a subject may have been written with escapes.
#[derive(Deserialize)]
struct Owned {
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
        let claims = Claims {
            principal: Principal::new("a\"b\nc"),
            gateway: "g".into(),
            version: Version::V2025_06_18,
            capabilities: Capabilities::parse(r#"{"roots":{}}"#).unwrap(),
            client_info: Some(r#"{"name":"x"}"#.into()),
        };
        let text = claims.to_text("key", Duration::from_secs(60));
        let (key, read) = Claims::from_text(text.as_bytes()).unwrap();
        assert_eq!(&*key, "key");
        assert_eq!(read.principal, claims.principal);
        assert_eq!(read.capabilities, claims.capabilities);
        assert_eq!(read.client_info, claims.client_info);
        assert!(Claims::from_text(claims.to_text("key", Duration::ZERO).as_bytes()).is_none());
        assert!(Claims::from_text(text.replace("2025-06-18", "2026-07-28").as_bytes()).is_none());
        assert!(Claims::from_text(b"{}").is_none());
    }
}
