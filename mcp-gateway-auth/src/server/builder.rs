//! Configuration and assembly of an [`AuthorizationServer`].

use std::sync::Arc;

use arc_swap::ArcSwap;
use mcp_gateway_store::Store;
use url::Url;

use super::client::assertions::{AssertionIssuer, AssertionLog, ClientKeySets, IdentityAssertions};
use super::client::authentication::ClientAuthenticator;
use super::client::clients::{ClientLifetimes, ClientRegistry};
use super::client::metadata_document::ClientMetadataDocuments;
use super::endpoint::Endpoints;
use super::endpoint::authorize::AuthorizeEndpoint;
use super::endpoint::consent::{CodeIssuer, ConsentChallenges, ConsentEndpoint};
use super::endpoint::introspection::IntrospectionEndpoint;
use super::endpoint::metadata::MetadataEndpoint;
use super::endpoint::registration::RegistrationEndpoint;
use super::endpoint::token::TokenEndpoint;
use super::grant::Grants;
use super::grant::consents::ConsentStore;
use super::grant::grants::GrantStore;
use super::issuer::IssuerUrl;
use super::key::{KeyPolicy, SigningKeys};
use super::limits::EndpointLimiter;
use super::token::access_token::AccessTokens;
use super::token::api_tokens::ApiTokens;
use super::token::opaque::OpaqueTokens;
use super::token::revocations::RevocationLog;
use super::token::tokens::Tokens;
use super::{
    AuthorizationServer, Lifetimes, ProtectedResources, RateLimits, RegistrationPolicy, Rooms,
};
use crate::egress::Egress;
use crate::jose::Algorithm;
use crate::peer::TrustedProxies;
use crate::{Clock, Keyring, LoginProvider};

/// Builder of an [`AuthorizationServer`].
///
/// Registration is off, JWTs are signed with ES256, and [`Lifetimes`] and [`RateLimits`] have their
/// defaults, unless set otherwise.
///
/// # Example
///
/// ```
/// # use std::sync::Arc;
/// use std::time::Duration;
///
/// # use mcp_gateway_auth::login::LoginSessions;
/// use mcp_gateway_auth::server::{AuthorizationServer, Lifetimes, RegistrationPolicy};
/// # use mcp_gateway_auth::users::Users;
/// # use mcp_gateway_auth::{Clock, Keyring};
/// # use mcp_gateway_store::MemoryStore;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
/// # let users = Users::new(store.clone(), Clock::system());
/// # let login = Arc::new(LoginSessions::new(users, keyring.clone(), "https://gw.example.com")?);
/// let mut lifetimes = Lifetimes::default();
/// lifetimes.access_token = Duration::from_secs(15 * 60);
/// let base = "https://gw.example.com/".parse()?;
/// let server = AuthorizationServer::builder(base, store, keyring, login)
///     .with_lifetimes(lifetimes)
///     .with_opaque_access_tokens()
///     .with_registration(RegistrationPolicy::Open)
///     .build();
/// // The issuer is the origin of the base URL (RFC 8414, section 2).
/// assert_eq!(server.issuer(), "https://gw.example.com");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct AuthorizationServerBuilder {
    base: Url,
    store: Arc<dyn Store>,
    keyring: Keyring,
    login_provider: Arc<dyn LoginProvider>,
    clock: Clock,
    egress: Option<Egress>,
    has_documents: bool,
    probes: Option<Arc<[String]>>,
    algorithm: Algorithm,
    is_opaque: bool,
    lifetimes: Lifetimes,
    registration: RegistrationPolicy,
    limits: RateLimits,
    proxies: TrustedProxies,
    assertion_issuers: Vec<AssertionIssuer>,
}

impl AuthorizationServerBuilder {
    /// Creates a builder with the required parts.
    pub(super) fn new(
        base: Url,
        store: Arc<dyn Store>,
        keyring: Keyring,
        login_provider: Arc<dyn LoginProvider>,
    ) -> Self {
        Self {
            base,
            store,
            keyring,
            login_provider,
            clock: Clock::system(),
            egress: None,
            has_documents: false,
            probes: None,
            algorithm: Algorithm::Es256,
            is_opaque: false,
            lifetimes: Lifetimes::default(),
            registration: RegistrationPolicy::Off,
            limits: RateLimits::default(),
            proxies: TrustedProxies::default(),
            assertion_issuers: Vec::new(),
        }
    }

    /// Accepts identity assertions (ID-JAG) of `issuer` in exchange for access tokens.
    pub fn with_assertion_issuer(mut self, issuer: AssertionIssuer) -> Self {
        self.assertion_issuers.push(issuer);
        self
    }

    /// Replaces the clock.
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Fetches the key sets of clients with a `jwks_uri` by `egress`. Without it, these clients
    /// cannot authenticate.
    pub fn with_egress(mut self, egress: Egress) -> Self {
        self.egress = Some(egress);
        self
    }

    /// Accepts client ID metadata documents, and fetches them and the key sets of clients by
    /// `egress`.
    ///
    /// The metadata of the server advertises them only while the documents of well-known clients
    /// can be fetched: a client that finds them advertised does not register.
    pub fn with_metadata_documents(mut self, egress: Egress) -> Self {
        self.egress = Some(egress);
        self.has_documents = true;
        self
    }

    /// Replaces the documents that are fetched to determine whether client ID metadata documents
    /// are advertised. If there are none, they are always advertised.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use mcp_gateway_auth::egress::{Egress, EgressPolicy};
    /// # use mcp_gateway_auth::login::LoginSessions;
    /// use mcp_gateway_auth::server::AuthorizationServer;
    /// # use mcp_gateway_auth::users::Users;
    /// # use mcp_gateway_auth::{Clock, Keyring};
    /// # use mcp_gateway_store::MemoryStore;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
    /// # let users = Users::new(store.clone(), Clock::system());
    /// # let login = Arc::new(LoginSessions::new(users, keyring.clone(), "https://gw.example.com")?);
    /// let base = "https://gw.example.com/".parse()?;
    /// let server = AuthorizationServer::builder(base, store, keyring, login)
    ///     .with_metadata_documents(Egress::new(EgressPolicy::new())?)
    ///     .with_metadata_document_probes(["https://ide.example.com/client.json".to_owned()])
    ///     .build();
    /// # let _ = server;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_metadata_document_probes(
        mut self,
        probes: impl IntoIterator<Item = String>,
    ) -> Self {
        self.probes = Some(probes.into_iter().collect());
        self
    }

    /// Sets the lifetimes of codes, tokens, clients and keys.
    pub fn with_lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// Sets the rate limits.
    pub fn with_rate_limits(mut self, limits: RateLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the policy for dynamic client registration.
    pub fn with_registration(mut self, registration: RegistrationPolicy) -> Self {
        self.registration = registration;
        self
    }

    /// Sets the signing algorithm: ES256 by default, or RS256 for verifiers that support nothing
    /// else. With any other algorithm, no token can be issued.
    pub fn with_signing_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Issues opaque access tokens instead of JWTs. Other resource servers validate them by
    /// introspection ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).
    ///
    /// Both kinds are always accepted, so that the setting can change while tokens are in use.
    pub fn with_opaque_access_tokens(mut self) -> Self {
        self.is_opaque = true;
        self
    }

    /// Accepts the client addresses that `proxies` forward, for rate limits.
    pub fn with_trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Builds the server. This does not access the store.
    #[must_use]
    pub fn build(self) -> AuthorizationServer {
        let rooms = self.rooms();
        let endpoints = self.endpoints(&rooms);
        AuthorizationServer {
            rooms: Arc::new(rooms),
            endpoints,
        }
    }

    /// Creates the shared state.
    fn rooms(&self) -> Rooms {
        let issuer = IssuerUrl::new(&self.base);
        let lifetime = self.lifetimes.access_token.as_secs();
        let revocations = RevocationLog::new(self.store(), self.clock.clone(), lifetime);
        let resources = ProtectedResources::new(self.base.clone());
        resources.set_authorization_servers([issuer.as_str().to_owned()]);
        let registration = self.registration.clone();
        Rooms {
            clients: self.clients(&revocations),
            registration: Arc::new(ArcSwap::from_pointee(registration)),
            grants: self.grants(&revocations),
            tokens: Tokens {
                issuer: issuer.clone(),
                keys: self.keys(),
                opaque: OpaqueTokens::new(self.keyring.clone()),
                clock: self.clock.clone(),
                revocations: revocations.clone(),
                resources: resources.clone(),
            },
            api_tokens: ApiTokens::new(
                self.store(),
                revocations,
                Arc::clone(&self.login_provider),
                self.clock.clone(),
            ),
            limits: Arc::new(EndpointLimiter::new(self.limits, self.proxies.clone())),
            issuer,
            resources,
        }
    }

    /// Creates the endpoints, each with the parts that it needs.
    fn endpoints(self, rooms: &Rooms) -> Endpoints {
        let consent = Arc::new(self.consent(rooms));
        let authenticator = ClientAuthenticator {
            issuer: rooms.issuer.clone(),
            registry: rooms.clients.clone(),
            keys: ClientKeySets::new(self.egress.clone()),
            assertions: AssertionLog::new(self.store()),
            clock: self.clock.clone(),
        };
        Endpoints {
            authorize: Arc::new(AuthorizeEndpoint {
                issuer: rooms.issuer.clone(),
                clients: rooms.clients.clone(),
                resources: rooms.resources.clone(),
                login_provider: Arc::clone(&self.login_provider),
                limits: Arc::clone(&rooms.limits),
                consent: Arc::clone(&consent),
            }),
            consent,
            introspection: Arc::new(IntrospectionEndpoint {
                clients: authenticator.clone(),
                limits: Arc::clone(&rooms.limits),
                grants: rooms.grants.store.clone(),
                tokens: rooms.tokens.clone(),
            }),
            metadata: Arc::new(MetadataEndpoint {
                issuer: rooms.issuer.clone(),
                resources: rooms.resources.clone(),
                clients: rooms.clients.clone(),
                keys: rooms.tokens.keys.clone(),
                policy: Arc::clone(&rooms.registration),
                has_assertion_issuers: !self.assertion_issuers.is_empty(),
            }),
            registration: Arc::new(RegistrationEndpoint {
                issuer: rooms.issuer.clone(),
                clients: rooms.clients.clone(),
                limits: Arc::clone(&rooms.limits),
                clock: self.clock.clone(),
                policy: Arc::clone(&rooms.registration),
            }),
            token: Arc::new(self.token(rooms, authenticator)),
        }
    }

    /// Creates the consent page and its endpoint.
    fn consent(&self, rooms: &Rooms) -> ConsentEndpoint {
        let lifetime = self.lifetimes.consent_request.as_secs();
        ConsentEndpoint {
            clients: rooms.clients.clone(),
            resources: rooms.resources.clone(),
            login_provider: Arc::clone(&self.login_provider),
            challenges: ConsentChallenges {
                keyring: self.keyring.clone(),
                store: self.store(),
                clock: self.clock.clone(),
                lifetime,
            },
            codes: CodeIssuer {
                issuer: rooms.issuer.clone(),
                grants: rooms.grants.clone(),
                store: self.store(),
                clock: self.clock.clone(),
                code_lifetime: self.lifetimes.code.as_secs(),
                nonce_lifetime: lifetime,
            },
        }
    }

    /// Creates the token endpoint.
    fn token(self, rooms: &Rooms, clients: ClientAuthenticator) -> TokenEndpoint {
        let opaque = || OpaqueTokens::new(self.keyring.clone());
        TokenEndpoint {
            limits: Arc::clone(&rooms.limits),
            grants: rooms.grants.clone(),
            resources: rooms.resources.clone(),
            access_tokens: AccessTokens {
                issuer: rooms.issuer.as_str().to_owned(),
                keys: rooms.tokens.keys.clone(),
                clock: self.clock.clone(),
                lifetime: self.lifetimes.access_token.as_secs(),
                opaque: self.is_opaque.then(opaque),
            },
            identity_assertions: IdentityAssertions {
                issuer: rooms.issuer.clone(),
                trusted: self.assertion_issuers.into(),
                clock: self.clock,
                log: clients.assertions.clone(),
            },
            login_provider: self.login_provider,
            clients,
        }
    }

    /// Returns the store.
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Creates the consents and grants.
    fn grants(&self, revocations: &RevocationLog) -> Grants {
        Grants {
            consents: ConsentStore::new(self.store()),
            store: GrantStore::new(
                self.store(),
                revocations.clone(),
                self.keyring.clone(),
                self.clock.clone(),
                self.lifetimes,
            ),
        }
    }

    /// Creates the signing keys.
    fn keys(&self) -> SigningKeys {
        let policy = KeyPolicy {
            algorithm: self.algorithm,
            lifetime: self.lifetimes.signing_key.as_secs(),
            tokens: self.lifetimes.access_token.as_secs(),
        };
        let store = Arc::clone(&self.store);
        SigningKeys::new(store, self.keyring.clone(), self.clock.clone(), policy)
    }

    /// Creates the client registry.
    fn clients(&self, revocations: &RevocationLog) -> ClientRegistry {
        let store = Arc::clone(&self.store);
        let lifetimes = ClientLifetimes {
            new: self.lifetimes.new_client.as_secs(),
            unused: self.lifetimes.unused_client.as_secs(),
        };
        let clients =
            ClientRegistry::new(store, revocations.clone(), self.clock.clone(), lifetimes);
        let Some(egress) = self.egress.clone().filter(|_| self.has_documents) else {
            return clients;
        };
        let retention = self.lifetimes.refresh_absolute.as_secs();
        let documents =
            ClientMetadataDocuments::new(egress, self.store(), self.clock.clone(), retention);
        clients.with_documents(match &self.probes {
            Some(probes) => documents.with_probes(Arc::clone(probes)),
            None => documents,
        })
    }
}
