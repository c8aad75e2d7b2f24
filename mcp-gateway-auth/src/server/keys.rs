use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use futures_util::StreamExt as _;
use mcp_gateway_store::{Batch, Documents, Event, Outcome, Store};
use serde::{Deserialize, Serialize};

use crate::clock::moment;
use crate::jwks::{JwkSet, KeySet};
use crate::jwt::{Algorithm, SigningKey};
use crate::{AuthorityError, Clock, Keyring};

/// The keys that the authorization server signs with. Cheap to clone.
///
/// They are in the store, sealed. A new one is there for a while before it signs, so that every
/// replica and whoever else verifies knows it by then; an old one stays for as long as tokens are
/// good that it has signed.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    documents: Documents<SealedKey>,
    current: Arc<ArcSwapOption<Snapshot>>,
    /// When a key was looked for that was not known.
    looked: Arc<AtomicU64>,
    keyring: Keyring,
    clock: Clock,
    policy: KeyPolicy,
}

/// How keys are rotated, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyPolicy {
    pub(super) algorithm: Algorithm,
    /// How long a key signs.
    pub(super) lifetime: u64,
    /// How long what it has signed is good.
    pub(super) tokens: u64,
}

/// A key in the store.
#[derive(Clone, Deserialize, Serialize)]
struct SealedKey {
    algorithm: String,
    created: u64,
    sealed: String,
}

/// The keys of a moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    signing: SigningKey,
    /// When there has to be a new one.
    due: u64,
    public: JwkSet,
    set: Arc<KeySet>,
}

impl Keys {
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

    /// The key to sign with.
    pub(super) async fn signing(&self) -> Result<SigningKey, AuthorityError> {
        Ok(self.snapshot().await?.signing.clone())
    }

    /// What others need to verify what was signed.
    pub(super) async fn public(&self) -> Result<JwkSet, AuthorityError> {
        Ok(self.snapshot().await?.public.clone())
    }

    /// The keys to verify with what was signed with `kid`.
    pub(super) async fn set_with(&self, kid: Option<&str>) -> Result<Arc<KeySet>, AuthorityError> {
        let snapshot = self.snapshot().await?;
        let is_known = kid.is_none_or(|kid| snapshot.set.contains(kid));
        // The very first one signs at once, and another replica may have made it just now. Those
        // that come later are known long before; strangers must not make the store be asked.
        if is_known || snapshot.public.keys.len() > 1 {
            return Ok(Arc::clone(&snapshot.set));
        }
        let now = self.clock.now();
        if self.looked.swap(now, Ordering::Relaxed) == now {
            return Ok(Arc::clone(&snapshot.set));
        }
        Ok(Arc::clone(&self.refresh().await?.set))
    }

    async fn snapshot(&self) -> Result<Arc<Snapshot>, AuthorityError> {
        match self.current.load_full() {
            Some(snapshot) if self.clock.now() < snapshot.due => Ok(snapshot),
            _ => self.refresh().await,
        }
    }

    /// Reads the keys, makes one if one is needed, and removes those that are not needed any more.
    pub(super) async fn refresh(&self) -> Result<Arc<Snapshot>, AuthorityError> {
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
        Err(AuthorityError::Busy)
    }

    /// Makes the key `number`, unless another replica was faster.
    async fn create(&self, number: u64, now: u64) -> Result<Outcome, AuthorityError> {
        let key = SigningKey::generate(self.policy.algorithm).map_err(|_| AuthorityError::Key)?;
        let der = key.to_pkcs8().map_err(|_| AuthorityError::Key)?;
        let sealed = self
            .keyring
            .sealer()
            .seal(PURPOSE, &der)
            .map_err(|_| AuthorityError::Random)?;
        let key = SealedKey {
            algorithm: self.policy.algorithm.name().to_owned(),
            created: now,
            sealed,
        };
        // In the order of their numbers.
        let id = format!("{number:020}");
        let batch = Batch::new().if_absent(self.documents.key(&id));
        // By then it has been replaced, and nothing is good any more that it has signed.
        let expires = now + 2 * self.policy.lifetime + self.policy.tokens;
        let batch = self
            .documents
            .put(batch, &id, &key, Some(moment(expires)))?;
        Ok(self.documents.store().commit(batch).await?)
    }

    fn open(&self, keys: &[(String, SealedKey)], now: u64) -> Result<Snapshot, AuthorityError> {
        let mut opened = Vec::new();
        for (_, key) in keys {
            let algorithm = Algorithm::from_name(&key.algorithm).ok_or(AuthorityError::Key)?;
            let der = self
                .keyring
                .sealer()
                .open(PURPOSE, &key.sealed)
                .ok_or(AuthorityError::Key)?;
            let signing =
                SigningKey::from_pkcs8(algorithm, &der).map_err(|_| AuthorityError::Key)?;
            opened.push((key, signing));
        }
        let known = opened
            .iter()
            .rev()
            .find(|(key, _)| now >= key.created + LEAD);
        // The first one of all cannot wait.
        let (_, signing) = known
            .or_else(|| opened.first())
            .ok_or(AuthorityError::Key)?;
        let signing = signing.clone();
        let public = JwkSet::new(opened.iter().map(|(_, key)| key.public().clone()));
        let due = keys
            .last()
            .map_or(now, |(_, newest)| match now < newest.created + LEAD {
                true => newest.created + LEAD,
                false => self.successor_due(newest),
            });
        Ok(Snapshot {
            signing,
            due,
            set: Arc::new(KeySet::from(&public)),
            public,
        })
    }

    /// When there has to be one that comes after `key`.
    fn successor_due(&self, key: &SealedKey) -> u64 {
        key.created + self.policy.lifetime.saturating_sub(LEAD).max(1)
    }

    /// Follows the keys that other replicas make, for as long as it is polled.
    pub(super) async fn follow(&self) -> AuthorityError {
        let mut events = self.documents.store().watch(PREFIX);
        while let Some(event) = events.next().await {
            if !matches!(event, Event::Deleted(_))
                && let Err(error) = self.refresh().await
            {
                return error;
            }
        }
        AuthorityError::Busy
    }
}

const PREFIX: &str = "auth/key/";

const PURPOSE: &str = "signing key";

/// How long a key is known before it signs, in seconds; longer than any replica needs to hear of it.
const LEAD: u64 = 300;

const MAX_ATTEMPTS: usize = 8;

/// Those whose time is over are not there any more.
const MAX_KEYS: usize = 100;
