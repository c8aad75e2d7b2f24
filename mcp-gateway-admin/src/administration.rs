//! Changes of users, tokens and clients, each with its audit record.

use mcp_gateway_audit::{Actor, AuditEvent, AuditLog, AuditRecord, Change};
use mcp_gateway_auth::server::{ApiToken, AuthorizationServer, OAuthClient, TokenOwner};
use mcp_gateway_auth::users::{Role, User, UserError, Users};
use mcp_gateway_auth::{AuthServerError, Secret};

use crate::new_client::{ClientError, NewClient};

/// Users, tokens and clients of a gateway. Cheap to clone.
///
/// Changes are made by an [`Administrator`], so that each has an actor and an audit record.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_admin::{Administration, AuditTrail};
/// use mcp_gateway_audit::{Actor, AuditKey, AuditLog, AuditQuery};
/// use mcp_gateway_auth::login::LoginSessions;
/// use mcp_gateway_auth::server::AuthorizationServer;
/// use mcp_gateway_auth::users::{Role, Users};
/// use mcp_gateway_auth::{Clock, Keyring};
/// use mcp_gateway_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
/// let users = Users::new(store.clone(), Clock::system());
/// let login = LoginSessions::new(users.clone(), keyring.clone(), "https://gw.example.com")?;
/// let base = "https://gw.example.com".parse()?;
/// let server = AuthorizationServer::builder(base, store.clone(), keyring, Arc::new(login)).build();
/// let log = AuditLog::builder(store.clone(), AuditKey::new(&[7; 32])).open().await?;
///
/// let administration = Administration::new(users, server, AuditTrail::new(Some(log.clone())));
/// let alice = administration.administrator(Actor::new("alice"));
/// let bob = alice.create_user("bob", "correct horse battery", Role::Member, &[]).await?;
/// alice.set_disabled(&bob.id, true).await?;
///
/// log.close().await?;
/// let records = AuditQuery::new().with_subject("alice").run(&*store).await?.records;
/// assert_eq!(records.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Administration {
    users: Users,
    server: AuthorizationServer,
    trail: AuditTrail,
}

/// Audit log of administrative changes, if there is one. Cheap to clone.
#[derive(Clone, Default)]
pub struct AuditTrail(Option<AuditLog>);

/// Administration on behalf of an actor.
#[derive(Debug)]
pub struct Administrator<'a> {
    administration: &'a Administration,
    actor: Actor,
}

impl AuditTrail {
    /// Records changes in `log`, or nowhere.
    #[must_use]
    pub fn new(log: Option<AuditLog>) -> Self {
        Self(log)
    }

    /// Records `change` by `actor`.
    pub fn record(&self, actor: &Actor, change: Change) {
        if let Some(log) = &self.0 {
            log.append(&AuditRecord::new(actor.clone(), AuditEvent::Change(change)));
        }
    }
}

impl std::fmt::Debug for AuditTrail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AuditTrail")
            .field(&self.0.is_some())
            .finish()
    }
}

impl Administration {
    /// Administers `users`, and the tokens and clients of `server`.
    #[must_use]
    pub fn new(users: Users, server: AuthorizationServer, trail: AuditTrail) -> Self {
        Self {
            users,
            server,
            trail,
        }
    }

    /// Returns the users.
    #[must_use]
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// Returns the authorization server.
    #[must_use]
    pub fn server(&self) -> &AuthorizationServer {
        &self.server
    }

    /// Administers on behalf of `actor`.
    #[must_use]
    pub fn administrator(&self, actor: Actor) -> Administrator<'_> {
        Administrator {
            administration: self,
            actor,
        }
    }
}

impl Administrator<'_> {
    /// Creates a user with a password. The first user ever is an admin, whatever the `role`.
    ///
    /// # Errors
    ///
    /// Those of [`Users::create`].
    pub async fn create_user(
        &self,
        name: &str,
        password: &str,
        role: Role,
        teams: &[String],
    ) -> Result<User, UserError> {
        let users = &self.administration.users;
        let mut user = users.create(name, password).await?;
        self.record("user.create", format!("user/{}", user.id));
        if role == Role::Admin && user.role != role {
            user = users.set_role(&user.id, role).await?;
        }
        if !teams.is_empty() {
            user = users.set_teams(&user.id, teams.to_vec()).await?;
        }
        Ok(user)
    }

    /// Disables a user and revokes all sessions, clients and tokens, or enables a disabled one.
    ///
    /// # Errors
    ///
    /// Those of [`Users::set_disabled`].
    pub async fn set_disabled(&self, id: &str, disabled: bool) -> Result<User, UserError> {
        let Administration { users, server, .. } = self.administration;
        let user = users.set_disabled(id, disabled).await?;
        let action = match disabled {
            true => {
                server.revoke_user(id).await?;
                "user.disable"
            }
            false => {
                server.restore_user(id).await?;
                "user.enable"
            }
        };
        self.record(action, format!("user/{id}"));
        Ok(user)
    }

    /// Replaces the password of a local account.
    ///
    /// # Errors
    ///
    /// Those of [`Users::set_password`].
    pub async fn set_password(&self, id: &str, password: &str) -> Result<User, UserError> {
        let user = self.administration.users.set_password(id, password).await?;
        self.record("user.setPassword", format!("user/{id}"));
        Ok(user)
    }

    /// Replaces the role of a user.
    ///
    /// # Errors
    ///
    /// Those of [`Users::set_role`].
    pub async fn set_role(&self, id: &str, role: Role) -> Result<User, UserError> {
        let user = self.administration.users.set_role(id, role).await?;
        self.record("user.setRole", format!("user/{id}"));
        Ok(user)
    }

    /// Replaces the teams of a user.
    ///
    /// # Errors
    ///
    /// Those of [`Users::set_teams`].
    pub async fn set_teams(&self, id: &str, teams: Vec<String>) -> Result<User, UserError> {
        let user = self.administration.users.set_teams(id, teams).await?;
        self.record("user.setTeams", format!("user/{id}"));
        Ok(user)
    }

    /// Deletes a user, and revokes all sessions, clients and tokens.
    ///
    /// # Errors
    ///
    /// [`UserError::Unknown`] if there is no such user, and those of [`Users::delete`].
    pub async fn delete_user(&self, id: &str) -> Result<(), UserError> {
        let Administration { users, server, .. } = self.administration;
        if users.find(id).await?.is_none() {
            return Err(UserError::Unknown);
        }
        users.delete(id).await?;
        server.revoke_user(id).await?;
        self.record("user.delete", format!("user/{id}"));
        Ok(())
    }

    /// Issues a token for `owner` that expires at `expires`, in seconds since the Unix epoch, or
    /// never.
    ///
    /// # Errors
    ///
    /// [`AuthServerError`] if the store is unavailable.
    pub async fn create_token(
        &self,
        name: &str,
        owner: TokenOwner,
        expires: Option<u64>,
    ) -> Result<(ApiToken, Secret), AuthServerError> {
        let tokens = self.administration.server.api_tokens();
        let created = tokens.create(name, owner, expires).await?;
        self.record("token.create", format!("token/{}", created.0.id));
        Ok(created)
    }

    /// Replaces the token `id` by a new one, and revokes the old one. Returns `None` if there is no
    /// such token.
    ///
    /// # Errors
    ///
    /// [`AuthServerError`] if the store is unavailable.
    pub async fn rotate_token(
        &self,
        id: &str,
    ) -> Result<Option<(ApiToken, Secret)>, AuthServerError> {
        let created = self.administration.server.api_tokens().rotate(id).await?;
        if let Some((token, _)) = &created {
            self.record("token.revoke", format!("token/{id}"));
            self.record("token.create", format!("token/{}", token.id));
        }
        Ok(created)
    }

    /// Revokes the token `id`. Returns `false` if there is no such token.
    ///
    /// # Errors
    ///
    /// [`AuthServerError`] if the store is unavailable.
    pub async fn revoke_token(&self, id: &str) -> Result<bool, AuthServerError> {
        let is_revoked = self.administration.server.api_tokens().revoke(id).await?;
        if is_revoked {
            self.record("token.revoke", format!("token/{id}"));
        }
        Ok(is_revoked)
    }

    /// Creates a client. Its secret, if it has one, is returned only here.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if the client exists already, or its properties do not fit together.
    pub async fn create_client(
        &self,
        new: NewClient,
    ) -> Result<(OAuthClient, Option<Secret>), ClientError> {
        let (client, secret) = new.build()?;
        let server = &self.administration.server;
        if self.find_client(&client.id).await?.is_some() {
            return Err(ClientError::Exists(client.id));
        }
        let client = server.create_client(client).await?;
        self.record("client.create", format!("client/{}", client.id));
        Ok((client, secret))
    }

    /// Deletes a registered client, and revokes its tokens.
    ///
    /// # Errors
    ///
    /// [`ClientError::Configured`] for a client of the configuration, and [`ClientError::Unknown`]
    /// if there is no such client.
    pub async fn delete_client(&self, id: &str) -> Result<(), ClientError> {
        let server = &self.administration.server;
        if server
            .configured_clients()
            .iter()
            .any(|known| known.id == id)
        {
            return Err(ClientError::Configured);
        }
        if server.registered_client(id).await?.is_none() {
            return Err(ClientError::Unknown);
        }
        server.delete_client(id).await?;
        self.record("client.revoke", format!("client/{id}"));
        Ok(())
    }

    /// Returns the configured or registered client `id`.
    ///
    /// # Errors
    ///
    /// [`AuthServerError`] if the store is unavailable.
    pub async fn find_client(&self, id: &str) -> Result<Option<OAuthClient>, AuthServerError> {
        let server = &self.administration.server;
        let mut configured = server.configured_clients().into_iter();
        match configured.find(|known| known.id == id) {
            Some(client) => Ok(Some(client)),
            None => server.registered_client(id).await,
        }
    }

    fn record(&self, action: &str, object: String) {
        let change = Change::new(action, object);
        self.administration.trail.record(&self.actor, change);
    }
}
