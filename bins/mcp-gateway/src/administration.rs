//! Administration of users, tokens and clients of a gateway, running or not.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use mcp_gateway_admin::{Administrator, AuditTrail};
use mcp_gateway_audit::{Actor, AuditLog};
use mcp_gateway_auth::accounts::ConnectedAccounts;
use mcp_gateway_auth::login::LoginSessions;
use mcp_gateway_auth::server::{AuthorizationServer, OAuthClient};
use mcp_gateway_auth::users::{User, Users};
use mcp_gateway_auth::{Clock, Keyring};
use mcp_gateway_config::document::LookupScope;
use url::Url;

use crate::files::ConfigFiles;
use crate::output::eprint_line;
use crate::system::SystemEnvironment;
use mcp_gateway_platform::spec::{Audit, OAuth, PlatformSpec, Storage};
use mcp_gateway_platform::state::StateStore;

/// State that can be administered. Gateways with the same store apply every change at once.
#[derive(Debug)]
pub(crate) struct Administration {
    state: mcp_gateway_admin::Administration,
    pub(crate) clock: Clock,
    audit: Option<AuditLog>,
}

impl Administration {
    /// Opens the state of the gateway that `files` configure.
    ///
    /// # Errors
    ///
    /// Fails if the files are invalid, or if the gateway has no state to administer.
    pub(crate) async fn open(files: &ConfigFiles) -> anyhow::Result<Self> {
        let spec = load(files)?;
        let oauth = match &spec.fixed.auth.oauth {
            Some(oauth) => oauth.clone(),
            // Such a gateway has an authorization server by default.
            None if spec.has_no_callers() => OAuth::default(),
            None => bail!(
                "the configuration has no auth.oauth, so that the gateway has neither users nor \
                 API tokens; `auth: {{ oauth: {{}} }}` enables them"
            ),
        };
        let vault = open_store(&spec).await?;
        let audit = match spec.fixed.audit.clone() {
            // Without its configuration, a gateway that is audited is known by its store.
            None if files.is_empty() && AuditLog::exists(&*vault.store).await? => {
                Some(Audit::new())
            }
            configured => configured,
        };
        let audit = match &audit {
            Some(audit) => Some(mcp_gateway_platform::audit::open(audit, &vault).await?),
            None => None,
        };
        let keyring = Keyring::new(vault.key.bytes()).context("invalid encryption key")?;
        let clock = Clock::system();
        let users = Users::new(Arc::clone(&vault.store), clock.clone());
        let accounts = ConnectedAccounts::new(Arc::clone(&vault.store), &keyring, clock.clone())?;
        // No request is served here, so any URL is sufficient.
        let sessions = LoginSessions::new(users.clone(), keyring.clone(), NOWHERE)?;
        let server = AuthorizationServer::builder(
            Url::parse(NOWHERE)?,
            Arc::clone(&vault.store),
            keyring,
            Arc::new(sessions),
        )
        .with_lifetimes(oauth.lifetimes())
        .build();
        server.set_clients(spec.dynamic.auth.oauth.unwrap_or_default().known);
        let trail = AuditTrail::new(audit.clone());
        let state = mcp_gateway_admin::Administration::new(users, server, trail);
        Ok(Self {
            state: state.with_accounts(accounts),
            clock,
            audit,
        })
    }

    /// Administers on behalf of the user of this process.
    pub(crate) fn administrator(&self) -> Administrator<'_> {
        let user = rustix::process::getuid().as_raw();
        self.state.administrator(Actor::new(format!("uid:{user}")))
    }

    /// Returns the users.
    pub(crate) fn users(&self) -> &Users {
        self.state.users()
    }

    /// Returns the authorization server.
    pub(crate) fn server(&self) -> &AuthorizationServer {
        self.state.server()
    }

    /// Moves the recorded changes to the store.
    ///
    /// # Errors
    ///
    /// Fails if the store is unavailable; the gateway moves them later.
    pub(crate) async fn close(&self) -> anyhow::Result<()> {
        match &self.audit {
            Some(audit) => audit
                .close()
                .await
                .context("the change is not in the audit log yet"),
            None => Ok(()),
        }
    }

    /// Returns all users, ordered by identifier.
    ///
    /// # Errors
    ///
    /// Fails if the store is unavailable.
    pub(crate) async fn list_users(&self) -> anyhow::Result<Vec<User>> {
        let mut all: Vec<User> = Vec::new();
        loop {
            let last = all.last().map(|user| user.id.clone());
            let page = self.users().list(last.as_deref(), PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Returns all clients in the store, ordered by identifier.
    ///
    /// # Errors
    ///
    /// Fails if the store is unavailable.
    pub(crate) async fn clients(&self) -> anyhow::Result<Vec<OAuthClient>> {
        let mut all: Vec<OAuthClient> = Vec::new();
        loop {
            let last = all.last().map(|client| client.id.clone());
            let page = self.server().clients_after(last.as_deref(), PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Finds a user by identifier, login name, or unique name or email address at an identity
    /// provider.
    ///
    /// # Errors
    ///
    /// Fails if no user or several users match.
    pub(crate) async fn user(&self, wanted: &str) -> anyhow::Result<User> {
        if let Some(user) = self.users().find(wanted).await? {
            return Ok(user);
        }
        if let Some(user) = self.users().find_by_name(wanted).await? {
            return Ok(user);
        }
        let is_meant = |user: &User| {
            let own = [Some(&user.name), user.email.as_ref()];
            let theirs = user.identities.iter();
            let theirs = theirs.flat_map(|known| [known.login.as_ref(), known.email.as_ref()]);
            let mut names = own.into_iter().chain(theirs).flatten();
            names.any(|name| name.eq_ignore_ascii_case(wanted))
        };
        let mut found = self.list_users().await?;
        found.retain(is_meant);
        match <[User; 1]>::try_from(found) {
            Ok([user]) => Ok(user),
            Err(none) if none.is_empty() => {
                bail!("unknown user {wanted:?}; list users with `mcp-gateway user list`")
            }
            Err(several) => {
                let ids: Vec<_> = several.iter().map(|user| &*user.id).collect();
                bail!(
                    "{wanted:?} matches several users: {}; use one of these identifiers",
                    ids.join(", ")
                )
            }
        }
    }
}

/// Opens the state of the gateway that `files` configure.
///
/// # Errors
///
/// Fails if the files are invalid, or the state is in memory or cannot be opened.
pub(crate) async fn open_state(files: &ConfigFiles) -> anyhow::Result<(PlatformSpec, StateStore)> {
    let spec = load(files)?;
    let state = open_store(&spec).await?;
    Ok((spec, state))
}

/// Reads `files` without the secrets of servers and callers, and prints their warnings.
fn load(files: &ConfigFiles) -> anyhow::Result<PlatformSpec> {
    let loaded = files.load_within(LookupScope::State, &SystemEnvironment::new())?;
    loaded.warnings.lines().for_each(eprint_line);
    Ok(loaded.config.platform)
}

async fn open_store(spec: &PlatformSpec) -> anyhow::Result<StateStore> {
    if spec.fixed.store == Storage::Memory {
        bail!("the configuration has `store: memory`, which other processes cannot access");
    }
    Ok(StateStore::open(&spec.fixed.store, spec.fixed.session_key.as_ref()).await?)
}

/// Placeholder URL.
const NOWHERE: &str = "http://localhost";

const PAGE: usize = 500;
