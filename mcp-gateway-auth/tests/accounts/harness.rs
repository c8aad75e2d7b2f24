//! Replicas that share a store, and people with accounts at a provider.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use mcp_gateway_auth::accounts::{
    AccountChange, AccountCredentials, AccountId, AccountObserver, AccountServer, ConnectedAccount,
    ConnectedAccounts, Owner,
};
use mcp_gateway_auth::client::{ClientIdentity, OAuthClient};
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::{Clock, Keyring};
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::{Challenge, Credential, CredentialError, CredentialResolver};
use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::{Caller, ClientInfo};
use mcp_gateway_store::{Attachment, MemoryStore, Store};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::provider::{Provider, REDIRECT_URI};

pub(crate) struct Harness {
    pub(crate) clock: Clock,
    pub(crate) provider: Provider,
    pub(crate) store: MemoryStore,
    pub(crate) changes: Arc<Changes>,
}

/// Changes that were observed, as text, and their actors.
#[derive(Debug, Default)]
pub(crate) struct Changes(pub(crate) Mutex<Vec<(String, Option<String>)>>);

impl AccountObserver for Changes {
    fn on_change(&self, account: &AccountId, change: AccountChange, actor: Option<&str>) {
        let change = (format!("{account} {change:?}"), actor.map(str::to_owned));
        self.0.lock().unwrap().push(change);
    }

    fn attachment(
        &self,
        account: &AccountId,
        change: AccountChange,
        _: Option<&str>,
    ) -> Attachment {
        let text = format!("recorded/{account} {change:?}");
        Attachment::new(move |batch, _| batch.put(text.as_str(), ""))
    }
}

/// Replica that follows the store.
pub(crate) struct Replica {
    pub(crate) credentials: AccountCredentials,
    _following: JoinSet<()>,
}

impl Harness {
    pub(crate) async fn start() -> Self {
        Self {
            clock: Clock::fixed(4_000_000_000),
            provider: Provider::start().await.with_client(CLIENT),
            store: MemoryStore::new(),
            changes: Arc::default(),
        }
    }

    pub(crate) fn accounts(&self) -> ConnectedAccounts {
        self.accounts_in(Arc::new(self.store.clone()))
    }

    fn accounts_in(&self, store: Arc<dyn Store>) -> ConnectedAccounts {
        let keyring = Keyring::new(&[7; 32]).unwrap();
        ConnectedAccounts::new(store, &keyring, self.clock.clone())
            .unwrap()
            .with_observer(Arc::clone(&self.changes) as Arc<dyn AccountObserver>)
    }

    pub(crate) async fn replica(&self) -> Replica {
        self.replica_in(Arc::new(self.store.clone())).await
    }

    /// Starts a replica with a store that has the same content.
    pub(crate) async fn replica_in(&self, store: Arc<dyn Store>) -> Replica {
        let credentials = AccountCredentials::new(self.accounts_in(store), egress());
        credentials.replace_servers([self.server()]);
        let following = credentials.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { following.follow().await });
        // The first event clears the cache.
        sleep(Duration::from_millis(10)).await;
        Replica {
            credentials,
            _following: tasks,
        }
    }

    pub(crate) fn server(&self) -> AccountServer {
        AccountServer::new(SERVER, self.provider.url())
    }

    /// Connects the account of `user` at the provider for `owner`.
    pub(crate) async fn connect(&self, owner: Owner, user: &str) {
        let client = OAuthClient::new(egress(), self.provider.url()).unwrap();
        let challenge = client.challenge().await.unwrap().unwrap();
        let target = client.discover(&challenge).await.unwrap();
        let identity = ClientIdentity::public(CLIENT);
        let redirect_uri = REDIRECT_URI.parse().unwrap();
        let authorization = client.authorize(&target, &identity, &redirect_uri, None);
        let authorization = authorization.unwrap();
        let response = [
            ("code", self.provider.code(user)),
            ("state", authorization.state().to_owned()),
            ("iss", self.provider.base.clone()),
        ];
        let response = response.map(|(name, value)| (name.to_owned(), value));
        let grant = client.redeem((target, identity), authorization, response.into());
        let account = ConnectedAccount::new(grant.await.unwrap(), self.clock.now()).unwrap();
        let id = AccountId::new(owner, SERVER);
        self.accounts().connect(&id, &account).await.unwrap();
    }

    /// Connects the account `name` of the user `name`.
    pub(crate) async fn connect_user(&self, name: &str) {
        self.connect(user(name), name).await;
    }

    /// Returns all that is stored, as text.
    pub(crate) async fn stored(&self) -> String {
        let entries = self.store.list("", None, 1000).await.unwrap();
        let texts = entries.iter().map(|entry| {
            let value = String::from_utf8_lossy(&entry.document.value);
            format!("{} {value}\n", entry.key)
        });
        texts.collect()
    }

    pub(crate) fn changes(&self) -> Vec<String> {
        let changes = self.changes.0.lock().unwrap();
        changes.iter().map(|(change, _)| change.clone()).collect()
    }

    /// Returns the actors of the changes.
    pub(crate) fn actors(&self) -> Vec<Option<String>> {
        let changes = self.changes.0.lock().unwrap();
        changes.iter().map(|(_, actor)| actor.clone()).collect()
    }
}

impl Replica {
    /// Returns the credential of a call of `principal`.
    pub(crate) async fn credential(
        &self,
        principal: Principal,
    ) -> Result<Credential, CredentialError> {
        let caller = caller(principal);
        self.credentials.resolve(&caller, &target()).await
    }

    /// Returns the token of a call of the user `name`.
    pub(crate) async fn token(&self, name: &str) -> Result<String, CredentialError> {
        let credential = self.credential(Principal::new(name)).await?;
        Ok(bearer(&credential))
    }

    /// Reports `credential` of the user `name` as rejected, and returns the token of the next one.
    pub(crate) async fn reject(
        &self,
        name: &str,
        credential: &Credential,
    ) -> Result<Option<String>, CredentialError> {
        self.challenge(name, credential, (401, "Bearer")).await
    }

    /// Reports `credential` of the user `name` as rejected with a status and a challenge, and returns
    /// the token of the next one.
    pub(crate) async fn challenge(
        &self,
        name: &str,
        credential: &Credential,
        (status, challenge): (u16, &'static str),
    ) -> Result<Option<String>, CredentialError> {
        let mut headers = HeaderMap::new();
        if !challenge.is_empty() {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        let challenge = Challenge::new(StatusCode::from_u16(status).unwrap(), &headers);
        let caller = caller(Principal::new(name));
        let target = target();
        let next = self
            .credentials
            .rejected(&caller, &target, credential, &challenge);
        Ok(next.await?.as_ref().map(bearer))
    }

    /// Waits until the call of the user `name` has the outcome that `is_expected` accepts.
    pub(crate) async fn until(
        &self,
        name: &str,
        is_expected: impl Fn(&Result<String, CredentialError>) -> bool,
    ) {
        let waiting = async {
            while !is_expected(&self.token(name).await) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(60), waiting).await.unwrap();
    }
}

pub(crate) fn user(name: &str) -> Owner {
    Owner::User(name.into())
}

pub(crate) fn caller(principal: Principal) -> Caller {
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    Caller::new(principal, "main", client)
}

pub(crate) fn target() -> Target {
    Target::new(SERVER, Feature::Server)
}

pub(crate) fn bearer(credential: &Credential) -> String {
    let mut headers = credential.headers().iter();
    let (_, value) = headers.find(|(name, _)| name == AUTHORIZATION).unwrap();
    value.to_str().unwrap().to_owned()
}

pub(crate) fn egress() -> Egress {
    Egress::new(EgressPolicy::new().with_any_port().with_insecure_loopback()).unwrap()
}

pub(crate) fn is_not_connected<T>(result: &Result<T, CredentialError>) -> bool {
    matches!(result, Err(CredentialError::NotConnected { .. }))
}

pub(crate) const SERVER: &str = "notes";
pub(crate) const CLIENT: &str = "gateway";
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
