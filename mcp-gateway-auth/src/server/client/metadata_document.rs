//! Client ID metadata documents: clients whose ID is the URL of their metadata.
//!
//! Strangers choose the URL. It is fetched through [`Egress`], with a limit per host, so that the
//! server cannot be used to flood another one.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use moka::Expiry;
use moka::future::Cache;
use serde_json::{Map, Value};
use url::Url;

use super::registration_request::{AuthMethod, RegistrationRequest};
use super::{ClientAuthentication, ClientOrigin, OAuthClient};
use crate::egress::Egress;
use crate::server::error::OAuthError;

/// Clients with a metadata document. Cheap to clone.
///
/// See [Client ID Metadata Documents][cimd].
///
/// [cimd]: https://datatracker.ietf.org/doc/draft-ietf-oauth-client-id-metadata-document/
#[derive(Clone)]
pub(in crate::server) struct ClientMetadataDocuments {
    egress: Egress,
    known: Cache<String, CachedClient>,
    /// Number of fetches per host.
    fetches: Arc<DefaultKeyedRateLimiter<String>>,
}

/// The reason for which a client is unknown.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Too many fetches from the host, which anybody can cause.
    #[error("too many requests to the host")]
    Often,
    /// The document is unavailable or invalid.
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
    /// Fetches documents with `egress`.
    pub(in crate::server) fn new(egress: Egress) -> Self {
        let known = Cache::builder()
            .max_capacity(MAX_KNOWN)
            .expire_after(CacheExpiry);
        Self {
            egress,
            known: known.build(),
            fetches: Arc::new(RateLimiter::keyed(Quota::per_minute(MAX_FETCHES))),
        }
    }

    /// Returns the client `id`, or `None` if its document is unavailable or invalid.
    pub(in crate::server) async fn get(&self, id: &str) -> Result<Option<OAuthClient>, OAuthError> {
        if !is_identifier(id) {
            return Ok(None);
        }
        // Failures are not cached. Concurrent requests share one fetch.
        let known = self.known.try_get_with_by_ref(id, self.fetch(id)).await;
        match known {
            Ok(known) => Ok(Some(OAuthClient::clone(&known.client))),
            Err(error) => {
                tracing::info!(client = id, %error, "client metadata document rejected");
                match *error {
                    Failure::Often => Err(OAuthError::RateLimited(Duration::from_secs(60))),
                    Failure::Wrong(_) => Ok(None),
                }
            }
        }
    }

    /// Fetches and validates a document.
    async fn fetch(&self, id: &str) -> Result<CachedClient, Failure> {
        self.count(id)?;
        let fetched = self.egress.get_json(id, MAX_DOCUMENT).await;
        let fetched = fetched.map_err(|error| Failure::Wrong(error.to_string()))?;
        let client = described(id, &fetched.body);
        let client = client.map_err(|error| Failure::Wrong(error.to_string()))?;
        let age = fetched.max_age().unwrap_or(MIN_LIFETIME);
        Ok(CachedClient {
            client: Arc::new(client),
            lifetime: age.clamp(MIN_LIFETIME, MAX_LIFETIME),
        })
    }
}

impl ClientMetadataDocuments {
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

impl fmt::Debug for ClientMetadataDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientMetadataDocuments")
            .finish_non_exhaustive()
    }
}

/// Returns `true` if `id` is a valid client ID URL: normalized, with a path, and without fragment,
/// credentials or dot segments.
fn is_identifier(id: &str) -> bool {
    let Ok(url) = Url::parse(id) else {
        return false;
    };
    let path = id
        .strip_prefix("https://")
        .and_then(|rest| rest.split_once('/'));
    let Some((_, path)) = path else {
        return false;
    };
    let is_dotted = |segment: &str| {
        matches!(
            segment.to_ascii_lowercase().replace("%2e", ".").as_str(),
            "." | ".."
        )
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    url.as_str() == id
        && url.path().len() > 1
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && !path.split('/').any(is_dotted)
}

/// Returns the client `id` that `document` describes.
fn described(id: &str, document: &[u8]) -> Result<OAuthClient, OAuthError> {
    let object = serde_json::from_slice::<Map<String, Value>>(document);
    let object =
        object.map_err(|_| OAuthError::invalid_client_metadata("document is not a JSON object"))?;
    if object.get("client_id").and_then(Value::as_str) != Some(id) {
        return Err(OAuthError::invalid_client_metadata(
            "client_id does not match the URL of the document",
        ));
    }
    for secret in ["client_secret", "client_secret_expires_at"] {
        if object.contains_key(secret) {
            return Err(OAuthError::invalid_client_metadata(
                "client secrets are not allowed in a public document",
            ));
        }
    }
    let wanted = RegistrationRequest::from_object(&object)?;
    let Some(name) = wanted.name else {
        return Err(OAuthError::invalid_client_metadata(
            "missing member: client_name",
        ));
    };
    let authentication = match (wanted.method, wanted.keys) {
        (AuthMethod::None, None) => ClientAuthentication::None,
        (AuthMethod::PrivateKey, Some(keys)) => ClientAuthentication::PrivateKey(keys),
        _ => {
            return Err(OAuthError::invalid_client_metadata(
                "client secrets are not allowed in a public document",
            ));
        }
    };
    Ok(OAuthClient {
        id: id.to_owned(),
        name,
        redirect_uris: wanted.redirect_uris,
        authentication,
        grant_types: wanted.grant_types,
        scopes: wanted.scopes,
        origin: ClientOrigin::MetadataDocument,
        uri: wanted.uri,
        metadata: wanted.metadata,
        issued_at: 0,
        is_resource_server: false,
    })
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o26_an_identifier_is_a_plain_url() {
        for id in [
            "https://a.example/client.json",
            "https://a.example/a?b=c",
            "https://a.example:8443/c",
        ] {
            assert!(is_identifier(id), "{id}");
        }
        for id in [
            "https://a.example",
            "https://a.example/",
            "http://a.example/c",
            "https://a.example/../c",
            "https://a.example/a/%2e%2E/c",
            "https://a.example/./c",
            "https://u@a.example/c",
            "https://u:p@a.example/c",
            "https://a.example/c#f",
            "https://A.example/c",
            "https://a.example:443/c",
            "https://a.example/c\\d",
            " https://a.example/c",
        ] {
            assert!(!is_identifier(id), "{id}");
        }
    }

    #[test]
    fn o26_a_document_describes_its_own_url_without_secrets() {
        let id = "https://a.example/c";
        let good = r#"{"client_id":"https://a.example/c","client_name":"A","redirect_uris":["https://a.example/cb"]}"#;
        assert_eq!(described(id, good.as_bytes()).unwrap().name, "A");
        for bad in [
            good.replace("example/c\"", "example/d\""),
            good.replace("\"client_name\":\"A\",", ""),
            good.replace("\"A\"", "\"A\",\"client_secret\":\"s\""),
            good.replace(
                "\"A\"",
                "\"A\",\"token_endpoint_auth_method\":\"client_secret_post\"",
            ),
            good.replace("[\"https://a.example/cb\"]", "[]"),
            good.replace("https://a.example/cb", "javascript:1"),
            "[]".to_owned(),
        ] {
            assert!(described(id, bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
