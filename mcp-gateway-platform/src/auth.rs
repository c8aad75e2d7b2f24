//! Authorization server of the platform, with its users and their login.

mod caller_identities;
pub(crate) mod challenges;
pub(crate) mod login;
pub(crate) mod resources;
mod workloads;

use std::sync::Arc;

use axum::Router;
use ipnet::IpNet;
use mcp_gateway_admin::AuditTrail;
use mcp_gateway_approval::StoreApprovals;
use mcp_gateway_audit::{Actor, AuditLog, Change};
use mcp_gateway_auth::accounts::AccountCredentials;
use mcp_gateway_auth::dpop::DpopVerifier;
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::jwks::RemoteJwks;
use mcp_gateway_auth::login::{KeptIdTokens, LoginPages, LoginSessions};
use mcp_gateway_auth::server::{AssertionIssuer, AuthorizationServer, ProtectedResources};
use mcp_gateway_auth::users::{NewUser, Role, UserError, Users};
use mcp_gateway_auth::{Clock, Keyring, Secret, TrustedProxies};
use mcp_gateway_core::script::ScriptRunner;
use mcp_gateway_core::trace::SpanObserver;
use mcp_gateway_store::Store;
use url::Url;

pub(crate) use self::caller_identities::CallerIdentities;
use self::resources::ResourceSet;
use self::workloads::{WorkloadAudit, WorkloadIssuers};
use crate::accounts::AccountServices;
use crate::approvals;
use crate::error::PlatformError;
use crate::orchestrator::Orchestrator;
use crate::protocols::ProtocolDocuments;
use crate::spec::{
    DynamicSpec, MetadataDocuments, OAuth, PlatformSpec, SessionKey, StaticAuth, StaticSpec,
    Storage,
};
use crate::state::StateStore;

/// Services that exist before the servers: egress, state and authorization server.
#[derive(Debug)]
pub(crate) struct Services {
    /// URL of the platform for clients.
    pub(crate) base: Url,
    /// Authorization server, if one is configured.
    pub(crate) authority: Option<Arc<AuthorizationServices>>,
    /// Client for addresses that others choose.
    pub(crate) egress: Option<Egress>,
    /// Approvals of calls.
    pub(crate) approvals: Option<StoreApprovals>,
    /// Audit log, if it is enabled.
    pub(crate) audit: Option<AuditLog>,
    /// State store, if there is one.
    pub(crate) store: Option<Arc<dyn Store>>,
    /// Keys of the state store.
    pub(crate) keyring: Option<Keyring>,
    /// Key that seals sessions, if there is a state store.
    pub(crate) key: Option<SessionKey>,
    /// Detected protocols of servers, if there is a state store.
    pub(crate) protocols: Option<ProtocolDocuments>,
    /// Runner of scripts, if the program has one.
    pub(crate) scripts: Option<Arc<dyn ScriptRunner>>,
    /// Program that runs servers on a cluster, if there is one.
    pub(crate) orchestrator: Option<Arc<dyn Orchestrator>>,
    /// Recorder of the spans of calls, if they are traced.
    pub(crate) spans: Option<Arc<dyn SpanObserver>>,
    /// Account that was created in an empty state store.
    pub(crate) first_account: Option<InitialAccount>,
    /// Description of the state store for operators.
    pub(crate) location: Option<String>,
}

impl Services {
    /// Creates the services of a platform without state at `base`.
    pub(crate) fn at(base: Url) -> Self {
        Self {
            base,
            authority: None,
            egress: None,
            approvals: None,
            audit: None,
            store: None,
            keyring: None,
            key: None,
            protocols: None,
            scripts: None,
            orchestrator: None,
            spans: None,
            first_account: None,
            location: None,
        }
    }

    /// Returns the accounts of callers; `None` if callers cannot log in.
    pub(crate) fn accounts(&self) -> Option<Arc<AccountCredentials>> {
        let authority = self.authority.as_ref();
        authority.map(|authority| Arc::clone(&authority.accounts.credentials))
    }

    /// Returns the identities of callers that can be exchanged.
    pub(crate) fn caller_identities(&self, fixed: &StaticSpec) -> CallerIdentities {
        CallerIdentities::new(&fixed.auth.login, &self.base, self.authority.as_deref())
    }

    /// Returns the verifier of proofs of possession at gateways, as `spec` configures it.
    pub(crate) fn proofs(&self, spec: &StaticSpec) -> DpopVerifier {
        let proofs = DpopVerifier::new(Clock::system());
        let oauth = spec.auth.oauth.as_ref();
        match (
            &self.keyring,
            oauth.is_some_and(|oauth| oauth.requires_nonces),
        ) {
            (Some(keyring), true) => proofs.with_nonces(keyring.clone()),
            _ => proofs,
        }
    }

    /// Returns the protected resource metadata of the platform.
    pub(crate) fn protected_resources(&self) -> ProtectedResources {
        match &self.authority {
            Some(authority) => authority.server.protected_resources().clone(),
            None => ProtectedResources::new(self.base.clone()),
        }
    }

    /// Creates the services of `spec` at `base`.
    ///
    /// # Errors
    ///
    /// [`PlatformError`] if the state store cannot be opened or a service cannot be created.
    pub(crate) async fn lay(spec: &PlatformSpec, base: Url) -> Result<Self, PlatformError> {
        let mut foundation = Self::lay_state(spec, base).await?;
        let store = foundation.store.as_ref().zip(foundation.keyring.as_ref());
        let approvals = approvals::open(store).await?;
        foundation.approvals = Some(approvals.with_audit(foundation.audit.clone()));
        Ok(foundation)
    }

    async fn lay_state(spec: &PlatformSpec, base: Url) -> Result<Self, PlatformError> {
        let (fixed, auth) = (&spec.fixed, &spec.fixed.auth);
        let mut foundation = Self::at(base.clone());
        if spec.asks_others() {
            foundation.egress = Some(egress(&auth.allowed_networks)?);
        }
        let is_needed = auth.oauth.is_some() || fixed.audit.is_some() || spec.dynamic.has_quotas();
        if !is_needed && !is_configured(fixed) {
            return Ok(foundation);
        }
        let vault = StateStore::open(&fixed.store, fixed.session_key.as_ref()).await?;
        let protocols = ProtocolDocuments::new(Arc::clone(&vault.store), &vault.key);
        foundation.protocols = Some(protocols);
        foundation.store = Some(Arc::clone(&vault.store));
        foundation.key = Some(vault.key.clone());
        let keyring = Keyring::new(vault.key.bytes());
        let keyring = keyring.map_err(|error| PlatformError::Key(error.into()))?;
        foundation.keyring = Some(keyring.clone());
        if let Some(audit) = &fixed.audit {
            foundation.audit = Some(crate::audit::open(audit, &vault).await?);
        }
        let (Some(oauth), Some(egress)) = (&auth.oauth, &foundation.egress) else {
            foundation.location = Some(vault.location);
            return Ok(foundation);
        };
        let audit = foundation.audit.clone();
        let (authority, first) =
            AuthorizationServices::open((auth, oauth), &base, (&vault, keyring), egress, audit)
                .await?;
        foundation.authority = Some(Arc::new(authority));
        foundation.first_account = first;
        foundation.location = Some(vault.location);
        Ok(foundation)
    }
}

/// Returns `true` if a state store is configured that is of use without an authorization server.
fn is_configured(fixed: &StaticSpec) -> bool {
    match fixed.store {
        Storage::Default | Storage::Memory => false,
        // It has no key of its own.
        Storage::Postgres(_) => fixed.session_key.is_some(),
        Storage::Sqlite(_) => true,
    }
}

/// Authorization server, and the router of its endpoints and the login.
#[derive(Debug)]
pub(crate) struct AuthorizationServices {
    /// Authorization server (RFC 6749).
    pub(crate) server: AuthorizationServer,
    /// Accounts at servers that require a login.
    pub(crate) accounts: AccountServices,
    /// ID tokens of logins.
    pub(crate) id_tokens: KeptIdTokens,
    /// Issuers of workloads.
    workloads: WorkloadIssuers,
    /// Browser sessions of users.
    #[cfg_attr(
        not(feature = "console"),
        expect(dead_code, reason = "only the console needs it")
    )]
    pub(crate) sessions: LoginSessions,
    /// Users in the state store.
    pub(crate) users: Users,
    /// Endpoints of the authorization server, the login and the accounts.
    pub(crate) router: Router,
}

/// Generated account of the operator, created in an empty state store.
#[derive(Debug)]
#[non_exhaustive]
pub struct InitialAccount {
    /// Name of the account.
    pub name: &'static str,
    /// Password, which is stored only as a hash.
    pub password: Secret,
}

impl AuthorizationServices {
    /// Creates the authorization server of `oauth` at `base`, over the state in `vault`.
    ///
    /// # Errors
    ///
    /// [`PlatformError`] if the first account cannot be created, or login is not possible at `base`.
    async fn open(
        (auth, oauth): (&StaticAuth, &OAuth),
        base: &Url,
        (vault, keyring): (&StateStore, Keyring),
        egress: &Egress,
        audit: Option<AuditLog>,
    ) -> Result<(Self, Option<InitialAccount>), PlatformError> {
        let users = Users::new(Arc::clone(&vault.store), Clock::system());
        let first = match auth.login.has_accounts() {
            true => first_account(&users, audit.as_ref()).await?,
            false => None,
        };
        let sessions = login::sessions(&auth.login, users.clone(), keyring.clone(), base, egress)?;
        let id_tokens = KeptIdTokens::new(&users, keyring.clone());
        // Authorization servers of servers may have any port.
        let accounts = client_egress(&auth.allowed_networks)?;
        let trail = AuditTrail::new(audit.clone());
        let accounts = AccountServices::open(vault, &keyring, (&sessions, base), &accounts, audit)?;
        let proxies = TrustedProxies::new(auth.trusted_proxies.iter().copied());
        let mut builder = AuthorizationServer::builder(
            base.clone(),
            Arc::clone(&vault.store),
            keyring,
            Arc::new(sessions.clone()),
        )
        .with_egress(egress.clone())
        .with_lifetimes(oauth.lifetimes())
        .with_rate_limits(oauth.rate_limits())
        .with_trusted_proxies(proxies.clone())
        .with_workload_observer(WorkloadAudit::observer(trail));
        if oauth.is_opaque {
            builder = builder.with_opaque_access_tokens();
        }
        if oauth.requires_nonces {
            builder = builder.with_dpop_nonces();
        }
        builder = match oauth.documents {
            MetadataDocuments::Off => builder,
            MetadataDocuments::WhileReachable => builder.with_metadata_documents(egress.clone()),
            MetadataDocuments::Always => builder
                .with_metadata_documents(egress.clone())
                .with_metadata_document_probes([]),
        };
        for known in &oauth.assertion_issuers {
            let keys = remote_keys(&known.issuer, known.jwks.as_deref(), egress);
            builder = builder.with_assertion_issuer(AssertionIssuer::new(&known.issuer, keys));
        }
        let server = builder.build();
        let pages = LoginPages::new(sessions.clone())
            .with_id_tokens(id_tokens.clone())
            .with_trusted_proxies(proxies)
            .with_connections()
            .with_clients(Arc::new(server.clone()));
        let router = server.router().merge(pages.router());
        let services = Self {
            router: router.merge(accounts.pages.clone()),
            workloads: WorkloadIssuers::new(egress.clone(), auth.allowed_networks.clone()),
            server,
            sessions,
            users,
            accounts,
            id_tokens,
        };
        Ok((services, first))
    }

    /// Replaces the resources, the static clients, the registration policy and the workloads.
    pub(crate) fn apply(&self, spec: &DynamicSpec, resources: &ResourceSet) {
        self.server.set_resources(resources.all());
        // Without clients, the spec has no authorization server any more. This one keeps its
        // clients until the restart.
        if let Some(clients) = &spec.auth.oauth {
            self.server.set_clients(clients.known.iter().cloned());
            self.server.set_registration(clients.registration.allowed());
            let workloads = self.workloads.create(spec, resources);
            self.server.set_workload_issuers(workloads);
        }
    }
}

/// Returns the keys of `issuer`, from the URL `jwks` or by discovery.
pub(crate) fn remote_keys(issuer: &str, jwks: Option<&str>, egress: &Egress) -> RemoteJwks {
    match jwks {
        Some(url) => RemoteJwks::jwks(url, egress.clone()),
        None => RemoteJwks::discover(issuer, egress.clone()),
    }
}

/// Creates egress to public addresses and `networks`.
///
/// A loopback network also allows `http` on this machine.
///
/// # Errors
///
/// [`PlatformError::Egress`] if the HTTP client cannot be created.
fn egress(networks: &[IpNet]) -> Result<Egress, PlatformError> {
    create_egress(egress_policy(networks))
}

/// Creates egress as [`egress`] does, to any port.
pub(crate) fn client_egress(networks: &[IpNet]) -> Result<Egress, PlatformError> {
    create_egress(client_policy(networks))
}

/// Returns the policy of requests to servers that administrators choose: any port of public
/// addresses and `networks`.
pub(crate) fn client_policy(networks: &[IpNet]) -> EgressPolicy {
    egress_policy(networks).with_any_port()
}

fn create_egress(policy: EgressPolicy) -> Result<Egress, PlatformError> {
    Egress::new(policy).map_err(|error| PlatformError::Egress(error.into()))
}

fn egress_policy(networks: &[IpNet]) -> EgressPolicy {
    let policy = EgressPolicy::new().with_allowed_networks(networks.iter().copied());
    match networks.iter().any(|network| network.addr().is_loopback()) {
        true => policy.with_insecure_loopback(),
        false => policy,
    }
}

/// Creates the first account, of an administrator, if no account exists.
///
/// # Errors
///
/// [`PlatformError::Accounts`] if the state store fails.
async fn first_account(
    users: &Users,
    audit: Option<&AuditLog>,
) -> Result<Option<InitialAccount>, PlatformError> {
    let found = users
        .list(None, 1)
        .await
        .map_err(|error| PlatformError::Accounts(error.into()))?;
    if !found.is_empty() {
        return Ok(None);
    }
    let password = Secret::generate("");
    let password = password.map_err(|error| PlatformError::Accounts(error.into()))?;
    let trail = AuditTrail::new(audit.cloned());
    let users = users
        .clone()
        .with_attachment(trail.attachment(&Actor::gateway(), |id| {
            Change::new("user.create", format!("user/{id}"))
        }));
    let admin = NewUser::new(FIRST, password.expose()).with_role(Role::Admin);
    match users.add(admin).await {
        Ok(_) => Ok(Some(InitialAccount {
            name: FIRST,
            password,
        })),
        // Another replica has created it concurrently, and reports its password.
        Err(UserError::NameTaken) => Ok(None),
        Err(error) => Err(PlatformError::Accounts(error.into())),
    }
}

/// Name of the first account.
const FIRST: &str = "admin";
