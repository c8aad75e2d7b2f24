//! Who people are, and which clients they let in: the authorization server of the gateway.

pub(crate) mod login;
pub(crate) mod resources;

use std::sync::Arc;

use axum::Router;
use ipnet::IpNet;
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::jwks::RemoteKeys;
use mcp_gateway_auth::server::{AssertionIssuer, AuthorizationServer, Resource};
use mcp_gateway_auth::users::{UserError, Users};
use mcp_gateway_auth::{Clock, Keyring, Secret, TrustedProxies};
use secrecy::zeroize::Zeroizing;
use url::Url;

use crate::error::PlatformError;
use crate::spec::{Auth, OAuth, PlatformSpec, StaticAuth};
use crate::state::StateStore;

/// What a gateway stands on before it knows its servers.
#[derive(Debug)]
pub(crate) struct Services {
    /// Where clients reach the gateway.
    pub(crate) base: Url,
    pub(crate) authority: Option<Arc<AuthorizationServices>>,
    pub(crate) egress: Option<Egress>,
    /// What sessions are sealed with, if there is a place for it.
    pub(crate) key: Option<Zeroizing<[u8; 32]>>,
    pub(crate) first_account: Option<FirstAccount>,
    /// Where state is kept, for people to read.
    pub(crate) place: Option<String>,
}

impl Services {
    /// Nothing but where clients reach the gateway.
    pub(crate) fn at(base: Url) -> Self {
        Self {
            base,
            authority: None,
            egress: None,
            key: None,
            first_account: None,
            place: None,
        }
    }

    /// What `config` needs, for clients that reach the gateway at `base`.
    ///
    /// # Errors
    ///
    /// When state cannot be opened, or the system lacks something that is needed.
    pub(crate) async fn lay(spec: &PlatformSpec, base: Url) -> Result<Self, PlatformError> {
        let (fixed, auth) = (&spec.fixed, &spec.fixed.auth);
        let mut foundation = Self::at(base.clone());
        if spec.asks_others() {
            foundation.egress = Some(egress(&auth.allowed_networks)?);
        }
        let (Some(oauth), Some(egress)) = (&auth.oauth, &foundation.egress) else {
            return Ok(foundation);
        };
        let vault = StateStore::open(&fixed.store, fixed.session_key.as_ref()).await?;
        let (authority, first) =
            AuthorizationServices::open(auth, oauth, &base, &vault, egress).await?;
        foundation.authority = Some(Arc::new(authority));
        foundation.first_account = first;
        foundation.key = Some(vault.key);
        foundation.place = Some(vault.place);
        Ok(foundation)
    }
}

/// The authorization server, and all that belongs to it.
#[derive(Debug)]
pub(crate) struct AuthorizationServices {
    pub(crate) server: AuthorizationServer,
    pub(crate) router: Router,
}

/// An account that was made because there was none.
#[derive(Debug)]
#[non_exhaustive]
pub struct FirstAccount {
    /// The name.
    pub name: &'static str,
    /// The password, which is kept nowhere else.
    pub password: Secret,
}

impl AuthorizationServices {
    /// What `config` describes, which clients reach at `base`.
    ///
    /// # Errors
    ///
    /// When the state cannot be read, or the system lacks something that is needed.
    async fn open(
        auth: &StaticAuth,
        oauth: &OAuth,
        base: &Url,
        vault: &StateStore,
        egress: &Egress,
    ) -> Result<(Self, Option<FirstAccount>), PlatformError> {
        let keyring = Keyring::new(&vault.key);
        let keyring = keyring.map_err(|error| PlatformError::Key(error.into()))?;
        let users = Users::new(Arc::clone(&vault.store), Clock::system());
        let first = match auth.login.has_accounts() {
            true => first_account(&users).await?,
            false => None,
        };
        let login = login::login(&auth.login, users, keyring.clone(), base, egress)?;
        let mut builder = AuthorizationServer::builder(
            base.clone(),
            Arc::clone(&vault.store),
            keyring,
            Arc::new(login.clone()),
        )
        .with_egress(egress.clone())
        .with_lifetimes(oauth.lifetimes())
        .with_rate_limits(oauth.rate_limits())
        .with_trusted_proxies(TrustedProxies::new(auth.trusted_proxies.iter().copied()));
        if oauth.is_opaque {
            builder = builder.with_opaque_access_tokens();
        }
        if oauth.documents {
            builder = builder.with_metadata_documents(egress.clone());
        }
        for known in &oauth.assertion_issuers {
            let keys = remote_keys(&known.issuer, known.jwks.as_deref(), egress);
            builder = builder.with_assertion_issuer(AssertionIssuer::new(&known.issuer, keys));
        }
        let server = builder.build();
        let proxies = TrustedProxies::new(auth.trusted_proxies.iter().copied());
        let login = login
            .with_trusted_proxies(proxies)
            .with_clients(Arc::new(server.clone()));
        let router = server.router().merge(login.router());
        Ok((Self { server, router }, first))
    }

    /// Becomes what `config` describes, in so far as that can be while it runs.
    pub(crate) fn apply(&self, auth: &Auth, resources: Vec<Resource>) {
        self.server.set_resources(resources);
        // Without them, the spec has no authorization server any more, and this one runs until the
        // end of the process as it is.
        if let Some(clients) = &auth.oauth {
            self.server.set_clients(clients.known.iter().cloned());
            self.server.set_registration(clients.registration.allowed());
        }
    }
}

/// The keys that `issuer` publishes, at `jwks` if that is known.
pub(crate) fn remote_keys(issuer: &str, jwks: Option<&str>, egress: &Egress) -> RemoteKeys {
    match jwks {
        Some(url) => RemoteKeys::jwks(url, egress.clone()),
        None => RemoteKeys::discover(issuer, egress.clone()),
    }
}

/// Reaches what is on other machines, and on this one only what the operator allows.
///
/// # Errors
///
/// When the system lacks what is needed.
fn egress(networks: &[IpNet]) -> Result<Egress, PlatformError> {
    let mut policy = EgressPolicy::new().with_allowed_networks(networks.iter().copied());
    if networks.iter().any(|network| network.addr().is_loopback()) {
        policy = policy.with_insecure_loopback();
    }
    Egress::new(policy).map_err(|error| PlatformError::Egress(error.into()))
}

/// Makes an account for the owner if there is none at all.
async fn first_account(users: &Users) -> Result<Option<FirstAccount>, PlatformError> {
    let found = users
        .list(None, 1)
        .await
        .map_err(|error| PlatformError::Accounts(error.into()))?;
    if !found.is_empty() {
        return Ok(None);
    }
    let password = Secret::generate("");
    let password = password.map_err(|error| PlatformError::Accounts(error.into()))?;
    match users.create(FIRST, password.expose()).await {
        Ok(_) => Ok(Some(FirstAccount {
            name: FIRST,
            password,
        })),
        // Another replica has made it just now, and says its password.
        Err(UserError::NameTaken) => Ok(None),
        Err(error) => Err(PlatformError::Accounts(error.into())),
    }
}

const FIRST: &str = "admin";
