//! Assembly of an authorization server from its parts.

use std::sync::Arc;

use arc_swap::ArcSwap;
use mcp_gateway_store::Store;

use super::AuthorizationServerBuilder;
use crate::dpop::DpopVerifier;
use crate::server::client::assertions::{AssertionLog, ClientKeySets, IdentityAssertions};
use crate::server::client::authentication::ClientAuthenticator;
use crate::server::client::clients::{ClientLifetimes, ClientRegistry};
use crate::server::client::metadata_document::ClientMetadataDocuments;
use crate::server::endpoint::Endpoints;
use crate::server::endpoint::authorize::AuthorizeEndpoint;
use crate::server::endpoint::consent::{CodeIssuer, ConsentChallenges, ConsentEndpoint};
use crate::server::endpoint::introspection::IntrospectionEndpoint;
use crate::server::endpoint::metadata::MetadataEndpoint;
use crate::server::endpoint::registration::RegistrationEndpoint;
use crate::server::endpoint::token::TokenEndpoint;
use crate::server::grant::Grants;
use crate::server::grant::consents::ConsentStore;
use crate::server::grant::grants::GrantStore;
use crate::server::issuer::IssuerUrl;
use crate::server::key::{KeyPolicy, SigningKeys};
use crate::server::limits::EndpointLimiter;
use crate::server::token::access_token::AccessTokens;
use crate::server::token::api_tokens::ApiTokens;
use crate::server::token::opaque::OpaqueTokens;
use crate::server::token::revocations::RevocationLog;
use crate::server::token::tokens::Tokens;
use crate::server::workload::WorkloadAssertions;
use crate::server::{ProtectedResources, Rooms};

impl AuthorizationServerBuilder {
    /// Creates the shared state.
    pub(super) fn rooms(&self) -> Rooms {
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
                login_provider: Arc::clone(&self.login_provider),
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
            workloads: Arc::default(),
        }
    }

    /// Creates the endpoints, each with the parts that it needs.
    pub(super) fn endpoints(self, rooms: &Rooms) -> Endpoints {
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
                workloads: Arc::clone(&rooms.workloads),
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
        let proofs = DpopVerifier::new(self.clock.clone());
        TokenEndpoint {
            issuer: rooms.issuer.clone(),
            proofs: match self.requires_nonces {
                true => proofs.with_nonces(self.keyring.clone()),
                false => proofs,
            },
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
            workloads: WorkloadAssertions {
                server: rooms.issuer.clone(),
                issuers: Arc::clone(&rooms.workloads),
                clock: self.clock.clone(),
                log: clients.assertions.clone(),
                observer: self.workload_observer,
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
