//! Changes of users, tokens and clients, each with its audit record.

mod clients;
mod tokens;
mod users;

use mcp_gateway_audit::{Actor, Change};
use mcp_gateway_auth::accounts::ConnectedAccounts;
use mcp_gateway_auth::server::AuthorizationServer;
use mcp_gateway_auth::users::Users;
use mcp_gateway_store::Attachment;

use crate::AuditTrail;

/// Users, tokens and clients of a gateway. Cheap to clone.
///
/// Changes are made by an [`Administrator`], so that each has an actor and an audit record. A change
/// and its record are one write.
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
/// use mcp_gateway_auth::users::{NewUser, UserUpdate, Users};
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
/// let bob = alice.create_user(NewUser::new("bob", "correct horse battery")).await?;
/// alice.update_user(&bob.id, &UserUpdate::new().with_disabled(true)).await?;
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
    accounts: Option<ConnectedAccounts>,
    trail: AuditTrail,
}

/// Administration on behalf of an actor.
#[derive(Debug)]
pub struct Administrator<'a> {
    administration: &'a Administration,
    actor: Actor,
}

impl Administration {
    /// Administers `users`, and the tokens and clients of `server`.
    #[must_use]
    pub fn new(users: Users, server: AuthorizationServer, trail: AuditTrail) -> Self {
        Self {
            users,
            server,
            accounts: None,
            trail,
        }
    }

    /// Adds the accounts of users at servers, which are deleted with their users.
    #[must_use]
    pub fn with_accounts(mut self, accounts: ConnectedAccounts) -> Self {
        self.accounts = Some(accounts);
        self
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
    /// Returns the record of `action` on the object `kind/{identifier}`, for the batch of the change.
    fn attachment(&self, action: &'static str, kind: &'static str) -> Attachment {
        let change = move |id: &str| Change::new(action, format!("{kind}/{id}"));
        self.administration.trail.attachment(&self.actor, change)
    }
}
