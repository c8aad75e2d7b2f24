use std::sync::Arc;

use arc_swap::ArcSwap;
use mcp_gateway_store::Store;
use url::Url;

use super::access_token::AccessTokens;
use super::api_tokens::ApiTokens;
use super::assertions::{AssertionIssuer, ClientKeySets};
use super::clients::{ClientLifetimes, Clients};
use super::consents::Consents;
use super::grants::Grants;
use super::keys::{KeyPolicy, Keys};
use super::limits::Limits;
use super::metadata_document::MetadataDocuments;
use super::opaque::OpaqueTokens;
use super::revocations::RevocationLog;
use super::{AuthorizationServer, Inner, Lifetimes, ProtectedResources, RateLimits, Registration};
use crate::egress::Egress;
use crate::jwt::Algorithm;
use crate::peer::TrustedProxies;
use crate::{Authenticator, Clock, Keyring};

/// Makes an [`AuthorizationServer`].
#[derive(Debug)]
#[must_use]
pub struct AuthorizationServerBuilder {
    base: Url,
    store: Arc<dyn Store>,
    keyring: Keyring,
    people: Arc<dyn Authenticator>,
    clock: Clock,
    egress: Option<Egress>,
    has_documents: bool,
    algorithm: Algorithm,
    is_opaque: bool,
    lifetimes: Lifetimes,
    registration: Registration,
    limits: RateLimits,
    proxies: TrustedProxies,
    assertion_issuers: Vec<AssertionIssuer>,
}

impl AuthorizationServerBuilder {
    pub(super) fn new(
        base: Url,
        store: Arc<dyn Store>,
        keyring: Keyring,
        people: Arc<dyn Authenticator>,
    ) -> Self {
        Self {
            base,
            store,
            keyring,
            people,
            clock: Clock::system(),
            egress: None,
            has_documents: false,
            algorithm: Algorithm::Es256,
            is_opaque: false,
            lifetimes: Lifetimes::default(),
            registration: Registration::Off,
            limits: RateLimits::default(),
            proxies: TrustedProxies::default(),
            assertion_issuers: Vec::new(),
        }
    }

    /// Trusts what `issuer` says about people, in exchange for tokens (ID-JAG).
    pub fn with_assertion_issuer(mut self, issuer: AssertionIssuer) -> Self {
        self.assertion_issuers.push(issuer);
        self
    }

    /// Goes by `clock`.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Fetches the keys that clients have at a URL with `egress`.
    pub fn with_egress(mut self, egress: Egress) -> Self {
        self.egress = Some(egress);
        self
    }

    /// Fetches the documents that clients describe themselves with, and their keys, with `egress`.
    pub fn with_metadata_documents(mut self, egress: Egress) -> Self {
        self.egress = Some(egress);
        self.has_documents = true;
        self
    }

    /// What it issues is good for as long as `lifetimes` say.
    pub fn with_lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// Answers no more requests than `limits` say.
    pub fn with_rate_limits(mut self, limits: RateLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Clients may register themselves, or not.
    pub fn with_registration(mut self, registration: Registration) -> Self {
        self.registration = registration;
        self
    }

    /// Signs with `algorithm`: ES256, unless somebody knows RS256 alone. There are no keys for
    /// others, with which nothing can be issued.
    pub fn with_signing_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Issues access tokens that clients cannot read, and that other servers have to ask about
    /// ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)), in the place of JWTs. Either kind is
    /// accepted, so that this can be changed while tokens are in use.
    pub fn with_opaque_access_tokens(mut self) -> Self {
        self.is_opaque = true;
        self
    }

    /// Believes `proxies` when they say where requests have come from.
    pub fn with_trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// The server.
    #[must_use]
    pub fn build(self) -> AuthorizationServer {
        let lifetime = self.lifetimes.access_token.as_secs();
        let issuer: Arc<str> = self.base.origin().ascii_serialization().into();
        let store = || Arc::clone(&self.store);
        let revocations = RevocationLog::new(store(), self.clock.clone(), lifetime);
        let keys = self.keys();
        let resources = ProtectedResources::new(self.base.clone());
        resources.set_authorization_servers([issuer.to_string()]);
        AuthorizationServer(Arc::new(Inner {
            resources,
            clients: self.clients(&revocations),
            grants: Grants::new(
                store(),
                revocations.clone(),
                self.keyring.clone(),
                self.clock.clone(),
                self.lifetimes,
            ),
            consents: Consents::new(store()),
            api_tokens: ApiTokens::new(
                store(),
                revocations.clone(),
                Arc::clone(&self.people),
                self.clock.clone(),
            ),
            access_tokens: AccessTokens {
                issuer: issuer.to_string(),
                keys: keys.clone(),
                clock: self.clock.clone(),
                lifetime,
                opaque: self
                    .is_opaque
                    .then(|| OpaqueTokens::new(self.keyring.clone())),
            },
            keys,
            revocations,
            limits: Limits::new(self.limits, self.proxies),
            registration: ArcSwap::from_pointee(self.registration),
            assertion_issuers: self.assertion_issuers,
            client_keys: ClientKeySets::new(self.egress),
            base: self.base,
            issuer,
            people: self.people,
            store: self.store,
            keyring: self.keyring,
            clock: self.clock,
            lifetimes: self.lifetimes,
        }))
    }

    fn keys(&self) -> Keys {
        let policy = KeyPolicy {
            algorithm: self.algorithm,
            lifetime: self.lifetimes.signing_key.as_secs(),
            tokens: self.lifetimes.access_token.as_secs(),
        };
        let store = Arc::clone(&self.store);
        Keys::new(store, self.keyring.clone(), self.clock.clone(), policy)
    }

    fn clients(&self, revocations: &RevocationLog) -> Clients {
        let store = Arc::clone(&self.store);
        let lifetimes = ClientLifetimes {
            new: self.lifetimes.new_client.as_secs(),
            unused: self.lifetimes.unused_client.as_secs(),
        };
        let clients = Clients::new(store, revocations.clone(), self.clock.clone(), lifetimes);
        match self.egress.clone().filter(|_| self.has_documents) {
            Some(egress) => clients.with_documents(MetadataDocuments::new(egress)),
            None => clients,
        }
    }
}
