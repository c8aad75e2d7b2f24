//! The keys of the authorization server that are not in the store.
//!
//! A copy of the store alone is useless: handles cannot be derived from the stored state, and
//! secrets in it are sealed.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_gateway_core::Sealer;
use zeroize::Zeroizing;

use crate::AuthServerError;

/// Keys for opaque handles and for sealing documents. Cheap to clone.
///
/// A handle (an authorization code, a refresh token, a cookie) is an identifier with a generation
/// and an HMAC over both and a purpose. It cannot be guessed or modified, and is valid for its
/// purpose only: a code is not accepted as a refresh token. All replicas use the same keys.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::{Handle, Keyring};
///
/// # fn main() -> Result<(), mcp_gateway_auth::AuthServerError> {
/// let old = Keyring::new(&[1; 32])?;
/// let text = old.issue("code", Handle::new("grant-1", 0));
///
/// let new = Keyring::new(&[2; 32])?.with_previous(&[1; 32])?;
/// assert_eq!(new.verify("code", &text), Some(Handle::new("grant-1", 0)));
/// assert_eq!(new.verify("refresh", &text), None);
///
/// let sealed = old.sealer().seal("key", b"private").unwrap();
/// assert_eq!(new.sealer().open("key", &sealed).as_deref(), Some(&b"private"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Keyring(Arc<Keys>);

/// The derived keys.
#[derive(Clone)]
struct Keys {
    current: hmac::Key,
    previous: Vec<hmac::Key>,
    sealer: Arc<Sealer>,
    /// Master keys, newest first.
    masters: Vec<Zeroizing<[u8; 32]>>,
}

/// The content of a handle: the identifier of a state and its generation.
///
/// Each rotation increments the generation. An old generation is thereby recognized as a replay.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Handle {
    /// Identifier of the state.
    pub id: String,
    /// Number of the handle among those of the same state.
    pub generation: u32,
}

impl Handle {
    /// Creates the handle of `generation` for the state `id`.
    #[must_use]
    pub fn new(id: impl Into<String>, generation: u32) -> Self {
        Self {
            id: id.into(),
            generation,
        }
    }
}

impl Keyring {
    /// Derives keys from `master`, 256 random bits.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Key`] if the cryptographic library rejects a key.
    pub fn new(master: &[u8; 32]) -> Result<Self, AuthServerError> {
        Self::from_masters(vec![Zeroizing::new(*master)])
    }

    /// Accepts handles and sealed documents of the previous key `master` as well. New ones use the
    /// current key.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Key`] if the cryptographic library rejects a key.
    pub fn with_previous(self, master: &[u8; 32]) -> Result<Self, AuthServerError> {
        let mut masters = self.0.masters.clone();
        masters.push(Zeroizing::new(*master));
        Self::from_masters(masters)
    }

    /// Derives all keys from the master keys, newest first.
    fn from_masters(masters: Vec<Zeroizing<[u8; 32]>>) -> Result<Self, AuthServerError> {
        let mut keys = masters.iter().map(|master| derive(master, "handles"));
        let current = keys.next().ok_or(AuthServerError::Key)?;
        let previous = keys.collect();
        let mut sealing = masters.iter().map(|master| secret(master, "seal"));
        let newest = sealing.next().ok_or(AuthServerError::Key)?;
        let sealer = Sealer::new(&newest).map_err(|_| AuthServerError::Key)?;
        let sealer = sealing
            .try_fold(sealer, |sealer, key| sealer.with_previous(&key))
            .map_err(|_| AuthServerError::Key)?;
        Ok(Self(Arc::new(Keys {
            current,
            previous,
            sealer: Arc::new(sealer),
            masters,
        })))
    }

    /// Returns the sealer of documents in the store (authenticated encryption).
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    /// Returns what `make` creates of the keys for `usage` of another component, newest first.
    ///
    /// They are independent of the keys of this type, whose usages have no `/`.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_auth::Keyring;
    ///
    /// # fn main() -> Result<(), mcp_gateway_auth::AuthServerError> {
    /// let old = Keyring::new(&[1; 32])?.derive("signatures", |key| *key);
    /// let keyring = Keyring::new(&[2; 32])?.with_previous(&[1; 32])?;
    /// assert_eq!(keyring.derive("signatures", |key| *key)[1], old[0]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn derive<T>(&self, usage: &str, make: impl Fn(&[u8; 32]) -> T) -> Vec<T> {
        let usage = format!("component/{usage}");
        let keys = self.0.masters.iter().map(|master| secret(master, &usage));
        keys.map(|key| make(&key)).collect()
    }

    /// Returns the text of `handle` for `purpose`.
    #[must_use]
    pub fn issue(&self, purpose: &str, handle: Handle) -> String {
        let tag = tag(&self.0.current, purpose, &handle);
        let Handle { id, generation } = handle;
        let tag = URL_SAFE_NO_PAD.encode(tag);
        format!("{id}.{generation}.{tag}")
    }

    /// Returns the handle of `text`, if it was [issued](Self::issue) for `purpose`. The tag is
    /// compared in constant time.
    #[must_use]
    pub fn verify(&self, purpose: &str, text: &str) -> Option<Handle> {
        if text.len() > MAX_HANDLE {
            return None;
        }
        let mut parts = text.splitn(3, '.');
        let (id, number, tag) = (parts.next()?, parts.next()?, parts.next()?);
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let handle = Handle::new(id, number.parse().ok()?);
        // Only the canonical number is accepted: one handle has one text.
        if handle.generation.to_string() != number {
            return None;
        }
        let message = message(purpose, &handle);
        let mut keys = std::iter::once(&self.0.current).chain(&self.0.previous);
        let verified = keys.any(|key| hmac::verify(key, &message, &tag).is_ok());
        verified.then_some(handle)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring").finish_non_exhaustive()
    }
}

/// Signs a handle.
fn tag(key: &hmac::Key, purpose: &str, handle: &Handle) -> hmac::Tag {
    hmac::sign(key, &message(purpose, handle))
}

/// Returns the signed message of a handle.
///
/// Purposes are constants without a line break, so that different handles have different messages.
fn message(purpose: &str, handle: &Handle) -> Vec<u8> {
    let Handle { id, generation } = handle;
    format!("{purpose}\n{generation}\n{id}").into_bytes()
}

/// Derives the key bytes for one usage of the master key.
fn secret(master: &[u8; 32], usage: &str) -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    let master = hmac::Key::new(hmac::HMAC_SHA256, master);
    bytes.copy_from_slice(hmac::sign(&master, usage.as_bytes()).as_ref());
    bytes
}

/// Derives the HMAC key for one usage of the master key.
fn derive(master: &[u8; 32], usage: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &*secret(master, usage))
}

/// Maximum length of a handle, in bytes.
const MAX_HANDLE: usize = 512;
