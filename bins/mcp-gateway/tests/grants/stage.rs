//! Platforms in this process that share a store, and requests to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Request, StatusCode};
use mcp_gateway_auth::accounts::{AccountId, ConnectedAccount, ConnectedAccounts, Owner};
use mcp_gateway_auth::client::{ClientIdentity, OAuthClient};
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::{Clock, Keyring};
use mcp_gateway_config::file::Config;
use mcp_gateway_config::stored::StoredEntries;
use mcp_gateway_platform::Platform;
use mcp_gateway_platform::spec::PlatformSpec;
use mcp_gateway_store::{PostgresOptions, PostgresStore, SqliteStore, Store};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{send, token};
use crate::fake;
use crate::provider::{Provider, REDIRECT_URI};
use crate::variables::Variables;
use crate::world::{CONNECTED, Connections, PLAIN, World};

const CLIENT: &str = "gateway";

/// Administrator, besides the users of a world.
const ROOT: &str = "root";

/// Store and servers of platforms.
pub(crate) struct Stage {
    folder: TempDir,
    /// URL of the database of PostgreSQL.
    database: Option<String>,
    providers: BTreeMap<&'static str, Provider>,
}

impl Stage {
    /// Creates the servers and a store with `connections`, in a file or in PostgreSQL.
    pub(crate) async fn new(connections: &Connections, database: Option<String>) -> Self {
        let mut providers = BTreeMap::new();
        for name in CONNECTED {
            providers.insert(name, Provider::start().await.with_client(CLIENT));
        }
        let folder = tempfile::tempdir().unwrap();
        let stage = Self {
            folder,
            database,
            providers,
        };
        let keyring = Keyring::new(&[0xab; 32]).unwrap();
        let store = stage.open().await;
        let accounts = ConnectedAccounts::new(Arc::clone(&store), &keyring, Clock::system());
        let accounts = accounts.unwrap();
        for (server, owner) in connections {
            let name = format!("{server}.{owner}");
            let account = stage.account(&stage.providers[server], &name).await;
            let id = AccountId::new(parsed(owner), *server);
            accounts.connect(&id, &account).await.unwrap();
        }
        stage
    }

    /// Opens the store.
    async fn open(&self) -> Arc<dyn Store> {
        match &self.database {
            Some(url) => {
                let store = PostgresStore::connect(url, PostgresOptions::new()).await;
                Arc::new(store.unwrap())
            }
            None => Arc::new(SqliteStore::open(self.file()).await.unwrap()),
        }
    }

    fn file(&self) -> String {
        self.folder
            .path()
            .join("gateway.db")
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// Logs in at `provider` as `user`.
    async fn account(&self, provider: &Provider, user: &str) -> ConnectedAccount {
        let policy = EgressPolicy::new().with_any_port().with_insecure_loopback();
        let client = OAuthClient::new(Egress::new(policy).unwrap(), provider.url()).unwrap();
        let challenge = client.challenge().await.unwrap().unwrap();
        let target = client.discover(&challenge).await.unwrap();
        let identity = ClientIdentity::public(CLIENT);
        let redirect_uri = REDIRECT_URI.parse().unwrap();
        let authorization = client.authorize(&target, &identity, &redirect_uri, None);
        let authorization = authorization.unwrap();
        let response = [
            ("code", provider.code(user)),
            ("state", authorization.state().to_owned()),
            ("iss", provider.base.clone()),
        ];
        let response = response.map(|(name, value)| (name.to_owned(), value));
        let grant = client.redeem((target, identity), authorization, response.into());
        ConnectedAccount::new(grant.await.unwrap(), Clock::system().now()).unwrap()
    }

    /// Returns the spec of `world`, without its gateways in the store.
    fn spec(&self, world: &World) -> PlatformSpec {
        let mut tokens = world.tokens();
        tokens.push(json!({ "name": ROOT, "token": { "env": ROOT }, "admin": true }));
        let far = |name: &str| {
            let url = self.providers[name].url();
            let exchange = json!({
                "issuer": "https://idp.example",
                "client": { "clientId": CLIENT, "clientSecret": { "env": "CLIENT" } },
            });
            let auth = json!({ "oauth": {}, "tokenExchange": exchange });
            json!({ "name": name, "remote": { "url": url, "auth": auth } })
        };
        let gateways = world.gateways.iter().filter(|gateway| !gateway.is_stored);
        let config = json!({
            "publicUrl": "http://localhost",
            "sessionKey": { "env": "KEY" },
            "store": match self.database {
                Some(_) => json!({ "postgres": { "env": "DATABASE" } }),
                None => json!({ "sqlite": self.file() }),
            },
            "auth": {
                "allowedNetworks": ["127.0.0.0/8"],
                "login": { "local": true },
                "oauth": {},
                "tokens": tokens,
            },
            "servers": [
                { "name": PLAIN[0], "builtin": PLAIN[0] },
                { "name": PLAIN[1], "builtin": PLAIN[1], "tools": world.tool_settings() },
                far(CONNECTED[0]),
                far(CONNECTED[1]),
            ],
            "gateways": gateways.map(|gateway| gateway.entry()).collect::<Vec<_>>(),
        });
        let database = self.database.as_deref().unwrap_or_default();
        let variables = Variables {
            database,
            builtins: &PLAIN,
        };
        let read = Config::read_from(&config.to_string(), &variables);
        let (config, _) = read.unwrap_or_else(|error| panic!("{error}\n{config:#}"));
        config.platform
    }

    /// Starts a platform with `world`, without its gateways in the store.
    pub(crate) async fn start(&self, world: &World) -> Replica {
        let address = "127.0.0.1:80".parse().unwrap();
        let mut builder = Platform::builder(self.spec(world), address);
        for name in PLAIN {
            builder = builder.with_builtin(name, fake::backend(name));
        }
        let reader = Arc::new(StoredEntries::new(&PLAIN));
        let platform = builder.with_registry(reader).start().await.unwrap();
        Replica { platform }
    }

    /// Makes `replica` match `world`, without its gateways in the store.
    pub(crate) fn apply(&self, replica: &Replica, world: &World) {
        replica.platform.apply(&self.spec(world)).unwrap();
    }
}

fn parsed(owner: &str) -> Owner {
    match owner.split_once('/') {
        Some(("user", name)) => Owner::User(name.into()),
        Some((_, name)) => Owner::Team(name.into()),
        None => Owner::Organization,
    }
}

/// A platform.
pub(crate) struct Replica {
    pub(crate) platform: Platform,
}

impl Replica {
    /// Deletes the gateways in the store.
    pub(crate) async fn clear(&self) {
        for id in self.stored().await.into_values() {
            let (status, _) = self.api("DELETE", &format!("/gateways/{id}"), None).await;
            assert_eq!(status, StatusCode::NO_CONTENT);
        }
    }

    /// Adds the gateways of `world` to the store; returns their identifiers by name.
    pub(crate) async fn store(&self, world: &World) -> BTreeMap<String, String> {
        let mut ids = BTreeMap::new();
        for gateway in world.gateways.iter().filter(|gateway| gateway.is_stored) {
            let (status, body) = self.api("POST", "/gateways", Some(gateway.entry())).await;
            assert_eq!(status, StatusCode::CREATED, "{body}");
            ids.insert(
                gateway.name.clone(),
                body["id"].as_str().unwrap().to_owned(),
            );
        }
        ids
    }

    /// Identifiers of the gateways in the store by name.
    pub(crate) async fn stored(&self) -> BTreeMap<String, String> {
        let (_, body) = self.api("GET", "/gateways", None).await;
        let gateways = body["items"].as_array().unwrap().iter();
        let stored = gateways.filter(|gateway| gateway["source"] == "store");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        stored
            .map(|gateway| (text(&gateway["name"]), text(&gateway["id"])))
            .collect()
    }

    async fn api(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {}", token(ROOT)))
            .header("content-type", "application/json");
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let (status, _, body) = send(&self.platform, request, body).await;
        (status, serde_json::from_str(&body).unwrap_or_default())
    }
}
