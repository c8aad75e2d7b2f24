//! Who people are, and which clients they let in: the authorization server of the gateway.

use std::future::{Future, pending};
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use ipnet::IpNet;
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::jwks::RemoteKeys;
use mcp_gateway_auth::server::{
    AssertionIssuer, AuthorizationServer, Lifetimes, RateLimits, Resource,
};
use mcp_gateway_auth::users::{UserError, Users};
use mcp_gateway_auth::{Clock, Keyring, Secret, TrustedProxies};
use secrecy::zeroize::Zeroizing;
use url::Url;

use crate::resources::resources;
use crate::vault::Vault;
use mcp_gateway_config::file::{Config, OAuth};

/// What a gateway stands on before it knows its servers.
#[derive(Debug)]
pub(crate) struct Foundation {
    /// Where clients reach the gateway.
    pub(crate) base: Url,
    pub(crate) authority: Option<Arc<Authority>>,
    pub(crate) egress: Option<Egress>,
    /// What sessions are sealed with, if there is a place for it.
    pub(crate) key: Option<Zeroizing<[u8; 32]>>,
    pub(crate) first_account: Option<FirstAccount>,
    /// Where state is kept, for people to read.
    pub(crate) place: Option<String>,
}

impl Foundation {
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
    pub(crate) async fn lay(config: &Config, base: &str) -> anyhow::Result<Self> {
        let auth = &config.auth;
        let base = Url::parse(base).context("the URL of the gateway cannot be used")?;
        let mut foundation = Self::at(base.clone());
        if auth.asks_others() {
            foundation.egress = Some(egress(&auth.allowed_networks)?);
        }
        let (Some(oauth), Some(egress)) = (&auth.oauth, &foundation.egress) else {
            return Ok(foundation);
        };
        let vault = Vault::open(&config.store, config.session_key.as_ref()).await?;
        let (authority, first) = Authority::open(config, oauth, &base, &vault, egress).await?;
        foundation.authority = Some(Arc::new(authority));
        foundation.first_account = first;
        foundation.key = Some(vault.key);
        foundation.place = Some(vault.place);
        Ok(foundation)
    }
}

impl Foundation {
    /// Does what has to be done every now and then, for as long as it is polled.
    pub(crate) fn maintain(&self) -> impl Future<Output = ()> + use<> {
        let authority = self.authority.clone();
        async move {
            match authority {
                Some(authority) => authority.server.maintain().await,
                None => pending().await,
            }
        }
    }
}

/// The authorization server, and all that belongs to it.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) server: AuthorizationServer,
    pub(crate) router: Router,
}

/// An account that was made because there was none.
#[derive(Debug)]
pub(crate) struct FirstAccount {
    pub(crate) name: &'static str,
    pub(crate) password: Secret,
}

impl Authority {
    /// What `config` describes, which clients reach at `base`.
    ///
    /// # Errors
    ///
    /// When the state cannot be read, or the system lacks something that is needed.
    async fn open(
        config: &Config,
        oauth: &OAuth,
        base: &Url,
        vault: &Vault,
        egress: &Egress,
    ) -> anyhow::Result<(Self, Option<FirstAccount>)> {
        let keyring = Keyring::new(&vault.key).context("the key cannot be used")?;
        let users = Users::new(Arc::clone(&vault.store), Clock::system());
        let first = match config.auth.login.has_accounts() {
            true => first_account(&users).await?,
            false => None,
        };
        let login = crate::login::login(&config.auth.login, users, keyring.clone(), base, egress)?;
        let mut builder = AuthorizationServer::builder(
            base.clone(),
            Arc::clone(&vault.store),
            keyring,
            Arc::new(login.clone()),
        )
        .with_egress(egress.clone())
        .with_lifetimes(lifetimes(oauth))
        .with_rate_limits(rate_limits(oauth))
        .with_trusted_proxies(TrustedProxies::new(
            config.auth.trusted_proxies.iter().copied(),
        ));
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
        let proxies = TrustedProxies::new(config.auth.trusted_proxies.iter().copied());
        let login = login
            .with_trusted_proxies(proxies)
            .with_clients(Arc::new(server.clone()));
        let router = server.router().merge(login.router());
        let authority = Self { server, router };
        authority.apply(oauth, resources(config, base)?.all());
        Ok((authority, first))
    }

    /// Becomes what `config` describes, in so far as that can be while it runs.
    pub(crate) fn apply(&self, oauth: &OAuth, resources: Vec<Resource>) {
        self.server.set_resources(resources);
        self.server.set_clients(oauth.clients.iter().cloned());
        self.server.set_registration(oauth.registration.allowed());
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
fn egress(networks: &[IpNet]) -> anyhow::Result<Egress> {
    let mut policy = EgressPolicy::new().with_allowed_networks(networks.iter().copied());
    if networks.iter().any(|network| network.addr().is_loopback()) {
        policy = policy.with_insecure_loopback();
    }
    Egress::new(policy).context("authority providers cannot be reached")
}

/// For how long what the authorization server issues is good.
pub(crate) fn lifetimes(oauth: &OAuth) -> Lifetimes {
    let mut lifetimes = Lifetimes::default();
    lifetimes.access_token = oauth.access_token.unwrap_or(lifetimes.access_token);
    lifetimes.refresh_idle = oauth.refresh_idle.unwrap_or(lifetimes.refresh_idle);
    lifetimes.refresh_absolute = oauth.refresh_absolute.unwrap_or(lifetimes.refresh_absolute);
    lifetimes
}

fn rate_limits(oauth: &OAuth) -> RateLimits {
    let mut limits = RateLimits::default();
    limits.authorize = oauth.limits.authorize.unwrap_or(limits.authorize);
    limits.register = oauth.limits.register.unwrap_or(limits.register);
    limits.client = oauth.limits.client.unwrap_or(limits.client);
    limits
}

/// Makes an account for the owner if there is none at all.
async fn first_account(users: &Users) -> anyhow::Result<Option<FirstAccount>> {
    let found = users
        .list(None, 1)
        .await
        .context("the accounts cannot be read")?;
    if !found.is_empty() {
        return Ok(None);
    }
    let password = Secret::generate("").context("no password can be made up")?;
    match users.create(FIRST, password.expose()).await {
        Ok(_) => Ok(Some(FirstAccount {
            name: FIRST,
            password,
        })),
        // Another replica has made it just now, and says its password.
        Err(UserError::NameTaken) => Ok(None),
        Err(error) => Err(error).context("the first account cannot be made"),
    }
}

const FIRST: &str = "admin";

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_gateway_config::file::parse;

    #[test]
    fn nothing_that_tokens_are_for_has_the_url_of_something_else() {
        let named = |url: &str| {
            let forward =
                format!("auth: {{ oauth: {{}}, forward: [{{ name: notes, url: \"{url}\" }}] }}");
            let base = "http://127.0.0.1:8080".parse().unwrap();
            resources(&parse(&forward).unwrap(), &base)
        };
        let resources = named("http://127.0.0.1:8080/notes").unwrap();
        assert_eq!((resources.gateways.len(), resources.forward.len()), (1, 1));
        assert_eq!(resources.all()[0].name, "default".into());
        for taken in [
            "http://127.0.0.1:8080/mcp",
            "http://localhost:8080/v1/mcp/default",
        ] {
            let error = named(taken).unwrap_err().to_string();
            assert!(error.contains(taken), "{error}");
        }
    }
}
