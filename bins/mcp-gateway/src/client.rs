//! MCP client of the command line.

pub(crate) mod definitions;
mod exchange;
mod no_cluster;

use std::borrow::Cow;
use std::iter;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::uri::Authority;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Prepared;
use mcp_gateway_core::catalog::lint::Finding;
use mcp_gateway_core::catalog::{ListKind, Listing};
use mcp_gateway_core::jsonrpc::{Message, Notification, Request};
use mcp_gateway_core::layer::forward::Forward;
use mcp_gateway_core::limit::Limits;
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
use mcp_gateway_core::results::KeptResults;
use mcp_gateway_core::route::{
    Feature, ListedTool, PrefixRouter, ResolvedName, Target, ToolCollision, ToolRouter,
};
use mcp_gateway_core::upstream::{
    PooledServer, ServerPool, Upstream, UpstreamError, UpstreamServer,
};
use mcp_gateway_core::{Call, Caller, ClientInfo, Credential, Error};
use serde_json::{Map, Value};
use tower::ServiceExt as _;

use self::exchange::{error_message, request, response};
use crate::output::chain;
use mcp_gateway_config::document::suggestion;
use mcp_gateway_config::file::{header_value, remote};
use mcp_gateway_platform::servers::{ServerFactory, credential};
use mcp_gateway_platform::spec::{self, DynamicSpec, Remote, ServerRuntime};

/// Servers that the command line calls.
#[derive(Debug)]
pub(crate) struct McpClient {
    entries: Vec<ServerEntry>,
    /// Sends calls with the limits and the result budgets of their servers.
    forward: Forward,
    router: PrefixRouter,
    caller: Arc<Caller>,
}

#[derive(Debug)]
struct ServerEntry {
    definition: spec::ServerSpec,
    server: Arc<UpstreamServer>,
    credential: Credential,
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
    /// Names in the filter, the aliases and the result budgets of the server that no tool has.
    pub(crate) unknown: Vec<Arc<str>>,
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
    /// The variables `secrets` are removed from child environments. Programs keep state in the
    /// folder `data`, or nothing without it.
    ///
    /// # Errors
    ///
    /// Fails if the gateway does not exist, or if the TLS configuration of the system is invalid.
    pub(crate) fn of_config(
        config: &DynamicSpec,
        secrets: &[String],
        name: Option<&str>,
        data: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        let gateway = match name {
            Some(name) => config
                .gateways
                .iter()
                .find(|gateway| *gateway.name == *name),
            None => config.gateways.get(config.default_gateway),
        };
        let gateway = gateway.ok_or_else(|| {
            let known = config.gateways.iter().map(|gateway| &*gateway.name);
            let known: Vec<_> = known.collect();
            let name = name.unwrap_or_default();
            anyhow!("unknown gateway {name:?}; {}", suggestion(name, &known))
        })?;
        let factory = no_cluster::factory(secrets.to_vec()).with_data_folder(data);
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
        let mut definition =
            spec::ServerSpec::new(Arc::clone(&name), ServerRuntime::Remote(remote));
        // Those of the gateway apply.
        definition.limits.calls = Limits::default()
            .with_timeout(Duration::MAX)
            .with_max_duration(Duration::MAX);
        let factory = no_cluster::factory(Vec::new());
        let entry = ServerEntry::from_spec(&definition, &factory)?;
        Ok(Self::new(vec![entry], PrefixRouter::new([(name, "")])?))
    }

    fn new(entries: Vec<ServerEntry>, router: PrefixRouter) -> Self {
        // Without capabilities, servers do not request input.
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let (pool, kept) = (ServerPool::new(), KeptResults::default());
        for entry in &entries {
            let spec::ServerSpec {
                limits, results, ..
            } = &entry.definition;
            let server = PooledServer::new(Arc::clone(&entry.server) as _, limits.calls.clone())
                .with_results(results.clone(), kept.clone());
            pool.insert(Arc::clone(entry.server.name()), server);
        }
        Self {
            entries,
            forward: Forward::new(pool),
            router,
            caller: Arc::new(Caller::new(Principal::new("owner"), "command line", client)),
        }
    }

    /// Lists the tools of all servers, as the gateway offers them.
    pub(crate) async fn tools(&self) -> Vec<ToolList> {
        self.list_all(&self.entries.iter().collect::<Vec<_>>())
            .await
    }

    /// Lists the tools of `entries`.
    async fn list_all(&self, entries: &[&ServerEntry]) -> Vec<ToolList> {
        let listings = join_all(entries.iter().map(|entry| self.listing(entry))).await;
        // The names of tools may depend on those of other servers.
        for (entry, listing) in entries.iter().zip(&listings) {
            if let Ok(listing) = listing {
                self.record(entry, listing);
            }
        }
        let listings = entries.iter().zip(listings);
        listings
            .map(|(entry, listing)| self.tool_list(entry, listing))
            .collect()
    }

    /// Records the tools of a server.
    fn record(&self, entry: &ServerEntry, listing: &Listing) {
        let filter = &entry.definition.tools;
        let tools = listing.entries().iter();
        let mut tools = tools.map(|tool| ListedTool::new(tool.name(), filter.allows(tool.name())));
        let server = entry.server.name();
        self.router.record_tools(server, &mut tools, true);
    }

    /// Returns the offered tools of a server, or its failure.
    fn tool_list(
        &self,
        entry: &ServerEntry,
        listing: Result<Arc<Listing>, UpstreamError>,
    ) -> ToolList {
        let (mut details, mut unknown, mut findings) = (String::new(), Vec::new(), Vec::new());
        match &listing {
            Ok(listing) => {
                let names = listing.entries().iter().map(|tool| &**tool.name());
                unknown = entry.definition.unknown_tools(&names.collect::<Vec<_>>());
                findings = self.findings(entry, listing);
            }
            Err(error) => details = entry.details(error),
        }
        ToolList {
            server: Arc::clone(entry.server.name()),
            details,
            findings,
            unknown,
            listed: listing.map(|listing| self.exposed(entry, &listing)),
        }
    }

    /// Returns the listed tools that are not offered, because their names collide.
    pub(crate) fn hidden(&self) -> Vec<ToolCollision> {
        let mut collisions = self.router.tool_collisions();
        collisions.retain(ToolCollision::is_hidden);
        collisions
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
        let offered = offered.filter(|tool| entry.definition.tools.allows(tool.name()));
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
        let offered = offered.filter(|finding| entry.definition.tools.allows(&finding.name));
        offered.filter_map(named).collect()
    }

    /// Returns the definition of the tool with the client-visible `name`, or the reason why it is not
    /// listed.
    ///
    /// # Errors
    ///
    /// Fails if the server is unreachable.
    pub(crate) async fn tool(&self, name: &str) -> anyhow::Result<Result<Value, String>> {
        let mut failed = Vec::new();
        let tools = match &*self.owners(name) {
            [entry] => {
                let listing = self.listing(entry).await;
                let listing = listing.map_err(|error| entry.failed(error))?;
                self.record(entry, &listing);
                self.exposed(entry, &listing)
            }
            _ => {
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
        let tool = tools.iter().find(|tool| tool["name"] == name);
        Ok(tool.cloned().ok_or_else(|| {
            let unknown = format!("unknown tool {name:?}; {}", suggestion(name, &known));
            let lines: Vec<_> = iter::once(unknown).chain(failed).collect();
            lines.join("\n")
        }))
    }

    /// Calls the tool with the client-visible `name`, and returns the JSON text of the result. The
    /// `state` is that of the result before, if the call is sent again.
    ///
    /// # Errors
    ///
    /// Fails if the server is unreachable or returns an error.
    pub(crate) async fn call(
        &self,
        name: &str,
        arguments: &Map<String, Value>,
        state: Option<Value>,
        progress: impl FnMut(&Notification),
    ) -> anyhow::Result<String> {
        let (entry, known) = self
            .entry(name)
            .with_context(|| format!("unknown tool {name:?}"))?;
        let params = [
            ("name".to_owned(), known.as_ref().into()),
            ("arguments".to_owned(), Value::Object(arguments.clone())),
        ];
        let state = state.map(|state| ("requestState".to_owned(), state));
        let params = params.into_iter().chain(state).collect();
        let request = request(&Method::ToolsCall, params);
        let call = self.prepared(entry, request, Feature::Tool(known.into()));
        let reply = self.forward.clone().oneshot(call).await;
        let reply = reply.map_err(|error| match error {
            Error::Upstream { source, .. } => entry.failed(source),
            error => error.into(),
        })?;
        let server = entry.server.name();
        let message = response(reply, progress).await;
        let message = message.map_err(|error| entry.failed(error))?;
        let Message::Response(response) = message else {
            bail!("server {server:?} did not return a response");
        };
        let result = response.result().map(str::to_owned);
        result.map_err(|error| {
            let message = error_message(error);
            anyhow!("server {server:?} returned an error: {message}")
        })
    }

    /// Returns the servers that may have the tool with the client-visible `name`.
    fn owners(&self, name: &str) -> Vec<&ServerEntry> {
        let servers = match self.router.resolve_tool(name) {
            Some(resolved) => vec![resolved.server],
            None => self.router.pending_servers(name),
        };
        let entries = self.entries.iter();
        entries
            .filter(|entry| servers.contains(entry.server.name()))
            .collect()
    }

    /// Resolves the name of a listed tool to its server and its upstream name.
    fn entry<'a>(&self, name: &'a str) -> Option<(&ServerEntry, Cow<'a, str>)> {
        let ResolvedName { server, name, .. } = self.router.resolve_tool(name)?;
        let mut entries = self.entries.iter();
        Some((entries.find(|entry| *entry.server.name() == server)?, name))
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
            definition: definition.clone(),
            server: factory.build(definition)?,
            credential: credential(&definition.transport).unwrap_or_else(Credential::none),
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
        if self.definition.is_connected_by_callers() {
            return format!(" ({ACCOUNT_ADVICE})");
        }
        let details = self.server.last_failure_details();
        let details = details.filter(|details| !details.contains(&chain(error)));
        details.map_or_else(String::new, |details| format!(" ({details})"))
    }
}
/// Advice for a server that is called with the accounts of callers, which the command line is not.
const ACCOUNT_ADVICE: &str = "it is called with an account of each user: run `mcp-gateway serve` \
                              with this configuration, connect an account at its /connect, and use \
                              --url instead of the configuration";
