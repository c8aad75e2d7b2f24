//! Plays scripts against an MCP server with the client of rmcp, and prints what it sees, as one
//! line of JSON.
//!
//! usage: rmcp-client URL TOKEN legacy|modern SCRIPTS
//!
//! The scripts are those of `tests/clients/client.py`.

mod http;
mod transcript;

use std::error::Error;
use std::io::Write;
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::model::{ClientRequest, ProtocolVersion, Request};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt, PeerRequestOptions, RunningService, ServiceError,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::http::HttpClient;
use self::transcript::Transcript;

type Anything = Box<dyn Error + Send + Sync>;

/// Nothing that a script waits for takes so long, unless it never comes.
const DEADLINE: Duration = Duration::from_secs(15);

const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

// What is heard while the client waits comes in its order.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Anything> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, era, scripts] = &arguments[..] else {
        return Err("usage: rmcp-client URL TOKEN legacy|modern SCRIPTS".into());
    };
    let scripts: Map<String, Value> = serde_json::from_str(scripts)?;
    let mut seen = Map::new();
    for (name, script) in scripts {
        let mut player = Player::connect(url, token, era == "modern", &script).await?;
        let mut steps = Vec::new();
        for step in script["steps"].as_array().into_iter().flatten() {
            steps.push(player.play(step).await?);
        }
        player.client.cancel().await?;
        seen.insert(name, Value::Array(steps));
    }
    writeln!(std::io::stdout(), "{}", Value::Object(seen))?;
    Ok(())
}

/// Plays the steps of one script.
struct Player {
    client: RunningService<RoleClient, Transcript>,
    http: HttpClient,
    transcript: Transcript,
    modern: bool,
    level: Option<Value>,
    listening: JoinSet<()>,
}

impl Player {
    async fn connect(
        url: &str,
        token: &str,
        modern: bool,
        script: &Value,
    ) -> Result<Self, Anything> {
        let transcript = Transcript::new(script);
        let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token);
        let http = HttpClient::new()?;
        let transport = StreamableHttpClientTransport::with_client(http.clone(), config);
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        let lifecycle = match modern {
            true => ClientLifecycleMode::Discover { preferred_versions },
            false => ClientLifecycleMode::Initialize,
        };
        let client = transcript
            .clone()
            .serve_with_lifecycle(transport, lifecycle);
        Ok(Self {
            client: client.await?,
            http,
            transcript,
            modern,
            level: None,
            listening: JoinSet::new(),
        })
    }

    async fn play(&mut self, step: &Value) -> Result<Value, Anything> {
        self.transcript.begin(step);
        let outcome = match timeout(DEADLINE, self.act(step)).await {
            Ok(Ok(result)) => ("result", result),
            Ok(Err(Failure::Sdk(ServiceError::McpError(error)))) => ("error", plain(&error)?),
            Ok(Err(Failure::Sdk(error))) => ("error", json!(error.to_string())),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => ("error", json!("no answer")),
        };
        let outcome = Map::from_iter([(outcome.0.to_owned(), outcome.1)]);
        Ok(self.transcript.end(outcome))
    }

    async fn act(&mut self, step: &Value) -> Result<Value, Failure> {
        let client = &self.client;
        Ok(match step["do"].as_str().unwrap_or_default() {
            "hello" => self.hello()?,
            "list" => self.list(step["what"].as_str().unwrap_or_default()).await?,
            "call" => self.call(step).await?,
            "read" => plain(&client.read_resource(taken(step, &["uri"])?).await?)?,
            "get" => plain(
                &client
                    .get_prompt(taken(step, &["name", "arguments"])?)
                    .await?,
            )?,
            "complete" => plain(&client.complete(taken(step, &["ref", "argument"])?).await?)?,
            "level" => {
                self.level = Some(step["level"].clone());
                if !self.modern {
                    #[expect(deprecated, reason = "legacy servers have it")]
                    client.set_level(taken(step, &["level"])?).await?;
                }
                Value::Null
            }
            "listen" => self.listen(step).await?,
            "change" => {
                client
                    .call_tool(taken(step, &["name", "arguments"])?)
                    .await?;
                self.transcript.until(1).await;
                json!({ "notified": true })
            }
            "cancel" => self.cancel(step).await?,
            "settled" => loop {
                let result = self.call(step).await?;
                let counts = &result["structuredContent"];
                let ended = [&counts["finished"], &counts["cancelled"]];
                let ended: u64 = ended.into_iter().filter_map(Value::as_u64).sum();
                if counts["started"] == ended {
                    // How far the calls have come until then differs from time to time.
                    self.transcript.forget();
                    break counts.clone();
                }
            },
            other => return Err(serde_json::Error::custom(format!("no step {other:?}")).into()),
        })
    }

    fn hello(&self) -> serde_json::Result<Value> {
        let info = self.client.peer_info();
        let mut info = info.map_or(Ok(Value::Null), |info| plain(&*info))?;
        if let Some(info) = info.as_object_mut() {
            info.retain(|name, _| name != "serverInfo" && name != "_meta");
        }
        Ok(info)
    }

    async fn list(&self, what: &str) -> Result<Value, Failure> {
        let key = match what {
            "resource_templates" => "resourceTemplates",
            _ => what,
        };
        let (mut first, mut items, mut cursor) = (None, Vec::new(), None);
        loop {
            let params = Some(typed(json!({ "cursor": cursor }))?);
            let mut page = match what {
                "prompts" => plain(&self.client.list_prompts(params).await?)?,
                "resources" => plain(&self.client.list_resources(params).await?)?,
                "resource_templates" => plain(&self.client.list_resource_templates(params).await?)?,
                _ => plain(&self.client.list_tools(params).await?)?,
            };
            if let Value::Array(more) = page[key].take() {
                items.extend(more);
            }
            cursor = page
                .as_object_mut()
                .and_then(|page| page.remove("nextCursor"));
            let first = first.get_or_insert(page);
            if cursor.is_none() {
                first[key] = Value::Array(items);
                return Ok(first.take());
            }
        }
    }

    async fn call(&self, step: &Value) -> Result<Value, Failure> {
        let mut params = taken::<Value>(step, &["name", "arguments"])?;
        if let (true, Some(level)) = (self.modern, &self.level) {
            params["_meta"] = json!({ LOG_LEVEL: level });
        }
        let result = self.client.call_tool(typed(params)?).await?;
        // In the legacy era, notifications may come after the result.
        let wanted = step["heard"].as_u64().unwrap_or_default();
        self.transcript.until(wanted).await;
        Ok(plain(&result)?)
    }

    /// Asks for changes of the lists and of a resource.
    async fn listen(&mut self, step: &Value) -> Result<Value, Failure> {
        let uri = step["uri"].as_str();
        if !self.modern {
            self.http.attended().await;
            if let Some(uri) = uri {
                #[expect(deprecated, reason = "legacy servers have it")]
                self.client.subscribe(typed(json!({ "uri": uri }))?).await?;
            }
            return Ok(Value::Null);
        }
        let filter = match uri {
            Some(uri) => json!({ "resourceSubscriptions": [uri] }),
            None => json!({
                "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
            }),
        };
        let mut stream = self.client.listen(typed(filter)?).await?;
        let transcript = self.transcript.clone();
        self.listening.spawn(async move {
            while let Ok(Some(notification)) = stream.next().await {
                let _ = transcript.heard(&notification);
            }
        });
        Ok(Value::Null)
    }

    /// Calls a tool, and gives up once it has said how far it is.
    async fn cancel(&self, step: &Value) -> Result<Value, Failure> {
        let params = taken(step, &["name", "arguments"])?;
        let request = ClientRequest::CallToolRequest(Request::new(params));
        let options = PeerRequestOptions::no_options();
        let handle = self
            .client
            .send_cancellable_request(request, options)
            .await?;
        self.transcript.until(1).await;
        handle.cancel(None).await?;
        self.transcript.forget();
        Ok(json!({ "cancelled": true }))
    }
}

/// Error of the server or the SDK for a step.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Sdk(#[from] ServiceError),
    /// The step or what came of it is not what the SDK knows.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// The JSON of a value of the SDK.
fn plain<T: Serialize>(value: &T) -> serde_json::Result<Value> {
    serde_json::to_value(value)
}

/// A value of the SDK.
fn typed<T: DeserializeOwned>(value: Value) -> serde_json::Result<T> {
    serde_json::from_value(value)
}

/// Returns the values of a step under these keys.
fn taken<T: DeserializeOwned>(step: &Value, keys: &[&str]) -> serde_json::Result<T> {
    let said = keys
        .iter()
        .filter_map(|key| Some((*key, step.get(*key)?.clone())));
    typed(
        said.map(|(key, value)| (key.to_owned(), value))
            .collect::<Map<_, _>>()
            .into(),
    )
}
