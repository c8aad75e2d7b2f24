//! Platforms in this process whose rules and pins are replaced.

use std::sync::Arc;

use http::{Request, StatusCode};
use mcp_gateway_config::file::Config;
use mcp_gateway_config::stored::StoredEntries;
use mcp_gateway_platform::Platform;
use mcp_gateway_platform::spec::PlatformSpec;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::world::{FAR, SERVERS, TAINTING, World, answer};
use crate::client::{send, token};
use crate::fake;
use crate::variables::Variables;

/// Administrator, besides the users of a world.
const ROOT: &str = "root";

/// Store of platforms.
pub(super) struct Stage {
    folder: TempDir,
    /// URL of the database of PostgreSQL.
    database: Option<String>,
}

impl Stage {
    pub(super) fn new(database: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, database }
    }

    /// Returns the spec of `world`.
    fn spec(&self, world: &World) -> PlatformSpec {
        let mut tokens = world.tokens();
        tokens.push(json!({ "name": ROOT, "token": { "env": ROOT }, "admin": true }));
        let (server, tool) = TAINTING;
        let distrust =
            json!({ "name": "pages", "effect": "distrust", "servers": [server], "tools": [tool] });
        let mut policy = world.rules.entry();
        policy["results"] = json!([distrust]);
        let gateways = world.gateways.iter().map(|gateway| gateway.entry());
        let config = json!({
            "publicUrl": "http://localhost",
            "sessionKey": { "env": "KEY" },
            "store": match self.database {
                Some(_) => json!({ "postgres": { "env": "DATABASE" } }),
                None => json!({ "sqlite": self.folder.path().join("gateway.db") }),
            },
            "auth": { "login": { "local": true }, "oauth": {}, "tokens": tokens },
            "servers": [
                { "name": SERVERS[0], "builtin": SERVERS[0] },
                { "name": SERVERS[1], "builtin": SERVERS[1],
                    "tools": { "rename": { "put": "store" } } },
                // Never reached, because nobody has an account.
                { "name": FAR, "remote": { "url": "https://far.example/mcp",
                    "auth": { "oauth": {} } } },
            ],
            "gateways": gateways.collect::<Vec<_>>(),
            "policy": policy,
        });
        let database = self.database.as_deref().unwrap_or_default();
        let variables = Variables {
            database,
            builtins: &SERVERS,
        };
        let read = Config::read_from(&config.to_string(), &variables);
        let (config, _) = read.unwrap_or_else(|error| panic!("{error}\n{config:#}"));
        let mut spec = config.platform;
        world.pin(&mut spec.dynamic);
        spec
    }

    /// Starts a platform with `world`.
    pub(super) async fn start(&self, world: &World) -> Platform {
        let address = "127.0.0.1:80".parse().unwrap();
        let mut builder = Platform::builder(self.spec(world), address);
        for name in SERVERS {
            let server = fake::answering(move |message| answer(name, message));
            builder = builder.with_builtin(name, server);
        }
        let reader = Arc::new(StoredEntries::new(&SERVERS));
        builder.with_registry(reader).start().await.unwrap()
    }

    /// Makes `platform` match `world`.
    pub(super) fn apply(&self, platform: &Platform, world: &World) {
        platform.apply(&self.spec(world)).unwrap();
    }
}

/// Returns `true` if there is a taint.
pub(super) async fn has_taints(platform: &Platform) -> bool {
    !page_of_taints(platform).await.is_empty()
}

/// Ends all taints.
pub(super) async fn clear_taints(platform: &Platform) {
    loop {
        let taints = page_of_taints(platform).await;
        if taints.is_empty() {
            return;
        }
        for taint in taints {
            let path = format!("/taints/{}", taint["id"].as_str().unwrap());
            let (status, _) = api(platform, "DELETE", &path).await;
            assert_eq!(status, StatusCode::NO_CONTENT);
        }
    }
}

async fn page_of_taints(platform: &Platform) -> Vec<Value> {
    let (status, mut body) = api(platform, "GET", "/taints").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    serde_json::from_value(body["items"].take()).unwrap()
}

async fn api(platform: &Platform, method: &str, path: &str) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"))
        .header("authorization", format!("Bearer {}", token(ROOT)));
    let (status, _, body) = send(platform, request, String::new()).await;
    (status, serde_json::from_str(&body).unwrap_or_default())
}
