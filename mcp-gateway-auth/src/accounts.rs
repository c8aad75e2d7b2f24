//! Accounts of servers that users have connected, with whose tokens the servers are called.
//!
//! The gateway is an OAuth client of each server that requires a login. A call is made with the
//! account of its caller: [`AccountCredentials`] finds it among the [`ConnectedAccounts`] of a store
//! and refreshes its tokens. A caller without an account gets a [link](ConnectLinks), which leads to
//! the [`AccountPages`]: the user logs in at the authorization server of the server, and the call
//! succeeds from then on.
//!
//! A server without a login of this kind may have [`Input`]s, such as an access token: values that
//! its callers supply on the same pages, and that are sent to it alone.
//!
//! Tokens and values are sealed in the store, and bound to their owner and server. Replicas that
//! share the store refresh each account once, see [`AccountCredentials`].
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_gateway_auth::accounts::{
//!     AccountCredentials, AccountPages, AccountServer, ConnectLinks, ConnectedAccounts,
//! };
//! use mcp_gateway_auth::egress::{Egress, EgressPolicy};
//! use mcp_gateway_auth::login::LoginSessions;
//! use mcp_gateway_auth::users::Users;
//! use mcp_gateway_auth::{Clock, Keyring};
//! use mcp_gateway_core::auth::Principal;
//! use mcp_gateway_core::credential::{CredentialError, CredentialResolver};
//! use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
//! use mcp_gateway_core::route::{Feature, Target};
//! use mcp_gateway_core::{Caller, ClientInfo};
//! use mcp_gateway_store::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
//! let users = Users::new(store.clone(), Clock::system());
//! let ada = users.create("ada", "correct horse battery").await?.id;
//! let url = "https://gw.example.com";
//! let sessions = LoginSessions::new(users, keyring.clone(), url)?.with_local_accounts();
//!
//! let accounts = ConnectedAccounts::new(store, &keyring, Clock::system())?;
//! let links = ConnectLinks::new(url, keyring, Arc::new(sessions.clone()))?;
//! let credentials = AccountCredentials::new(accounts, Egress::new(EgressPolicy::new())?)
//!     .with_links(links.clone());
//! let server = AccountServer::new("github", "https://mcp.example.com/mcp".parse()?);
//! credentials.replace_servers([server]);
//! let pages: axum::Router = AccountPages::new(&credentials, links, sessions)?.router();
//!
//! let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
//! let caller = Caller::new(Principal::new(ada), "main", client);
//! let missing = credentials.resolve(&caller, &Target::new("github", Feature::Server)).await;
//! assert!(matches!(missing, Err(CredentialError::NotConnected { url: Some(_) })));
//! # let _ = pages;
//! # Ok(())
//! # }
//! ```

mod account;
mod cache;
mod connections;
mod credentials;
mod documents;
mod error;
mod flow;
mod input_pages;
mod inputs;
mod links;
mod list_page;
mod lists;
mod locks;
mod members;
mod observer;
mod outcome;
mod owner;
mod pages;
mod registrations;
mod rejections;
mod removals;
mod renewals;
mod revocations;
mod server;
mod server_credentials;
mod signals;
mod step_up;
mod unsaved;

pub use self::account::{ConnectedAccount, EndReason};
pub use self::connections::{ConnectionKind, ConnectionRecord, ConnectionStatus, SupplyError};
pub use self::credentials::AccountCredentials;
pub use self::documents::ConnectedAccounts;
pub use self::inputs::{
    ConnectionProbe, Input, InputRejection, InputServer, InputValues, InputViolation, ProbeError,
    SuppliedInputs, Template,
};
pub use self::links::ConnectLinks;
pub use self::observer::{AccountChange, AccountObserver};
pub use self::owner::{AccountId, Owner, OwnerError, SharedOwner};
pub use self::pages::AccountPages;
pub use self::revocations::PendingRevocations;
pub use self::server::AccountServer;
pub use self::server_credentials::{ServerAccounts, ServerInputs};

/// Names of pages below `/connect`. Servers with accounts have pages there, and other names.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::accounts::RESERVED_NAMES;
///
/// assert!(RESERVED_NAMES.contains(&"callback") && !RESERVED_NAMES.contains(&"github"));
/// ```
pub const RESERVED_NAMES: [&str; 2] = [CALLBACK, CLIENT_DOCUMENT];

/// Name of the redirection endpoint.
const CALLBACK: &str = "callback";

/// Name of the client ID metadata document.
const CLIENT_DOCUMENT: &str = "client.json";
