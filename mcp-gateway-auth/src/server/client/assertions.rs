//! JWT assertions: client authentication (RFC 7523, section 2.2), and the identity assertion grant
//! (ID-JAG).
//!
//! The keys of a client assertion are those of the client that it claims as its subject; the keys
//! of an identity assertion are those of a configured issuer. Audience, type and lifetime are
//! validated by a [`Validation`]. An identity assertion must also name the authenticated client
//! and a resource of this server.
//!
//! Each assertion is accepted once: its `jti` is recorded in the store until it expires, so that an
//! intercepted one cannot be replayed, at any replica.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_gateway_store::{Batch, CommitOutcome, Store};

use super::authentication::ClientAuthenticator;
use super::{ClientAuthentication, ClientKeys, OAuthClient};
use crate::clock::system_time;
use crate::egress::Egress;
use crate::jose::{Claims, JwtError, JwtVerifier, KeySet, UnverifiedJwt, Validation};
use crate::jwks::RemoteJwks;
use crate::server::error::OAuthError;
use crate::server::issuer::IssuerUrl;
use crate::{AuthServerError, Clock, SecretHash};

/// An enterprise's identity provider, whose identity assertions are exchanged for access tokens.
///
/// See [enterprise-managed authorization][ema].
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
/// use mcp_gateway_auth::jwks::RemoteJwks;
/// use mcp_gateway_auth::server::AssertionIssuer;
///
/// # fn main() -> std::io::Result<()> {
/// let egress = Egress::new(EgressPolicy::new())?;
/// let keys = RemoteJwks::discover("https://idp.example.com", egress);
/// let issuer = AssertionIssuer::new("https://idp.example.com", keys);
/// assert!(format!("{issuer:?}").contains("https://idp.example.com"));
/// # Ok(())
/// # }
/// ```
///
/// [ema]: https://modelcontextprotocol.io/extensions/auth/enterprise-managed-authorization
#[derive(Clone, Debug)]
pub struct AssertionIssuer {
    /// Issuer identifier.
    pub(in crate::server) issuer: String,
    keys: RemoteJwks,
}

impl AssertionIssuer {
    /// Trusts the assertions that `issuer` signs with one of `keys`.
    #[must_use]
    pub fn new(issuer: impl Into<String>, keys: RemoteJwks) -> Self {
        Self {
            issuer: issuer.into(),
            keys,
        }
    }
}

/// The key sets of clients with a `jwks_uri`. Cheap to clone.
#[derive(Clone)]
pub(in crate::server) struct ClientKeySets {
    egress: Option<Egress>,
    known: Arc<Mutex<HashMap<String, RemoteJwks>>>,
}

impl ClientKeySets {
    /// Creates an empty cache. Without `egress`, keys are never fetched.
    pub(in crate::server) fn new(egress: Option<Egress>) -> Self {
        Self {
            egress,
            known: Arc::default(),
        }
    }

    /// Returns the key set at `url`.
    fn remote(&self, url: &str) -> Option<RemoteJwks> {
        let egress = self.egress.clone()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = known.get(url) {
            return Some(keys.clone());
        }
        // Evicted key sets are fetched again, which costs nothing but time.
        if known.len() >= MAX_KEY_SETS {
            known.clear();
        }
        let keys = RemoteJwks::jwks(url, egress);
        known.insert(url.to_owned(), keys.clone());
        Some(keys)
    }
}

impl fmt::Debug for ClientKeySets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKeySets").finish_non_exhaustive()
    }
}

impl ClientAuthenticator {
    /// Authenticates a client by `assertion` (`private_key_jwt`). `sent` is the optional parameter
    /// `client_id`.
    pub(in crate::server) async fn by_assertion(
        &self,
        assertion: &str,
        sent: Option<&str>,
    ) -> Result<OAuthClient, OAuthError> {
        let wrong = |_| OAuthError::invalid_client(WRONG_ASSERTION);
        // Before the signature is verified, only the claimed subject is used.
        let subject = UnverifiedJwt::parse(assertion)
            .map_err(wrong)?
            .subject()
            .map(str::to_owned);
        let id = subject.as_deref().or(sent);
        let id = id.ok_or_else(|| OAuthError::invalid_client(WRONG_ASSERTION))?;
        let client = self.registry.find(id).await?;
        let keys = client
            .as_ref()
            .and_then(|client| match &client.authentication {
                ClientAuthentication::PrivateKey(keys) => Some(keys.clone()),
                ClientAuthentication::None | ClientAuthentication::Secret { .. } => None,
            });
        let (Some(client), Some(keys)) = (client, keys) else {
            return Err(OAuthError::invalid_client(WRONG_ASSERTION));
        };
        // Older clients use the token endpoint as the audience, instead of the issuer.
        let expectation = Validation::client_assertion(&client.id, self.issuer.as_str())
            .with_audience(self.issuer.url("/token"))
            .with_audience(self.issuer.url("/api/auth/oauth2/token"));
        let claims = self.verified(assertion, &keys, &expectation).await?;
        self.assertions
            .record_use("client", &client.id, &claims)
            .await?;
        Ok(client)
    }

    /// Verifies a client assertion with the keys of the client.
    async fn verified(
        &self,
        assertion: &str,
        keys: &ClientKeys,
        expectation: &Validation,
    ) -> Result<Claims, OAuthError> {
        let verifier = JwtVerifier::new(self.clock.clone());
        let verified = match keys {
            ClientKeys::Inline(set) => match KeySet::from_value(set) {
                Ok(set) => verifier.verify(assertion, &set, expectation),
                Err(_) => Err(JwtError::Key),
            },
            ClientKeys::Remote(url) => match self.keys.remote(url) {
                Some(keys) => verifier.verify_remote(assertion, &keys, expectation).await,
                None => Err(JwtError::Key),
            },
        };
        verified.map(|verified| verified.claims).map_err(|error| {
            tracing::info!(%error, "client assertion rejected");
            OAuthError::invalid_client(WRONG_ASSERTION)
        })
    }
}

/// Use of an assertion that is accepted once.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct AssertionUse<'a> {
    /// Kind of the assertion.
    pub(in crate::server) kind: &'a str,
    /// Issuer, or client.
    pub(in crate::server) issuer: &'a str,
    /// Identifier, unique for the issuer.
    pub(in crate::server) id: &'a str,
}

impl AssertionUse<'_> {
    /// Returns the key of its record.
    fn key(&self) -> String {
        let Self { kind, issuer, id } = self;
        let id = SecretHash::digest(&format!("{kind}\n{issuer}\n{id}"));
        format!("auth/assertion/{}", id.as_str())
    }
}

/// Log of used assertions in a store. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::server) struct AssertionLog {
    store: Arc<dyn Store>,
}

impl AssertionLog {
    /// Uses the log in `store`.
    pub(in crate::server) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Records the use of an assertion. Fails if it was used before.
    pub(in crate::server) async fn record_use(
        &self,
        kind: &str,
        issuer: &str,
        claims: &Claims,
    ) -> Result<(), OAuthError> {
        let Some(jti) = &claims.jti else {
            return Err(OAuthError::invalid_grant("assertion has no jti"));
        };
        let used = AssertionUse {
            kind,
            issuer,
            id: jti,
        };
        let is_first = self.commit(Some(used), claims.exp, Batch::new()).await?;
        match is_first {
            true => Ok(()),
            false if kind == "client" => Err(OAuthError::invalid_client(WRONG_ASSERTION)),
            false => Err(OAuthError::invalid_grant("assertion already used")),
        }
    }

    /// Commits `batch` together with the record of `used`, an assertion that expires at `exp`.
    /// Returns `false` if it was used before.
    pub(in crate::server) async fn commit(
        &self,
        used: Option<AssertionUse<'_>>,
        exp: Option<u64>,
        batch: Batch,
    ) -> Result<bool, AuthServerError> {
        let batch = match used {
            Some(used) => {
                let key = used.key();
                // For as long as a replica would accept it whose clock differs by a minute.
                let expires = exp.unwrap_or_default().saturating_add(120);
                batch
                    .if_absent(key.clone())
                    .put_until(key, "", system_time(expires))
            }
            None => batch,
        };
        Ok(self.store.commit(batch).await? == CommitOutcome::Committed)
    }
}

/// Verifies identity assertions (ID-JAG) of trusted issuers. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::server) struct IdentityAssertions {
    pub(in crate::server) issuer: IssuerUrl,
    pub(in crate::server) trusted: Arc<[AssertionIssuer]>,
    pub(in crate::server) clock: Clock,
    pub(in crate::server) log: AssertionLog,
}

impl IdentityAssertions {
    /// Verifies an identity assertion of a trusted issuer.
    pub(in crate::server) async fn verify(
        &self,
        assertion: &str,
    ) -> Result<(AssertionIssuer, Claims), OAuthError> {
        let wrong = |error: JwtError| {
            tracing::info!(%error, "identity assertion rejected");
            OAuthError::invalid_grant("invalid assertion")
        };
        let parsed = UnverifiedJwt::parse(assertion).map_err(wrong)?;
        let trusted = &self.trusted;
        let issuer = trusted
            .iter()
            .find(|known| parsed.issuer() == Some(&known.issuer));
        // Tokens of this server are not assertions for this server.
        let issuer = issuer.filter(|known| known.issuer != self.issuer.as_str());
        let issuer = issuer.ok_or_else(|| wrong(JwtError::Issuer))?.clone();
        let expectation = Validation::id_jag(&issuer.issuer, self.issuer.as_str())
            .with_max_lifetime(Duration::from_secs(300));
        let verifier = JwtVerifier::new(self.clock.clone());
        let verified = verifier
            .verify_remote(assertion, &issuer.keys, &expectation)
            .await;
        match verified {
            Ok(verified) => Ok((issuer, verified.claims)),
            Err(JwtError::Keys(error)) => Err(AuthServerError::Provider(error.into()).into()),
            Err(error) => Err(wrong(error)),
        }
    }
}

/// Maximum number of cached key sets.
const MAX_KEY_SETS: usize = 1000;

/// Description without the reason, which is in the log.
const WRONG_ASSERTION: &str = "unknown client, or invalid client assertion";
