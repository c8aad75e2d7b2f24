//! MCP client of the command line.

use std::borrow::Cow;
use std::iter;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::uri::Authority;
use http_body_util::BodyExt as _;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Prepared;
use mcp_gateway_core::catalog::lint::Finding;
use mcp_gateway_core::catalog::{ListKind, Listing};
use mcp_gateway_core::jsonrpc::{ErrorObject, Id, Message, Notification, Request, code};
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion, meta};
use mcp_gateway_core::reply::ReplyEvent;
use mcp_gateway_core::route::{Feature, PrefixRouter, ResolvedName, Target, ToolRouter};
use mcp_gateway_core::upstream::{Upstream, UpstreamError, UpstreamServer};
use mcp_gateway_core::{Call, Caller, ClientInfo, Credential, Reply};
use serde_json::{Map, Value, json};

use crate::builtins::builtins;
use crate::output::chain;
use mcp_gateway_config::document::suggestion;
use mcp_gateway_config::file::{header_value, remote};
use mcp_gateway_platform::servers::{ServerFactory, credential};
use mcp_gateway_platform::spec::{self, DynamicSpec, Remote, ServerRuntime, ToolFilter};

/// Servers that the command line calls.
#[derive(Debug)]
pub(crate) struct McpClient {
    entries: Vec<ServerEntry>,
    router: PrefixRouter,
    caller: Arc<Caller>,
}

#[derive(Debug)]
struct ServerEntry {
    server: Arc<UpstreamServer>,
    credential: Credential,
    filter: ToolFilter,
}

/// Tools of one server, with their client-visible names.
#[derive(Debug)]
pub(crate) struct ToolList {
    pub(crate) server: Arc<str>,
    pub(crate) listed: Result<Vec<Value>, UpstreamError>,
    /// Defects of the tools, with their client-visible names.
    pub(crate) findings: Vec<(String, Finding)>,
    /// Answers of a server that cannot be listed, in parentheses.
    pub(crate) details: String,
}

impl ToolList {
    /// Formats the failure, if the server cannot be listed.
    pub(crate) fn failure(&self) -> Option<String> {
        let error = chain(self.listed.as_ref().err()?);
        Some(format!("{}: {error}{}", self.server, self.details))
    }
}

impl McpClient {
    /// Creates the servers of the gateway `name` of `config`, or of its default gateway.
    ///
    /// The variables `secrets` are removed from child environments.
    ///
    /// # Errors
    ///
    /// Fails if the gateway does not exist, or if the TLS configuration of the system is invalid.
    pub(crate) fn of_config(
        config: &DynamicSpec,
        secrets: &[String],
        name: Option<&str>,
    ) -> anyhow::Result<Self> {
        let gateway = match name {
            Some(name) => config
                .gateways
                .iter()
                .find(|gateway| *gateway.name == *name),
            None => config.gateways.get(config.default_gateway),
        };
        let gateway = gateway.ok_or_else(|| {
            let known: Vec<_> = config
                .gateways
                .iter()
                .map(|gateway| &*gateway.name)
                .collect();
            let name = name.unwrap_or_default();
            anyhow!("unknown gateway {name:?}; {}", suggestion(name, &known))
        })?;
        let factory = ServerFactory::new(builtins(), secrets.to_vec());
        let servers = gateway
            .servers
            .iter()
            .filter_map(|name| config.server(name));
        let entries: Result<Vec<_>, _> = servers
            .map(|server| ServerEntry::from_spec(server, &factory))
            .collect();
        Ok(Self::new(entries?, config.router(gateway)?))
    }

    /// Creates the server at `url`, with the bearer token `token`.
    ///
    /// # Errors
    ///
    /// Fails if the URL or the TLS configuration of the system is invalid.
    pub(crate) fn of_url(url: &str, token: Option<&str>) -> anyhow::Result<Self> {
        let endpoint = remote::endpoint(url).map_err(|error| anyhow!("{url:?}: {error}"))?;
        let mut remote = Remote::new(endpoint);
        if let Some(token) = token {
            let value = header_value(&format!("Bearer {token}"));
            let value = value.context("the token contains invalid characters")?;
            remote.headers.push((AUTHORIZATION, value));
        }
        // Errors contain this name, so use the authority of the URL.
        let name: Arc<str> = remote
            .url
            .authority()
            .map_or("server", Authority::as_str)
            .into();
        let definition = spec::ServerSpec::new(Arc::clone(&name), ServerRuntime::Remote(remote));
        let factory = ServerFactory::new(builtins(), Vec::new());
        let entry = ServerEntry::from_spec(&definition, &factory)?;
        Ok(Self::new(vec![entry], PrefixRouter::new([(name, "")])?))
    }

    fn new(entries: Vec<ServerEntry>, router: PrefixRouter) -> Self {
        // Without capabilities, servers do not request input.
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        Self {
            entries,
            router,
            caller: Arc::new(Caller::new(Principal::new("owner"), "command line", client)),
        }
    }

    /// Lists the tools of all servers.
    pub(crate) async fn tools(&self) -> Vec<ToolList> {
        let listing = self.entries.iter().map(async |entry| {
            let listed = self.listing(entry).await;
            ToolList {
                server: Arc::clone(entry.server.name()),
                details: listed
                    .as_ref()
                    .err()
                    .map_or_else(String::new, |error| entry.details(error)),
                findings: listed
                    .as_ref()
                    .map_or_else(|_| Vec::new(), |listing| self.findings(entry, listing)),
                listed: listed.map(|listing| self.exposed(entry, &listing)),
            }
        });
        join_all(listing).await
    }

    async fn listing(&self, entry: &ServerEntry) -> Result<Arc<Listing>, UpstreamError> {
        let request = request(&Method::ToolsList, Map::new());
        let call = self.prepared(entry, request, Feature::List(ListKind::Tools));
        entry.server.list(ListKind::Tools, call).await
    }

    /// Returns the offered tools of a server with their client-visible names.
    fn exposed(&self, entry: &ServerEntry, listing: &Listing) -> Vec<Value> {
        let tool = |tool: &mcp_gateway_core::catalog::CatalogEntry| {
            let name = self.router.expose_tool(entry.server.name(), tool.name())?;
            let mut description = tool.describe();
            description["name"] = name.into();
            Some(description)
        };
        let offered = listing.entries().iter();
        let offered = offered.filter(|tool| entry.filter.allows(tool.name()));
        offered.filter_map(tool).collect()
    }

    /// Returns the defects of the offered tools of a server with their client-visible names.
    fn findings(&self, entry: &ServerEntry, listing: &Listing) -> Vec<(String, Finding)> {
        let named = |finding: &Finding| {
            let name = self
                .router
                .expose_tool(entry.server.name(), &finding.name)?;
            Some((name.into(), finding.clone()))
        };
        let offered = listing.findings().iter();
        let offered = offered.filter(|finding| entry.filter.allows(&finding.name));
        offered.filter_map(named).collect()
    }

    /// Returns the definition of the tool with the client-visible `name`.
    ///
    /// # Errors
    ///
    /// Fails if the server is unreachable, or if the tool does not exist.
    pub(crate) async fn tool(&self, name: &str) -> anyhow::Result<Value> {
        let mut failed = Vec::new();
        let tools = match self.entry(name) {
            Some((entry, _)) => {
                let listing = self.listing(entry).await;
                let listing = listing.map_err(|error| entry.failed(error))?;
                self.exposed(entry, &listing)
            }
            None => {
                let all = self.tools().await;
                failed.extend(all.iter().filter_map(ToolList::failure));
                let listed = all.into_iter().filter_map(|tools| tools.listed.ok());
                listed.flatten().collect()
            }
        };
        let known: Vec<_> = tools
            .iter()
            .filter_map(|tool| tool["name"].as_str())
            .collect();
        match tools.iter().find(|tool| tool["name"] == name) {
            Some(tool) => Ok(tool.clone()),
            None => {
                let unknown = format!("unknown tool {name:?}; {}", suggestion(name, &known));
                let lines: Vec<_> = iter::once(unknown).chain(failed).collect();
                bail!(lines.join("\n"))
            }
        }
    }

    /// Calls the tool with the client-visible `name`, and returns the JSON text of the result.
    ///
    /// # Errors
    ///
    /// Fails if the server is unreachable or returns an error.
    pub(crate) async fn call(
        &self,
        name: &str,
        arguments: &Map<String, Value>,
        progress: impl FnMut(&Notification),
    ) -> anyhow::Result<String> {
        let (entry, known) = self
            .entry(name)
            .with_context(|| format!("unknown tool {name:?}"))?;
        let params = Map::from_iter([
            ("name".to_owned(), known.as_ref().into()),
            ("arguments".to_owned(), Value::Object(arguments.clone())),
        ]);
        let request = request(&Method::ToolsCall, params);
        let call = self.prepared(entry, request, Feature::Tool(known.into()));
        let answered = async { response(entry.server.send(call).await?, progress).await };
        let message = answered.await;
        let server = entry.server.name();
        let message = message.map_err(|error| entry.failed(error))?;
        let Message::Response(response) = message else {
            bail!("server {server:?} did not return a response");
        };
        match response.result() {
            Ok(result) => Ok(result.to_owned()),
            Err(error) => bail!("server {server:?} returned an error: {error}"),
        }
    }

    /// Resolves the name of an offered tool to its server and its upstream name.
    fn entry<'a>(&self, name: &'a str) -> Option<(&ServerEntry, Cow<'a, str>)> {
        let ResolvedName { server, name, .. } = self.router.resolve_tool(name)?;
        let mut entries = self.entries.iter();
        let entry = entries.find(|entry| *entry.server.name() == server)?;
        entry.filter.allows(&name).then_some((entry, name))
    }

    fn prepared(&self, entry: &ServerEntry, request: Request, feature: Feature) -> Call<Prepared> {
        let target = Target::new(Arc::clone(entry.server.name()), feature);
        let stage = Prepared::trusted(target, entry.credential.clone());
        Call::trusted(request, Arc::clone(&self.caller)).prepared(stage)
    }

    /// Closes the connections to all servers.
    pub(crate) async fn close(&self) {
        join_all(self.entries.iter().map(|entry| entry.server.close())).await;
    }
}

impl ServerEntry {
    fn from_spec(definition: &spec::ServerSpec, factory: &ServerFactory) -> std::io::Result<Self> {
        Ok(Self {
            server: factory.build(definition)?,
            credential: credential(&definition.transport).unwrap_or_else(Credential::none),
            filter: definition.tools.clone(),
        })
    }

    /// Adds the name of the server and its answers to `error`.
    fn failed(&self, error: UpstreamError) -> anyhow::Error {
        let (server, details) = (self.server.name(), self.details(&error));
        anyhow::Error::new(error).context(format!("server {server:?}{details}"))
    }

    /// Formats the answers of the server and the last output of its program, in parentheses.
    ///
    /// Returns an empty text if they add nothing to `error`.
    fn details(&self, error: &UpstreamError) -> String {
        let details = self.server.last_failure_details();
        let details = details.filter(|details| !details.contains(&chain(error)));
        details.map_or_else(String::new, |details| format!(" ({details})"))
    }
}

/// Builds a modern request that asks for progress notifications.
fn request(method: &Method, mut params: Map<String, Value>) -> Request {
    let context = json!({
        meta::PROTOCOL_VERSION: ProtocolVersion::LATEST.as_str(),
        meta::CLIENT_INFO: { "name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION") },
        meta::CLIENT_CAPABILITIES: {},
        meta::PROGRESS_TOKEN: "command line",
    });
    params.insert("_meta".to_owned(), context);
    Request::new(&Id::from(1), method, &Value::Object(params).to_string())
}

/// Returns the last message of `reply`, passing notifications to `progress`.
async fn response(
    reply: Reply,
    mut progress: impl FnMut(&Notification),
) -> Result<Message, UpstreamError> {
    match reply {
        Reply::Json { body, .. } => {
            let text = body.collect().await.map_err(UpstreamError::invalid)?;
            Ok(Message::parse(text.to_bytes())?)
        }
        Reply::Events(mut events) => {
            while let Some(event) = events.next().await {
                match event? {
                    ReplyEvent::Notification(notification) => progress(&notification),
                    ReplyEvent::Request(request) => {
                        let message = "The command line does not accept requests";
                        let error = ErrorObject::new(code::METHOD_NOT_FOUND, message);
                        request.reject(&error).await?;
                    }
                    ReplyEvent::Response(response) => return Ok(Message::Response(response)),
                }
            }
            Err(UpstreamError::Closed)
        }
    }
}
