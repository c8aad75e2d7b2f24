//! Configuration of an [`AuthorizationServer`].

mod assembly;

use std::sync::Arc;

use mcp_gateway_store::{Attachment, Store};
use url::Url;

use super::client::assertions::AssertionIssuer;
use super::{AuthorizationServer, Lifetimes, RateLimits, RegistrationPolicy, WorkloadObserver};
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
    workload_observer: Option<Arc<dyn WorkloadObserver>>,
    requires_nonces: bool,
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
            workload_observer: None,
            requires_nonces: false,
        }
    }

    /// Accepts identity assertions (ID-JAG) of `issuer` in exchange for access tokens.
    pub fn with_assertion_issuer(mut self, issuer: AssertionIssuer) -> Self {
        self.assertion_issuers.push(issuer);
        self
    }

    /// Requires that proofs of possession contain a nonce of this server (RFC 9449, section 8).
    ///
    /// It limits the time for which proofs can be signed in advance, at the cost of one more request
    /// of each client.
    pub fn with_dpop_nonces(mut self) -> Self {
        self.requires_nonces = true;
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

    /// Reports the exchange of assertions of workloads to `observer`.
    pub fn with_workload_observer(mut self, observer: Arc<dyn WorkloadObserver>) -> Self {
        self.workload_observer = Some(observer);
        self
    }

    /// Builds the server. This does not access the store.
    #[must_use]
    pub fn build(self) -> AuthorizationServer {
        let rooms = self.rooms();
        let endpoints = self.endpoints(&rooms);
        AuthorizationServer {
            attachment: Attachment::default(),
            rooms: Arc::new(rooms),
            endpoints,
        }
    }
}
