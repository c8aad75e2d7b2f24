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

use mcp_gateway_store::{Batch, CommitOutcome};

use super::{ClientAuthentication, ClientKeys, OAuthClient};
use crate::clock::system_time;
use crate::egress::Egress;
use crate::jose::{Claims, JwtError, JwtVerifier, KeySet, UnverifiedJwt, Validation};
use crate::jwks::RemoteJwks;
use crate::server::AuthorizationServer;
use crate::server::endpoint::form::Form;
use crate::server::endpoint::token::TokenResponse;
use crate::server::error::OAuthError;
use crate::server::token::access_token::TokenSubject;
use crate::{AuthServerError, SecretHash};

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
    issuer: String,
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

impl AuthorizationServer {
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
        let client = self.clients().find(id).await?;
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
        let expectation = Validation::client_assertion(&client.id, self.issuer())
            .with_audience(self.url("/token"))
            .with_audience(self.url("/api/auth/oauth2/token"));
        let claims = self.verified(assertion, &keys, &expectation).await?;
        self.use_once("client", &client.id, &claims).await?;
        Ok(client)
    }

    /// Verifies a client assertion with the keys of the client.
    async fn verified(
        &self,
        assertion: &str,
        keys: &ClientKeys,
        expectation: &Validation,
    ) -> Result<Claims, OAuthError> {
        let verifier = JwtVerifier::new(self.clock().clone());
        let verified = match keys {
            ClientKeys::Inline(set) => match KeySet::from_value(set) {
                Ok(set) => verifier.verify(assertion, &set, expectation),
                Err(_) => Err(JwtError::Key),
            },
            ClientKeys::Remote(url) => match self.client_keys().remote(url) {
                Some(keys) => verifier.verify_remote(assertion, &keys, expectation).await,
                None => Err(JwtError::Key),
            },
        };
        verified.map(|verified| verified.claims).map_err(|error| {
            tracing::info!(%error, "client assertion rejected");
            OAuthError::invalid_client(WRONG_ASSERTION)
        })
    }

    /// Records the use of an assertion. Fails if it was used before.
    async fn use_once(&self, kind: &str, issuer: &str, claims: &Claims) -> Result<(), OAuthError> {
        let Some(jti) = &claims.jti else {
            return Err(OAuthError::invalid_grant("assertion has no jti"));
        };
        let id = SecretHash::digest(&format!("{kind}\n{issuer}\n{jti}"));
        let key = format!("auth/assertion/{}", id.as_str());
        // For as long as a replica would accept it whose clock differs by a minute.
        let expires = claims.exp.unwrap_or_default().saturating_add(120);
        let batch = Batch::new()
            .if_absent(key.clone())
            .put_until(key, "", system_time(expires));
        match self
            .store()
            .commit(batch)
            .await
            .map_err(AuthServerError::from)?
        {
            CommitOutcome::Committed => Ok(()),
            CommitOutcome::Conflict if kind == "client" => {
                Err(OAuthError::invalid_client(WRONG_ASSERTION))
            }
            CommitOutcome::Conflict => Err(OAuthError::invalid_grant("assertion already used")),
        }
    }

    /// Exchanges an identity assertion (ID-JAG) for an access token.
    pub(in crate::server) async fn by_identity_assertion(
        &self,
        client: &OAuthClient,
        form: &Form,
    ) -> Result<TokenResponse, OAuthError> {
        if client.is_public() {
            return Err(OAuthError::invalid_client("client authentication required"));
        }
        let assertion = form.get("assertion");
        let assertion =
            assertion.ok_or_else(|| OAuthError::invalid_request("missing parameter: assertion"))?;
        let (issuer, claims) = self.identity(assertion).await?;
        if claims.client_id.as_deref() != Some(&client.id) {
            return Err(OAuthError::invalid_grant(
                "assertion was issued to another client",
            ));
        }
        if claims.extra.contains_key("cnf") {
            return Err(OAuthError::invalid_grant(
                "sender-constrained assertions are not supported",
            ));
        }
        let (audiences, scopes) = self.asserted_targets(client, form, &claims)?;
        let subject = claims.sub.as_deref().unwrap_or_default();
        let user = self
            .login_provider()
            .user_by_identity(&issuer.issuer, subject)
            .await?;
        let user = user
            .ok_or_else(|| OAuthError::invalid_grant("unknown user; log in to the gateway once"))?;
        if !self.resources().admits(&audiences, &user) {
            return Err(OAuthError::InvalidTarget("unknown resource".into()));
        }
        self.use_once("identity", &issuer.issuer, &claims).await?;
        tracing::info!(
            client = client.id,
            user = &*user.id,
            "identity assertion exchanged"
        );
        let token = TokenSubject {
            client,
            user: Some(&user),
            scopes: &scopes,
            audiences,
            grant: None,
        };
        self.answer(token, None).await
    }

    /// Verifies an identity assertion of a trusted issuer.
    async fn identity(&self, assertion: &str) -> Result<(AssertionIssuer, Claims), OAuthError> {
        let wrong = |error: JwtError| {
            tracing::info!(%error, "identity assertion rejected");
            OAuthError::invalid_grant("invalid assertion")
        };
        let parsed = UnverifiedJwt::parse(assertion).map_err(wrong)?;
        let trusted = self.assertion_issuers();
        let issuer = trusted
            .iter()
            .find(|known| parsed.issuer() == Some(&known.issuer));
        // Tokens of this server are not assertions for this server.
        let issuer = issuer.filter(|known| known.issuer != self.issuer());
        let issuer = issuer.ok_or_else(|| wrong(JwtError::Issuer))?.clone();
        let expectation = Validation::id_jag(&issuer.issuer, self.issuer())
            .with_max_lifetime(Duration::from_secs(300));
        let verifier = JwtVerifier::new(self.clock().clone());
        let verified = verifier
            .verify_remote(assertion, &issuer.keys, &expectation)
            .await;
        match verified {
            Ok(verified) => Ok((issuer, verified.claims)),
            Err(JwtError::Keys(error)) => Err(AuthServerError::Provider(error.into()).into()),
            Err(error) => Err(wrong(error)),
        }
    }

    /// Returns the resources and scopes of the assertion, restricted to those of the client and the
    /// request.
    fn asserted_targets(
        &self,
        client: &OAuthClient,
        form: &Form,
        claims: &Claims,
    ) -> Result<(Vec<String>, crate::server::Scopes), OAuthError> {
        let resources = self.resources();
        let named: Vec<&str> = match claims.extra.get("resource") {
            Some(serde_json::Value::String(one)) => vec![one],
            Some(serde_json::Value::Array(many)) => {
                many.iter().filter_map(|one| one.as_str()).collect()
            }
            _ => Vec::new(),
        };
        let unknown =
            || OAuthError::InvalidTarget("assertion names no resource of this server".into());
        let found = named
            .iter()
            .map(|named| resources.find(named).ok_or_else(unknown));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        if found.is_empty() {
            return Err(unknown());
        }
        let audiences: Vec<_> = found
            .iter()
            .map(|resource| resource.uri.to_string())
            .collect();
        let wanted = self.resources().audiences(&audiences, form)?;
        let known: crate::server::Scopes = found
            .iter()
            .flat_map(|resource| &resource.scopes)
            .map(|(name, _)| &**name)
            .collect();
        let allowed = client.allowed(known);
        let asserted = claims
            .scope
            .as_deref()
            .map(str::parse::<crate::server::Scopes>)
            .transpose();
        let asserted =
            asserted.map_err(|error| OAuthError::InvalidScope(error.to_string().into()))?;
        let mut scopes = match asserted {
            Some(asserted) => allowed.intersection(&asserted),
            None => allowed,
        };
        if let Some(wanted) = form.scopes()? {
            scopes = scopes.intersection(&wanted);
        }
        match scopes.is_empty() {
            true => Err(OAuthError::InvalidScope(
                "no requested scope can be granted".into(),
            )),
            false => Ok((wanted, scopes)),
        }
    }
}

/// Maximum number of cached key sets.
const MAX_KEY_SETS: usize = 1000;

/// Description without the reason, which is in the log.
const WRONG_ASSERTION: &str = "unknown client, or invalid client assertion";
