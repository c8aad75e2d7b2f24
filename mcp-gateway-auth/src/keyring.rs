use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_gateway_core::Sealer;

use crate::AuthorityError;

/// The keys that are not in the store: whoever has the store alone can use nothing that is in it.
///
/// It makes opaque handles (authorization codes, refresh tokens, cookies), which say what they are
/// for and can neither be guessed nor changed, and seals what has to be kept in the store. All
/// replicas have the same. Cheap to clone.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::{Handle, Keyring};
///
/// # fn main() -> Result<(), mcp_gateway_auth::AuthorityError> {
/// let old = Keyring::new(&[1; 32])?;
/// let text = old.issue("code", Handle::new("grant-1", 0));
///
/// let new = Keyring::new(&[2; 32])?.with_previous(&[1; 32])?;
/// assert_eq!(new.read("code", &text), Some(Handle::new("grant-1", 0)));
/// assert_eq!(new.read("refresh", &text), None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Keyring(Arc<Keys>);

#[derive(Clone)]
struct Keys {
    current: hmac::Key,
    previous: Vec<hmac::Key>,
    sealer: Arc<Sealer>,
    /// The keys that the sealer is made of, newest first.
    masters: Vec<[u8; 32]>,
}

/// What a handle stands for: the state under `id`, at its `generation`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Handle {
    /// The identifier of the state.
    pub id: String,
    /// Which of the handles of that state it is.
    pub generation: u32,
}

impl Handle {
    /// The handle of `generation` for the state under `id`.
    #[must_use]
    pub fn new(id: impl Into<String>, generation: u32) -> Self {
        Self {
            id: id.into(),
            generation,
        }
    }
}

impl Keyring {
    /// The keys that are derived from `master`, 256 random bits.
    ///
    /// # Errors
    ///
    /// When the key cannot be used.
    pub fn new(master: &[u8; 32]) -> Result<Self, AuthorityError> {
        Self::of(vec![*master])
    }

    /// Accepts what was made with `master` before, too.
    ///
    /// # Errors
    ///
    /// When the key cannot be used.
    pub fn with_previous(self, master: &[u8; 32]) -> Result<Self, AuthorityError> {
        let mut masters = self.0.masters.clone();
        masters.push(*master);
        Self::of(masters)
    }

    fn of(masters: Vec<[u8; 32]>) -> Result<Self, AuthorityError> {
        let mut keys = masters.iter().map(|master| derive(master, "handles"));
        let current = keys.next().ok_or(AuthorityError::Key)?;
        let previous = keys.collect();
        let mut sealing = masters.iter().map(|master| secret(master, "seal"));
        let newest = sealing.next().ok_or(AuthorityError::Key)?;
        let sealer = Sealer::new(&newest).map_err(|_| AuthorityError::Key)?;
        let sealer = sealing
            .try_fold(sealer, |sealer, key| sealer.with_previous(&key))
            .map_err(|_| AuthorityError::Key)?;
        Ok(Self(Arc::new(Keys {
            current,
            previous,
            sealer: Arc::new(sealer),
            masters,
        })))
    }

    /// Seals what is kept in the store.
    #[must_use]
    pub fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    /// The text of `handle`, for `purpose` alone.
    #[must_use]
    pub fn issue(&self, purpose: &str, handle: Handle) -> String {
        let tag = tag(&self.0.current, purpose, &handle);
        let Handle { id, generation } = handle;
        let tag = URL_SAFE_NO_PAD.encode(tag);
        format!("{id}.{generation}.{tag}")
    }

    /// What `text` stands for, if it was [issued](Self::issue) for `purpose`.
    #[must_use]
    pub fn read(&self, purpose: &str, text: &str) -> Option<Handle> {
        if text.len() > MAX_HANDLE {
            return None;
        }
        let mut parts = text.splitn(3, '.');
        let (id, number, tag) = (parts.next()?, parts.next()?, parts.next()?);
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let handle = Handle::new(id, number.parse().ok()?);
        // The same handle has one text only.
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

fn tag(key: &hmac::Key, purpose: &str, handle: &Handle) -> hmac::Tag {
    hmac::sign(key, &message(purpose, handle))
}

/// Purposes are names of ours, without a line break, so no two handles have the same message.
fn message(purpose: &str, handle: &Handle) -> Vec<u8> {
    let Handle { id, generation } = handle;
    format!("{purpose}\n{generation}\n{id}").into_bytes()
}

/// A key of its own for each use of the master key.
fn secret(master: &[u8; 32], usage: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    let master = hmac::Key::new(hmac::HMAC_SHA256, master);
    bytes.copy_from_slice(hmac::sign(&master, usage.as_bytes()).as_ref());
    bytes
}

fn derive(master: &[u8; 32], usage: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &secret(master, usage))
}

/// Far more than any handle of ours has.
const MAX_HANDLE: usize = 512;
