use std::borrow::Cow;

use crate::{AuthorityError, Keyring};

/// Access tokens that only this server can read: JWTs under a seal. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct OpaqueTokens(Keyring);

impl OpaqueTokens {
    pub(super) fn new(keyring: Keyring) -> Self {
        Self(keyring)
    }

    /// A token that stands for `jwt`.
    pub(super) fn seal(&self, jwt: &str) -> Result<String, AuthorityError> {
        let sealed = self.0.sealer().seal(PURPOSE, jwt.as_bytes());
        let sealed = sealed.map_err(|_| AuthorityError::Random)?;
        Ok(format!("{PREFIX}{sealed}"))
    }

    /// The JWT that `token` is or stands for; `None` if it looks like one of ours and is not.
    pub(super) fn open<'t>(&self, token: &'t str) -> Option<Cow<'t, str>> {
        let Some(sealed) = token.strip_prefix(PREFIX) else {
            return Some(Cow::Borrowed(token));
        };
        let plain = self.0.sealer().open(PURPOSE, sealed)?;
        String::from_utf8(plain).ok().map(Cow::Owned)
    }
}

/// What scanners of secrets can know them by.
const PREFIX: &str = "mcpa_";

const PURPOSE: &str = "access token";
