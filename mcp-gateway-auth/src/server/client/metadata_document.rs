//! Client ID metadata documents: clients whose ID is the URL of their metadata.
//!
//! Strangers choose the URL. It is fetched through [`Egress`], with a limit per host, so that the
//! server cannot be used to flood another one.
//!
//! A client that has obtained tokens does not depend on the host of its document: its last valid
//! document is in the store, and is used for as long as the host does not respond. If there is none,
//! the client is unknown *for now*: that is a temporary error, because clients discard their tokens
//! upon `invalid_client`.

mod description;
mod last_valid;
mod reach;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::StatusCode;
use mcp_gateway_store::Store;
use moka::Expiry;
use moka::future::Cache;
use tokio::time::timeout;
use url::Url;

use self::description::{described, is_identifier};
use self::last_valid::LastValidDocuments;
use self::reach::DocumentReach;
use super::OAuthClient;
use crate::egress::{Egress, EgressError};
use crate::server::error::OAuthError;
use crate::{AuthServerError, Clock};

/// Clients with a metadata document. Cheap to clone.
///
/// See [Client ID Metadata Documents][cimd].
///
/// [cimd]: https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/
#[derive(Clone)]
pub(in crate::server) struct ClientMetadataDocuments {
    egress: Egress,
    known: Cache<String, CachedClient>,
    last_valid: LastValidDocuments,
    reach: DocumentReach,
    /// Number of fetches per host.
    fetches: Arc<DefaultKeyedRateLimiter<String>>,
}

/// The reason for which a client is unknown.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The response is not a document, such as a page of a proxy.
    #[error("{0}")]
    Garbled(EgressError),
    /// Too many fetches from the host, which anybody can cause.
    #[error("too many requests to the host")]
    Often,
    /// The host does not respond, or refuses for now.
    #[error("{0}")]
    Unavailable(EgressError),
    /// The document does not exist or is invalid.
    #[error("{0}")]
    Wrong(String),
}

/// A cached client with its lifetime.
#[derive(Clone)]
struct CachedClient {
    client: Arc<OAuthClient>,
    lifetime: Duration,
}

/// Expires clients by the lifetime of their documents.
struct CacheExpiry;

impl Expiry<String, CachedClient> for CacheExpiry {
    fn expire_after_create(
        &self,
        _: &String,
        known: &CachedClient,
        _: std::time::Instant,
    ) -> Option<Duration> {
        Some(known.lifetime)
    }
}

impl ClientMetadataDocuments {
    /// Fetches documents with `egress`, and keeps those of clients in use in `store` for
    /// `retention` seconds since their last use.
    pub(in crate::server) fn new(
        egress: Egress,
        store: Arc<dyn Store>,
        clock: Clock,
        retention: u64,
    ) -> Self {
        let known = Cache::builder()
            .max_capacity(MAX_KNOWN)
            .expire_after(CacheExpiry);
        Self {
            reach: DocumentReach::new(egress.clone(), clock.clone()),
            egress,
            known: known.build(),
            last_valid: LastValidDocuments::new(store, clock, retention),
            fetches: Arc::new(RateLimiter::keyed(Quota::per_minute(MAX_FETCHES))),
        }
    }

    /// Replaces the documents by which reachability is determined.
    pub(in crate::server) fn with_probes(mut self, probes: Arc<[String]>) -> Self {
        self.reach = self.reach.with_probes(probes);
        self
    }

    /// Returns `true` if documents can be fetched at the moment. `all` requires those of all
    /// well-known clients.
    pub(in crate::server) async fn are_reachable(&self, all: bool) -> bool {
        self.reach.is_reachable(all).await
    }

    /// Returns the client `id`, or `None` if its document does not exist or is invalid.
    ///
    /// # Errors
    ///
    /// [`OAuthError::DocumentUnavailable`] if that cannot be determined at the moment.
    pub(in crate::server) async fn get(&self, id: &str) -> Result<Option<OAuthClient>, OAuthError> {
        if !is_identifier(id) {
            return Ok(None);
        }
        // Failures are not cached. Concurrent requests share one fetch.
        let known = self.known.try_get_with_by_ref(id, self.load(id)).await;
        match known {
            Ok(known) => Ok(Some(OAuthClient::clone(&known.client))),
            Err(error) => match *error {
                Failure::Often => Err(OAuthError::RateLimited(Duration::from_secs(60))),
                Failure::Unavailable(_) => {
                    tracing::warn!(client = id, %error, setting = SETTING,
                        "client metadata document unavailable");
                    Err(OAuthError::DocumentUnavailable)
                }
                Failure::Garbled(_) | Failure::Wrong(_) => {
                    tracing::info!(client = id, %error, "client metadata document rejected");
                    Ok(None)
                }
            },
        }
    }

    /// Keeps the document of `client`, which has obtained tokens.
    pub(in crate::server) async fn keep(
        &self,
        client: &OAuthClient,
    ) -> Result<(), AuthServerError> {
        self.last_valid.keep(client).await
    }

    /// Fetches a document. If its host does not respond, uses the last valid one.
    async fn load(&self, id: &str) -> Result<CachedClient, Failure> {
        let last_valid = self.last_valid.get(id).await;
        let fetched = match &last_valid {
            // Users wait no longer than for a slow host.
            Some(_) => timeout(FALLBACK_AFTER, self.fetch(id)).await,
            None => Ok(self.fetch(id).await),
        };
        let fetched = fetched.unwrap_or(Err(Failure::Unavailable(EgressError::Unavailable)));
        match &fetched {
            Ok(_) => self.reach.note_success(),
            Err(Failure::Unavailable(_)) => self.reach.note_failure(),
            Err(_) => {}
        }
        match (fetched, last_valid) {
            (Ok(client), _) => Ok(client),
            (Err(Failure::Wrong(reason)), last_valid) => {
                if last_valid.is_some() {
                    self.last_valid.forget(id).await;
                }
                Err(Failure::Wrong(reason))
            }
            (Err(error), Some(client)) => {
                tracing::warn!(client = id, %error, setting = SETTING,
                    "client metadata document unavailable; using the last valid one");
                Ok(CachedClient {
                    client: Arc::new(client),
                    lifetime: RETRY,
                })
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Fetches and validates a document.
    async fn fetch(&self, id: &str) -> Result<CachedClient, Failure> {
        self.count(id)?;
        let fetched = self.egress.get_json(id, MAX_DOCUMENT).await;
        let fetched = fetched.map_err(Failure::from)?;
        let client = described(id, &fetched.body);
        let client = client.map_err(|error| Failure::Wrong(error.to_string()))?;
        let age = fetched.max_age().unwrap_or(MIN_LIFETIME);
        Ok(CachedClient {
            client: Arc::new(client),
            lifetime: age.clamp(MIN_LIFETIME, MAX_LIFETIME),
        })
    }

    /// Counts a fetch of `id`.
    fn count(&self, id: &str) -> Result<(), Failure> {
        if self.fetches.len() > MAX_HOSTS {
            self.fetches.retain_recent();
        }
        let url = Url::parse(id).map_err(|error| Failure::Wrong(error.to_string()))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        self.fetches.check_key(&host).map_err(|_| Failure::Often)
    }
}

impl From<EgressError> for Failure {
    fn from(error: EgressError) -> Self {
        match error {
            EgressError::Paused { .. } | EgressError::Timeout | EgressError::Unavailable => {
                Self::Unavailable(error)
            }
            EgressError::Status(StatusCode::NOT_FOUND | StatusCode::GONE) => {
                Self::Wrong(error.to_string())
            }
            EgressError::Status(status) if is_temporary(status) => Self::Unavailable(error),
            EgressError::ContentType | EgressError::Status(_) | EgressError::TooLarge { .. } => {
                Self::Garbled(error)
            }
        }
    }
}

/// Returns `true` if a host that responds with `status` may serve the document later, or to others:
/// protections against robots respond with 401 or 403.
fn is_temporary(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 407 | 408 | 425 | 429)
}

impl fmt::Debug for ClientMetadataDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientMetadataDocuments")
            .finish_non_exhaustive()
    }
}

/// Configuration key, for operators who search the log for the cause.
const SETTING: &str = "auth.oauth.clientMetadataDocuments";

/// Time after which the last valid document is used instead of one from a slow host.
const FALLBACK_AFTER: Duration = Duration::from_secs(3);

/// Time between attempts to fetch a document whose last valid version is in use.
const RETRY: Duration = Duration::from_secs(60);

/// Maximum size of a document by the draft, in bytes.
const MAX_DOCUMENT: usize = 5 * 1024;

/// Maximum number of cached clients.
const MAX_KNOWN: u64 = 1000;

/// Maximum number of fetches per host and minute.
const MAX_FETCHES: NonZeroU32 = NonZeroU32::new(60).unwrap();

/// Number of hosts at which idle counters are removed.
const MAX_HOSTS: usize = 1000;

/// Lower bound and default of the lifetime of a document.
const MIN_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Upper bound of the lifetime of a document.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
