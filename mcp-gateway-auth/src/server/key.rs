//! The signing keys of the server, with rotation across replicas (RFC 7517, section 5).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use futures_util::StreamExt as _;
use mcp_gateway_store::{Batch, CommitOutcome, Documents, Store, WatchEvent};
use serde::{Deserialize, Serialize};

use crate::clock::system_time;
use crate::jose::{Algorithm, JwkSet, KeySet, SigningKey};
use crate::{AuthServerError, Clock, Keyring};

/// The signing keys. Cheap to clone.
///
/// They are sealed in the store. A new key is published some time before its first use, so that all
/// replicas and external verifiers know it by then. An old key remains published until all tokens
/// that it has signed are expired.
#[derive(Clone, Debug)]
pub(super) struct SigningKeys {
    documents: Documents<SealedKey>,
    current: Arc<ArcSwapOption<KeySnapshot>>,
    /// Time of the last lookup of an unknown key ID, in seconds since the Unix epoch.
    looked: Arc<AtomicU64>,
    keyring: Keyring,
    clock: Clock,
    policy: KeyPolicy,
}

/// The rotation policy, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyPolicy {
    pub(super) algorithm: Algorithm,
    /// Period in which a key signs.
    pub(super) lifetime: u64,
    /// Lifetime of the signed tokens.
    pub(super) tokens: u64,
}

/// A key in the store.
#[derive(Clone, Deserialize, Serialize)]
struct SealedKey {
    algorithm: String,
    created: u64,
    sealed: String,
}

/// The keys at a point in time.
#[derive(Debug)]
pub(super) struct KeySnapshot {
    signing: SigningKey,
    /// Time at which a refresh is due.
    due: u64,
    public: JwkSet,
    set: Arc<KeySet>,
}

impl SigningKeys {
    /// Uses the keys in `store`.
    pub(super) fn new(
        store: Arc<dyn Store>,
        keyring: Keyring,
        clock: Clock,
        policy: KeyPolicy,
    ) -> Self {
        Self {
            documents: Documents::new(store, PREFIX),
            current: Arc::default(),
            looked: Arc::default(),
            keyring,
            clock,
            policy,
        }
    }

    /// Returns the current signing key.
    pub(super) async fn signing(&self) -> Result<SigningKey, AuthServerError> {
        Ok(self.snapshot().await?.signing.clone())
    }

    /// Returns the public keys, to be published.
    pub(super) async fn public(&self) -> Result<JwkSet, AuthServerError> {
        Ok(self.snapshot().await?.public.clone())
    }

    /// Returns the verification keys, refreshed if the key ID `kid` may be new.
    pub(super) async fn set_with(&self, kid: Option<&str>) -> Result<Arc<KeySet>, AuthServerError> {
        let snapshot = self.snapshot().await?;
        let is_known = kid.is_none_or(|kid| snapshot.set.contains(kid));
        // The very first key signs at once, and another replica may have just created it. Later
        // keys are known long before their use. Unknown key IDs of strangers must not cause load on
        // the store.
        if is_known || snapshot.public.keys.len() > 1 {
            return Ok(Arc::clone(&snapshot.set));
        }
        let now = self.clock.now();
        if self.looked.swap(now, Ordering::Relaxed) == now {
            return Ok(Arc::clone(&snapshot.set));
        }
        Ok(Arc::clone(&self.refresh().await?.set))
    }

    /// Returns the current keys, refreshed if due.
    async fn snapshot(&self) -> Result<Arc<KeySnapshot>, AuthServerError> {
        match self.current.load_full() {
            Some(snapshot) if self.clock.now() < snapshot.due => Ok(snapshot),
            _ => self.refresh().await,
        }
    }

    /// Reads the keys, and creates one if due. Expired keys have been removed by the store.
    pub(super) async fn refresh(&self) -> Result<Arc<KeySnapshot>, AuthServerError> {
        for _ in 0..MAX_ATTEMPTS {
            let found = self.documents.list("", None, MAX_KEYS).await?;
            let now = self.clock.now();
            let keys: Vec<_> = found
                .into_iter()
                .map(|(id, stored)| (id, stored.value))
                .collect();
            let newest = keys.last();
            let is_due = newest.is_none_or(|(_, key)| now >= self.successor_due(key));
            if is_due {
                let number = newest.map_or(0, |(id, _)| id.parse::<u64>().unwrap_or(0) + 1);
                let _ = self.create(number, now).await?;
                continue;
            }
            let snapshot = Arc::new(self.open(&keys, now)?);
            self.current.store(Some(Arc::clone(&snapshot)));
            return Ok(snapshot);
        }
        Err(AuthServerError::Busy)
    }

    /// Creates the key `number`, unless another replica has created it.
    async fn create(&self, number: u64, now: u64) -> Result<CommitOutcome, AuthServerError> {
        let key = SigningKey::generate(self.policy.algorithm).map_err(|_| AuthServerError::Key)?;
        let der = key.to_pkcs8().map_err(|_| AuthServerError::Key)?;
        let sealed = self
            .keyring
            .sealer()
            .seal(PURPOSE, &der)
            .map_err(|_| AuthServerError::Random)?;
        let key = SealedKey {
            algorithm: self.policy.algorithm.name().to_owned(),
            created: now,
            sealed,
        };
        // Zero-padded, so that keys are sorted by number.
        let id = format!("{number:020}");
        let batch = Batch::new().if_absent(self.documents.key(&id));
        // By then the key is replaced, and all tokens that it has signed are expired.
        let expires = now + 2 * self.policy.lifetime + self.policy.tokens;
        let batch = self
            .documents
            .put(batch, &id, &key, Some(system_time(expires)))?;
        Ok(self.documents.store().commit(batch).await?)
    }

    /// Opens the sealed keys and selects the signing key.
    fn open(&self, keys: &[(String, SealedKey)], now: u64) -> Result<KeySnapshot, AuthServerError> {
        let mut opened = Vec::new();
        for (_, key) in keys {
            let algorithm = Algorithm::from_name(&key.algorithm).ok_or(AuthServerError::Key)?;
            let der = self
                .keyring
                .sealer()
                .open(PURPOSE, &key.sealed)
                .ok_or(AuthServerError::Key)?;
            let signing =
                SigningKey::from_pkcs8(algorithm, &der).map_err(|_| AuthServerError::Key)?;
            opened.push((key, signing));
        }
        let known = opened
            .iter()
            .rev()
            .find(|(key, _)| now >= key.created + LEAD);
        // The very first key cannot be delayed.
        let (_, signing) = known
            .or_else(|| opened.first())
            .ok_or(AuthServerError::Key)?;
        let signing = signing.clone();
        let public = JwkSet::new(opened.iter().map(|(_, key)| key.public().clone()));
        let due = keys
            .last()
            .map_or(now, |(_, newest)| match now < newest.created + LEAD {
                true => newest.created + LEAD,
                false => self.successor_due(newest),
            });
        Ok(KeySnapshot {
            signing,
            due,
            set: Arc::new(KeySet::from(&public)),
            public,
        })
    }

    /// Returns the time at which the successor of `key` must be created.
    fn successor_due(&self, key: &SealedKey) -> u64 {
        key.created + self.policy.lifetime.saturating_sub(LEAD).max(1)
    }

    /// Follows the keys of other replicas for as long as it is polled.
    pub(super) async fn follow(&self) -> AuthServerError {
        let mut events = self.documents.store().watch(PREFIX);
        while let Some(event) = events.next().await {
            if !matches!(event, WatchEvent::Deleted(_))
                && let Err(error) = self.refresh().await
            {
                return error;
            }
        }
        AuthServerError::Busy
    }
}

/// Returns `true` if `store` has signing keys, none of which `keyring` can open.
///
/// Such a store belongs to another master key: its tokens are not valid for a server with this one,
/// which cannot issue any either.
///
/// # Errors
///
/// [`AuthServerError`] if the store is unavailable, or a key in it is malformed.
pub async fn has_foreign_signing_keys(
    store: Arc<dyn Store>,
    keyring: &Keyring,
) -> Result<bool, AuthServerError> {
    let documents: Documents<SealedKey> = Documents::new(store, PREFIX);
    let keys = documents.list("", None, MAX_KEYS).await?;
    let mut sealed = keys.iter().map(|(_, key)| &key.value.sealed);
    let opens = |sealed: &String| keyring.sealer().open(PURPOSE, sealed).is_some();
    Ok(!keys.is_empty() && !sealed.any(opens))
}

/// Store prefix of the keys.
const PREFIX: &str = "auth/key/";

/// Purpose of the seal.
const PURPOSE: &str = "signing key";

/// Time between the publication and the first use of a key, in seconds. It exceeds the propagation
/// delay between replicas.
const LEAD: u64 = 300;

/// Maximum number of attempts to create a key.
const MAX_ATTEMPTS: usize = 8;

/// Maximum number of keys that are read. Expired ones are deleted.
const MAX_KEYS: usize = 100;
