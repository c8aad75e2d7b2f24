//! Connection of an account: the authorization code flow at the authorization server of a server.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use mcp_gateway_core::credential::Challenge;
use mcp_gateway_store::{Batch, CommitOutcome, Documents};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::error::ConnectError;
use super::renewals::Renewals;
use super::server::AccountServer;
use super::step_up::{RequiredScopes, requested_scope};
use super::{AccountId, CALLBACK, CLIENT_DOCUMENT, ConnectedAccount, Owner};
use crate::SecretHash;
use crate::client::{
    Authorization, AuthorizationTarget, ClientError, ClientIdentity, OAuthClient,
    ResponseParameters,
};
use crate::clock::system_time;
use crate::egress::Egress;
use crate::login::{BrowserId, PublicOrigin};
use crate::pages::CONNECT;

/// The gateway as a client of authorization servers.
#[derive(Clone)]
pub(super) struct ConnectFlow {
    /// Egress to public addresses only, as other servers on the internet have it.
    internet: Egress,
    name: String,
    origin: PublicOrigin,
    pending: Documents<PendingConnection>,
    redirect_uri: Url,
    renewals: Arc<Renewals>,
}

/// Pending connection in the store, under the hash of its `state`.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct PendingConnection {
    browser: String,
    user: String,
    /// Owner of the connection; the user if absent.
    #[serde(default)]
    owner: Option<String>,
    server: String,
    expires: u64,
    /// Sealed [`ConnectionSecrets`].
    sealed: String,
}

/// Parts of a pending connection, which include its PKCE verifier.
#[derive(Deserialize, Serialize)]
struct ConnectionSecrets {
    target: AuthorizationTarget,
    client: ClientIdentity,
    authorization: Authorization,
    /// Set if the client was registered for the scopes of this request.
    #[serde(default)]
    is_registered_anew: bool,
}

/// Result of a response of an authorization server.
pub(super) enum Finished {
    /// The server is called with the account from now on.
    Connected(AccountId),
    /// The request is repeated at this URL, by another client.
    Repeated(Url),
}

impl ConnectFlow {
    /// Creates the client with redirect URIs at `origin`.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the redirect URI is invalid or the HTTP client cannot be created.
    pub(super) fn new(
        renewals: Arc<Renewals>,
        origin: PublicOrigin,
        internet: Egress,
    ) -> Result<Self, url::ParseError> {
        let redirect_uri = Url::parse(&format!("{}{CONNECT}/{CALLBACK}", origin.as_str()))?;
        let store = Arc::clone(renewals.accounts().store());
        Ok(Self {
            internet,
            name: format!("mcp-gateway at {}", origin.host()),
            pending: Documents::new(store, "account/pending/"),
            origin,
            redirect_uri,
            renewals,
        })
    }

    /// Begins to connect an account of `owner` at `server` on behalf of `user`, and returns the
    /// authorization URL for `browser`.
    ///
    /// The scopes `added` are requested besides those of the present account.
    pub(super) async fn start(
        &self,
        server: &AccountServer,
        (owner, user, browser): (&Owner, &str, &BrowserId),
        added: &RequiredScopes,
    ) -> Result<Url, ConnectError> {
        let oauth = self.oauth(server)?;
        let mut target = discover(&oauth).await?;
        target.sends_resource = server.sends_resource();
        let account = AccountId::new(owner.clone(), Arc::clone(server.name()));
        let present = self.renewals.accounts().find(&account).await?;
        let present = present.map(|stored| stored.value);
        let client = self.client(server, (&oauth, &target), present.as_ref());
        let client = client.await?;
        let scope = requested_scope(server, &target, (present.as_ref(), added));
        let authorization =
            oauth.authorize(&target, &client, &self.redirect_uri, scope.as_deref())?;
        let secrets = ConnectionSecrets {
            target,
            client,
            authorization,
            is_registered_anew: false,
        };
        self.begin(server, (owner, user, browser), secrets).await
    }

    /// Stores a pending connection, and returns its authorization URL.
    async fn begin(
        &self,
        server: &AccountServer,
        (owner, user, browser): (&Owner, &str, &BrowserId),
        secrets: ConnectionSecrets,
    ) -> Result<Url, ConnectError> {
        let (url, id) = {
            let authorization = &secrets.authorization;
            (authorization.url().clone(), id(authorization.state()))
        };
        let accounts = self.renewals.accounts();
        let expires = accounts.clock().now().saturating_add(LIFETIME);
        let pending = PendingConnection {
            browser: browser.id().to_owned(),
            user: user.to_owned(),
            owner: Some(owner.to_string()),
            server: server.name().to_string(),
            expires,
            sealed: accounts.seal(&purpose(&id), &secrets)?,
        };
        let batch = Batch::new().if_absent(self.pending.key(&id));
        let expires = Some(system_time(expires));
        let batch = self.pending.put(batch, &id, &pending, expires)?;
        let _ = accounts.store().commit(batch).await?;
        Ok(url)
    }

    /// Completes the connection to which the response `parameters` belong, if `user` began it with
    /// `browser` and it has not been completed before.
    ///
    /// `server` returns the server of this name, if the user may connect it for the owner. A request
    /// whose scopes the client may not request is repeated once, by a client that is registered for
    /// them.
    pub(super) async fn finish(
        &self,
        parameters: ResponseParameters,
        (user, browser): (&str, &BrowserId),
        server: impl FnOnce(&str, &Owner) -> Option<Arc<AccountServer>>,
    ) -> Result<Finished, ConnectError> {
        let state = parameters.get("state").ok_or(ConnectError::BadRequest)?;
        let (pending, secrets) = self.take(state, user, browser).await?;
        let owner = match &pending.owner {
            Some(owner) => owner.parse().map_err(|_| ConnectError::Forged)?,
            None => Owner::User(user.into()),
        };
        let server = server(&pending.server, &owner).ok_or(ConnectError::NotFound)?;
        let ConnectionSecrets {
            target,
            client,
            authorization,
            is_registered_anew,
        } = secrets;
        let oauth = self.oauth(&server)?;
        let registered = (target.server.issuer.clone(), client.clone());
        let scope = authorization.scope().map(str::to_owned);
        let scope = scope.filter(|_| !is_registered_anew && self.is_registered(&server, &client));
        let other = scope.map(|scope| (scope, target.clone()));
        let grant = oauth.redeem((target, client), authorization, parameters);
        let grant = match (grant.await, other) {
            (Err(error), _) if error.is_invalid_client() && server.client().is_none() => {
                let (issuer, client) = registered;
                self.renewals
                    .registrations()
                    .remove(&issuer, &client)
                    .await?;
                return Err(ConnectError::ClientRejected(error));
            }
            (Err(error), Some((scope, target))) if error.is_denied_scope() => {
                let whose = (&owner, user, browser);
                let repeated = self.repeat(&server, whose, (target, scope)).await;
                return repeated.map(Finished::Repeated).map_err(|_| error.into());
            }
            (grant, _) => grant?,
        };
        let accounts = self.renewals.accounts();
        let account = ConnectedAccount::new(grant, accounts.clock().now())?;
        let id = AccountId::new(owner, Arc::clone(server.name()));
        let accounts = accounts.clone().acting_as(user);
        accounts.connect(&id, &account).await?;
        self.renewals.cache().invalidate(&id.document());
        Ok(Finished::Connected(id))
    }

    /// Registers a client for `scope`, and begins the connection again.
    async fn repeat(
        &self,
        server: &AccountServer,
        whose: (&Owner, &str, &BrowserId),
        (target, scope): (AuthorizationTarget, String),
    ) -> Result<Url, ConnectError> {
        let oauth = self.oauth(server)?;
        let registrations = self.renewals.registrations();
        let registration = (&*self.name, &self.redirect_uri);
        let client = registrations
            .extend((&oauth, &target), registration, &scope)
            .await?;
        let authorization = oauth.authorize(&target, &client, &self.redirect_uri, Some(&scope))?;
        let secrets = ConnectionSecrets {
            target,
            client,
            authorization,
            is_registered_anew: true,
        };
        self.begin(server, whose, secrets).await
    }

    /// Returns `true` if `client` is registered dynamically.
    fn is_registered(&self, server: &AccountServer, client: &ClientIdentity) -> bool {
        server.client().is_none() && client.id != self.document_url()
    }

    /// Returns the client ID metadata document of the gateway.
    pub(super) fn document(&self) -> Value {
        json!({
            "client_id": self.document_url(),
            "client_name": self.name,
            "client_uri": self.origin.as_str(),
            "redirect_uris": [self.redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "web",
        })
    }

    /// Returns the client at the authorization server of `server`: the configured one, the client
    /// ID metadata document, or a registered one.
    async fn client(
        &self,
        server: &AccountServer,
        (oauth, target): (&OAuthClient, &AuthorizationTarget),
        present: Option<&ConnectedAccount>,
    ) -> Result<ClientIdentity, ConnectError> {
        if let Some(client) = server.client() {
            return Ok(client.clone());
        }
        let metadata = &target.server;
        // An authorization server that cannot fetch the document shows an error to the user, and
        // never returns to the gateway.
        if metadata.client_documents && self.is_reachable().await {
            return Ok(ClientIdentity::public(self.document_url()));
        }
        let registration = (&*self.name, &self.redirect_uri);
        let registrations = self.renewals.registrations();
        let accepted = present.filter(|account| account.end().is_none());
        let accepted = accepted.map(|account| account.client().1);
        registrations
            .client((oauth, target), registration, accepted)
            .await
    }

    /// Returns `true` if the client ID metadata document can be fetched from the internet.
    async fn is_reachable(&self) -> bool {
        if !self.origin.is_secure() {
            return false;
        }
        let url = self.document_url();
        let Ok(fetched) = self.internet.get_json(&url, MAX_DOCUMENT).await else {
            return false;
        };
        serde_json::from_slice(&fetched.body).is_ok_and(|found: Value| found == self.document())
    }

    fn document_url(&self) -> String {
        format!("{}{CONNECT}/{CLIENT_DOCUMENT}", self.origin.as_str())
    }

    fn oauth(&self, server: &AccountServer) -> Result<OAuthClient, ClientError> {
        OAuthClient::new(self.renewals.egress().clone(), server.url().clone())
    }

    /// Removes and returns the pending connection of `state`.
    async fn take(
        &self,
        state: &str,
        user: &str,
        browser: &BrowserId,
    ) -> Result<(PendingConnection, ConnectionSecrets), ConnectError> {
        let id = id(state);
        let stored = self.pending.get(&id).await?.ok_or(ConnectError::Forged)?;
        let pending = stored.value;
        let accounts = self.renewals.accounts();
        let is_ours = pending.browser == browser.id() && pending.user == user;
        if !is_ours || accounts.clock().now() >= pending.expires {
            return Err(ConnectError::Forged);
        }
        let key = self.pending.key(&id);
        let batch = Batch::new().if_version(Arc::clone(&key), stored.version);
        let outcome = accounts.store().commit(batch.delete(key)).await?;
        if outcome == CommitOutcome::Conflict {
            return Err(ConnectError::Forged);
        }
        let secrets = accounts.open(&purpose(&id), &pending.sealed);
        Ok((pending, secrets.ok_or(ConnectError::Forged)?))
    }
}

impl fmt::Debug for ConnectFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectFlow")
            .field("redirect_uri", &self.redirect_uri.as_str())
            .finish_non_exhaustive()
    }
}

/// Discovers the authorization server of a server, which may require a token for some methods only.
async fn discover(oauth: &OAuthClient) -> Result<AuthorizationTarget, ConnectError> {
    let challenge = oauth.challenge().await?;
    let is_open = challenge.is_none();
    let challenge =
        challenge.unwrap_or_else(|| Challenge::new(StatusCode::UNAUTHORIZED, &HeaderMap::new()));
    match oauth.discover(&challenge).await {
        Err(ClientError::NoResourceMetadata { .. }) if is_open => Err(ConnectError::Open),
        found => Ok(found?),
    }
}

/// Returns the identifier of the pending connection with `state`.
fn id(state: &str) -> String {
    SecretHash::digest(state).as_str().to_owned()
}

/// Returns the purpose of the sealed parts of a pending connection.
fn purpose(id: &str) -> String {
    format!("connection {id}")
}

/// Lifetime of a pending connection, in seconds.
const LIFETIME: u64 = 10 * 60;

/// Maximum size of the client ID metadata document, in bytes.
const MAX_DOCUMENT: usize = 16 * 1024;
