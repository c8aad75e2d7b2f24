//! The accounts, tokens and clients of a gateway, whether or not it runs.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use mcp_gateway_auth::login::Login;
use mcp_gateway_auth::server::{AuthorizationServer, Client};
use mcp_gateway_auth::users::{User, Users};
use mcp_gateway_auth::{Clock, Keyring};
use url::Url;

use crate::authority::lifetimes;
use crate::config::{OAuth, Storage};
use crate::document::System;
use crate::files::Files;
use crate::output::complain;
use crate::vault::Vault;

/// What can be administered. A gateway that runs on the same store hears of every change.
#[derive(Debug)]
pub(crate) struct Administration {
    pub(crate) users: Users,
    pub(crate) server: AuthorizationServer,
    pub(crate) clock: Clock,
    /// The clients that are described in the configuration.
    pub(crate) configured: Vec<Client>,
}

impl Administration {
    /// What the gateway has that `files` describe.
    ///
    /// # Errors
    ///
    /// When they are wrong, or the gateway keeps nothing that could be administered.
    pub(crate) async fn open(files: &Files) -> anyhow::Result<Self> {
        let loaded = files.load(&System::new())?;
        loaded.warnings.lines().for_each(complain);
        let config = loaded.config;
        let oauth = match &config.auth.oauth {
            Some(oauth) => oauth.clone(),
            // What is served then has an authorization server.
            None if config.auth.is_empty() => OAuth::default(),
            None => bail!(
                "the configuration has no auth.oauth, so this gateway knows neither accounts nor \
                 tokens but those of the configuration; `auth: {{ oauth: {{}} }}` changes that"
            ),
        };
        if config.store == Storage::Memory {
            bail!("the configuration has `store: memory`, which no other process can reach");
        }
        let vault = Vault::open(&config.store, config.session_key.as_ref()).await?;
        let keyring = Keyring::new(&vault.key).context("the key cannot be used")?;
        let clock = Clock::system();
        let users = Users::new(Arc::clone(&vault.store), clock.clone());
        // No request is ever answered here, so any address will do.
        let people = Login::new(users.clone(), keyring.clone(), NOWHERE)?;
        let server = AuthorizationServer::builder(
            Url::parse(NOWHERE)?,
            Arc::clone(&vault.store),
            keyring,
            Arc::new(people),
        )
        .with_lifetimes(lifetimes(&oauth))
        .build();
        Ok(Self {
            users,
            server,
            clock,
            configured: oauth.clients,
        })
    }

    /// Everybody, in the order of their identifiers.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub(crate) async fn people(&self) -> anyhow::Result<Vec<User>> {
        let mut all: Vec<User> = Vec::new();
        loop {
            let last = all.last().map(|user| user.id.clone());
            let page = self.users.list(last.as_deref(), PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// All clients in the store, in the order of their identifiers.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub(crate) async fn clients(&self) -> anyhow::Result<Vec<Client>> {
        let mut all: Vec<Client> = Vec::new();
        loop {
            let last = all.last().map(|client| client.id.clone());
            let page = self.server.clients_after(last.as_deref(), PAGE).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// The person whom `wanted` means: an identifier, the name of an account, or the name or
    /// address that one person alone has at an identity provider.
    ///
    /// # Errors
    ///
    /// When that is nobody, or more than one.
    pub(crate) async fn person(&self, wanted: &str) -> anyhow::Result<User> {
        if let Some(user) = self.users.find(wanted).await? {
            return Ok(user);
        }
        if let Some(user) = self.users.find_by_name(wanted).await? {
            return Ok(user);
        }
        let is_meant = |user: &User| {
            let own = [Some(&user.name), user.email.as_ref()];
            let theirs = user.identities.iter();
            let theirs = theirs.flat_map(|known| [known.login.as_ref(), known.email.as_ref()]);
            let mut names = own.into_iter().chain(theirs).flatten();
            names.any(|name| name.eq_ignore_ascii_case(wanted))
        };
        let mut found = self.people().await?;
        found.retain(is_meant);
        match <[User; 1]>::try_from(found) {
            Ok([user]) => Ok(user),
            Err(none) if none.is_empty() => {
                bail!("there is nobody named {wanted:?}; `mcp-gateway user list` says who there is")
            }
            Err(several) => {
                let ids: Vec<_> = several.iter().map(|user| &*user.id).collect();
                bail!(
                    "{wanted:?} is several people: {}; name one of those",
                    ids.join(", ")
                )
            }
        }
    }

    /// The identifiers that clients have already.
    ///
    /// # Errors
    ///
    /// When the store cannot be asked.
    pub(crate) async fn client_ids(&self) -> anyhow::Result<HashSet<String>> {
        let known = self.clients().await?;
        let all = known.into_iter().chain(self.configured.iter().cloned());
        Ok(all.map(|client| client.id).collect())
    }
}

/// A place that browsers accept.
const NOWHERE: &str = "http://localhost";

const PAGE: usize = 500;
