//! Authenticated encryption of state that clients carry.
//!
//! Session IDs and `requestState` are sealed, so that replicas need no shared storage for them.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A cipher for state that clients carry: they can neither read nor modify it.
///
/// The cipher is AES-256-GCM with random nonces. Each text is bound to a purpose, so that a text of
/// one kind is never accepted as one of another. For key rotation, texts of earlier keys are
/// accepted as long as those keys are [given](Self::with_previous).
///
/// # Example
///
/// ```
/// use mcp_gateway_core::Sealer;
///
/// let old = Sealer::new(&[1; 32])?;
/// let text = old.seal("session", b"alice")?;
///
/// let new = Sealer::new(&[2; 32])?;
/// assert_eq!(new.open("session", &text), None);
///
/// let rotated = new.with_previous(&[1; 32])?;
/// assert_eq!(rotated.open("session", &text).as_deref(), Some(&b"alice"[..]));
/// assert_eq!(rotated.open("another purpose", &text), None);
/// # Ok::<_, mcp_gateway_core::SealError>(())
/// ```
#[derive(Debug)]
#[doc(alias("AEAD", "encryption"))]
pub struct Sealer {
    /// Key that seals.
    current: SealKey,
    /// Further keys that open.
    previous: Vec<SealKey>,
}

/// A key of a [`Sealer`].
struct SealKey {
    /// First bytes of the SHA-256 digest of the key; they prefix every sealed text.
    id: [u8; KEY_ID_LEN],
    /// Key with a random nonce per text.
    key: RandomizedNonceKey,
    /// Key of tags, derived from the other one.
    tags: hmac::Key,
}

impl Sealer {
    /// Creates a cipher with a random key that is lost with the process.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the system provides no randomness.
    pub fn random() -> Result<Self, SealError> {
        let mut key = [0; 32];
        fill_random(&mut key)?;
        Self::new(&key)
    }

    /// Creates a cipher with `key`, which must be random and secret.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the key cannot be used.
    pub fn new(key: &[u8; 32]) -> Result<Self, SealError> {
        Ok(Self {
            current: SealKey::new(key)?,
            previous: Vec::new(),
        })
    }

    /// Adds an earlier key, whose texts can still be opened.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the key cannot be used.
    pub fn with_previous(mut self, key: &[u8; 32]) -> Result<Self, SealError> {
        self.previous.push(SealKey::new(key)?);
        Ok(self)
    }

    /// Encrypts `plain` for `purpose`; the result is Base64url and valid in headers and URLs.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the system provides no randomness.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Result<String, SealError> {
        let SealKey { id, key, .. } = &self.current;
        let mut sealed = plain.to_vec();
        let aad = Aad::from(purpose.as_bytes());
        let nonce = key.seal_in_place_append_tag(aad, &mut sealed);
        let nonce = nonce.map_err(SealError::from_crypto)?;
        Ok(URL_SAFE_NO_PAD.encode([&id[..], nonce.as_ref(), &sealed].concat()))
    }

    /// Decrypts a text that was sealed for `purpose`.
    ///
    /// Returns `None` if it was sealed with an unknown key or for another purpose, or was modified.
    #[must_use]
    pub fn open(&self, purpose: &str, text: &str) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (id, rest) = sealed.split_first_chunk::<KEY_ID_LEN>()?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
        let keys = std::iter::once(&self.current).chain(&self.previous);
        let SealKey { key, .. } = keys.into_iter().find(|key| key.id == *id)?;
        let mut plain = rest.to_vec();
        let aad = Aad::from(purpose.as_bytes());
        let opened = key.open_in_place(Nonce::assume_unique_for_key(*nonce), aad, &mut plain);
        let len = opened.ok()?.len();
        plain.truncate(len);
        Some(plain)
    }
}

impl Sealer {
    /// Returns the tag of `data` for `purpose`: Base64url, always the same, and unknown to whoever
    /// lacks the key.
    #[must_use]
    pub fn tag(&self, purpose: &str, data: &[&str]) -> String {
        URL_SAFE_NO_PAD.encode(self.current.tag(purpose, data))
    }

    /// Returns `true` if `tag` is that of `data` for `purpose`, with this key or an earlier one.
    #[must_use]
    pub fn has_tag(&self, purpose: &str, data: &[&str], tag: &str) -> bool {
        let Ok(tag) = URL_SAFE_NO_PAD.decode(tag) else {
            return false;
        };
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        keys.any(|key| verify_slices_are_equal(&key.tag(purpose, data), &tag).is_ok())
    }
}

impl SealKey {
    /// Returns the tag of `data` for `purpose`.
    fn tag(&self, purpose: &str, data: &[&str]) -> [u8; TAG_LEN] {
        let mut context = hmac::Context::with_key(&self.tags);
        for part in std::iter::once(&purpose).chain(data) {
            // With their lengths, the parts cannot be divided in another way.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&context.sign().as_ref()[..TAG_LEN]);
        tag
    }

    fn new(key: &[u8; 32]) -> Result<Self, SealError> {
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(&digest(&SHA256, key).as_ref()[..KEY_ID_LEN]);
        let tags = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), b"tags");
        let tags = hmac::Key::new(hmac::HMAC_SHA256, tags.as_ref());
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(SealError::from_crypto)?;
        Ok(Self { id, key, tags })
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey").finish_non_exhaustive()
    }
}

/// Failure of a [`Sealer`]: the system provides no randomness, or a key cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("sealing failed")]
#[non_exhaustive]
pub struct SealError;

impl SealError {
    /// Converts the error of the cryptographic library, which has no details.
    fn from_crypto(_: Unspecified) -> Self {
        Self
    }
}

/// Fills `bytes` with randomness of the system.
///
/// # Errors
///
/// [`SealError`] if the system provides none.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), SealError> {
    aws_lc_rs::rand::fill(bytes).map_err(SealError::from_crypto)
}

/// Length of a key ID in bytes; enough to distinguish the few keys of a gateway.
const KEY_ID_LEN: usize = 4;

/// Length of a tag in bytes.
const TAG_LEN: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tag_is_that_of_its_parts_purpose_and_key() {
        let old = Sealer::new(&[1; 32]).unwrap();
        let tag = old.tag("task", &["alice", "1"]);
        assert_eq!(tag, old.tag("task", &["alice", "1"]));
        let new = Sealer::new(&[2; 32]).unwrap();
        assert!(!new.has_tag("task", &["alice", "1"], &tag));
        let rotated = new.with_previous(&[1; 32]).unwrap();
        for (sealer, purpose, data, expected) in [
            (&old, "task", ["alice", "1"], true),
            (&rotated, "task", ["alice", "1"], true),
            (&old, "other", ["alice", "1"], false),
            (&old, "task", ["alice1", ""], false),
            (&old, "task", ["bob", "1"], false),
        ] {
            assert_eq!(
                sealer.has_tag(purpose, &data, &tag),
                expected,
                "{purpose} {data:?}"
            );
        }
        for wrong in ["", "!", "AAAA", &tag[1..]] {
            assert!(!old.has_tag("task", &["alice", "1"], wrong), "{wrong}");
        }
    }

    #[test]
    fn only_what_was_sealed_opens_and_only_for_its_purpose() {
        let sealer = Sealer::random().unwrap();
        let sealed = sealer.seal("session", b"alice").unwrap();
        assert_eq!(
            sealer.open("session", &sealed).as_deref(),
            Some(&b"alice"[..])
        );
        assert_eq!(sealer.open("cursor", &sealed), None);
        assert_eq!(Sealer::random().unwrap().open("session", &sealed), None);
        assert_ne!(sealer.seal("session", b"alice").unwrap(), sealed);
        for at in 0..sealed.len() {
            let mut forged = sealed.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(sealer.open("session", &forged), None, "{at}");
        }
    }

    #[test]
    fn keys_can_be_changed() {
        let old = Sealer::new(&[1; 32]).unwrap();
        let new = Sealer::new(&[2; 32])
            .unwrap()
            .with_previous(&[1; 32])
            .unwrap();
        let sealed = old.seal("x", b"y").unwrap();
        assert_eq!(new.open("x", &sealed).as_deref(), Some(&b"y"[..]));
        assert_eq!(old.open("x", &new.seal("x", b"y").unwrap()), None);
        assert!(!format!("{new:?}").contains("[2"));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text: String) {
            prop_assert_eq!(Sealer::random().unwrap().open("x", &text), None);
        }
    }
}
