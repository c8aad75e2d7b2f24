use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_gateway_store::{Batch, Outcome};

use super::AuthorizationServer;
use super::access_token::Subject;
use super::client::{Client, ClientAuthentication, ClientKeys};
use super::error::OAuthError;
use super::form::Form;
use super::token::{TokenResponse, wanted_scopes};
use crate::clock::moment;
use crate::egress::Egress;
use crate::jwks::{KeySet, RemoteKeys};
use crate::jwt::{Claims, Expectation, JwtError, JwtVerifier, Unverified};
use crate::{AuthorityError, SecretHash};

/// An identity provider of an enterprise, whose assertions about people are exchanged for tokens.
///
/// See [enterprise-managed authorization][ema].
///
/// [ema]: https://modelcontextprotocol.io/extensions/auth/enterprise-managed-authorization
#[derive(Clone, Debug)]
pub struct AssertionIssuer {
    /// Its identifier.
    issuer: String,
    keys: RemoteKeys,
}

impl AssertionIssuer {
    /// Trusts what `issuer` signs with `keys`.
    #[must_use]
    pub fn new(issuer: impl Into<String>, keys: RemoteKeys) -> Self {
        Self {
            issuer: issuer.into(),
            keys,
        }
    }
}

/// The keys of clients that have them at a URL. Cheap to clone.
#[derive(Clone)]
pub(super) struct ClientKeySets {
    egress: Option<Egress>,
    known: Arc<Mutex<HashMap<String, RemoteKeys>>>,
}

impl ClientKeySets {
    pub(super) fn new(egress: Option<Egress>) -> Self {
        Self {
            egress,
            known: Arc::default(),
        }
    }

    fn remote(&self, url: &str) -> Option<RemoteKeys> {
        let egress = self.egress.clone()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = known.get(url) {
            return Some(keys.clone());
        }
        // Whoever comes back is fetched for again, which costs nothing but time.
        if known.len() >= MAX_KEY_SETS {
            known.clear();
        }
        let keys = RemoteKeys::jwks(url, egress);
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
    /// The client that has signed `assertion`, which says that it is `sent` if it says so.
    pub(super) async fn by_assertion(
        &self,
        assertion: &str,
        sent: Option<&str>,
    ) -> Result<Client, OAuthError> {
        let wrong = |_| OAuthError::client(WRONG_ASSERTION);
        // Who it claims to be is all that is taken from it before its signature is checked.
        let subject = Unverified::parse(assertion)
            .map_err(wrong)?
            .subject()
            .map(str::to_owned);
        let id = subject.as_deref().or(sent);
        let id = id.ok_or_else(|| OAuthError::client(WRONG_ASSERTION))?;
        let client = self.clients().find(id).await?;
        let keys = client
            .as_ref()
            .and_then(|client| match &client.authentication {
                ClientAuthentication::PrivateKey(keys) => Some(keys.clone()),
                ClientAuthentication::None | ClientAuthentication::Secret { .. } => None,
            });
        let (Some(client), Some(keys)) = (client, keys) else {
            return Err(OAuthError::client(WRONG_ASSERTION));
        };
        // Older clients name the token endpoint instead of the issuer.
        let expectation = Expectation::client_assertion(&client.id, self.issuer())
            .with_audience(self.url("/token"))
            .with_audience(self.url("/api/auth/oauth2/token"));
        let claims = self.verified(assertion, &keys, &expectation).await?;
        self.use_once("client", &client.id, &claims).await?;
        Ok(client)
    }

    async fn verified(
        &self,
        assertion: &str,
        keys: &ClientKeys,
        expectation: &Expectation,
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
            tracing::info!(%error, "a client assertion was refused");
            OAuthError::client(WRONG_ASSERTION)
        })
    }

    /// Notes that the assertion of `claims` was used; an error if it was used before.
    async fn use_once(&self, kind: &str, issuer: &str, claims: &Claims) -> Result<(), OAuthError> {
        let Some(jti) = &claims.jti else {
            return Err(OAuthError::grant("the assertion has no jti"));
        };
        let id = SecretHash::of(&format!("{kind}\n{issuer}\n{jti}"));
        let key = format!("auth/assertion/{}", id.as_str());
        // For as long as it would be accepted, by a clock that is a minute off.
        let expires = claims.exp.unwrap_or_default().saturating_add(120);
        let batch = Batch::new()
            .if_absent(key.clone())
            .put_until(key, "", moment(expires));
        match self
            .store()
            .commit(batch)
            .await
            .map_err(AuthorityError::from)?
        {
            Outcome::Committed => Ok(()),
            Outcome::Conflict if kind == "client" => Err(OAuthError::client(WRONG_ASSERTION)),
            Outcome::Conflict => Err(OAuthError::grant("the assertion was used before")),
        }
    }

    /// Exchanges what an identity provider says about a person (ID-JAG).
    pub(super) async fn by_identity_assertion(
        &self,
        client: &Client,
        form: &Form,
    ) -> Result<TokenResponse, OAuthError> {
        if client.is_public() {
            return Err(OAuthError::client("the client has to authenticate"));
        }
        let assertion = form.get("assertion");
        let assertion = assertion.ok_or_else(|| OAuthError::request("assertion is missing"))?;
        let (issuer, claims) = self.identity(assertion).await?;
        if claims.client_id.as_deref() != Some(&client.id) {
            return Err(OAuthError::grant("the assertion is for another client"));
        }
        if claims.extra.contains_key("cnf") {
            return Err(OAuthError::grant(
                "the assertion is bound to a key, which is not supported",
            ));
        }
        let (audiences, scopes) = self.asserted_targets(client, form, &claims)?;
        let subject = claims.sub.as_deref().unwrap_or_default();
        let person = self.people().identified(&issuer.issuer, subject).await?;
        let person = person.ok_or_else(|| {
            OAuthError::grant("the person is not known here; they have to log in once")
        })?;
        if !self.admits(&audiences, &person) {
            return Err(OAuthError::InvalidTarget(
                "there is no such resource for this person".into(),
            ));
        }
        self.use_once("identity", &issuer.issuer, &claims).await?;
        tracing::info!(
            client = client.id,
            person = &*person.id,
            "an identity assertion was exchanged"
        );
        let token = Subject {
            client,
            person: Some(&person),
            scopes: &scopes,
            audiences,
            grant: None,
        };
        self.answer(token, None).await
    }

    async fn identity(&self, assertion: &str) -> Result<(AssertionIssuer, Claims), OAuthError> {
        let wrong = |error: JwtError| {
            tracing::info!(%error, "an identity assertion was refused");
            OAuthError::grant("the assertion is not valid")
        };
        let parsed = Unverified::parse(assertion).map_err(wrong)?;
        let trusted = self.assertion_issuers();
        let issuer = trusted
            .iter()
            .find(|known| parsed.issuer() == Some(&known.issuer));
        // What we have issued ourselves is not for ourselves.
        let issuer = issuer.filter(|known| known.issuer != self.issuer());
        let issuer = issuer.ok_or_else(|| wrong(JwtError::Issuer))?.clone();
        let expectation = Expectation::id_jag(&issuer.issuer, self.issuer())
            .with_max_lifetime(Duration::from_secs(300));
        let verifier = JwtVerifier::new(self.clock().clone());
        let verified = verifier
            .verify_remote(assertion, &issuer.keys, &expectation)
            .await;
        match verified {
            Ok(verified) => Ok((issuer, verified.claims)),
            Err(JwtError::Keys(error)) => Err(AuthorityError::Provider(error.into()).into()),
            Err(error) => Err(wrong(error)),
        }
    }

    /// What the assertion is for, in so far as the client may have it.
    fn asserted_targets(
        &self,
        client: &Client,
        form: &Form,
        claims: &Claims,
    ) -> Result<(Vec<String>, super::Scopes), OAuthError> {
        let resources = self.resources();
        let named: Vec<&str> = match claims.extra.get("resource") {
            Some(serde_json::Value::String(one)) => vec![one],
            Some(serde_json::Value::Array(many)) => {
                many.iter().filter_map(|one| one.as_str()).collect()
            }
            _ => Vec::new(),
        };
        let unknown =
            || OAuthError::InvalidTarget("the assertion names no resource of this server".into());
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
        let wanted = self.audiences(&audiences, form)?;
        let known: super::Scopes = found
            .iter()
            .flat_map(|resource| &resource.scopes)
            .map(|(name, _)| &**name)
            .collect();
        let allowed = client.allowed(known);
        let asserted = claims
            .scope
            .as_deref()
            .map(str::parse::<super::Scopes>)
            .transpose();
        let asserted =
            asserted.map_err(|error| OAuthError::InvalidScope(error.to_string().into()))?;
        let mut scopes = match asserted {
            Some(asserted) => allowed.intersection(&asserted),
            None => allowed,
        };
        if let Some(wanted) = wanted_scopes(form)? {
            scopes = scopes.intersection(&wanted);
        }
        match scopes.is_empty() {
            true => Err(OAuthError::InvalidScope(
                "none of the scopes can be granted".into(),
            )),
            false => Ok((wanted, scopes)),
        }
    }
}

const MAX_KEY_SETS: usize = 1000;

/// What is wrong with it is in the log.
const WRONG_ASSERTION: &str = "the client is not known, or its assertion is not valid";
