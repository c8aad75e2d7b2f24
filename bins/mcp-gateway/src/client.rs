//! Servers that are called from the command line.

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use http::header::AUTHORIZATION;
use http::uri::Authority;
use http_body_util::BodyExt as _;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Prepared;
use mcp_gateway_core::catalog::Listing;
use mcp_gateway_core::jsonrpc::{ErrorObject, Id, Message, Notification, Request, code};
use mcp_gateway_core::protocol::{Capabilities, Method, Version, meta};
use mcp_gateway_core::reply::Event;
use mcp_gateway_core::route::{Feature, PrefixRouter, Resolved, Target, ToolRouter};
use mcp_gateway_core::upstream::{Server, Upstream, UpstreamError};
use mcp_gateway_core::{Call, Caller, Client, Credential, Reply};
use serde_json::{Map, Value, json};

use crate::config::{self, Config, Remote, Transport, header_value, remote};
use crate::credentials;
use crate::document::instead;
use crate::fleet::{self, Host, Web};

/// Servers that are called from the command line.
#[derive(Debug)]
pub(crate) struct Servers {
    entries: Vec<Entry>,
    router: PrefixRouter,
    caller: Arc<Caller>,
}

#[derive(Debug)]
struct Entry {
    server: Arc<Server>,
    credential: Credential,
}

/// The tools of one server, by the names that clients know.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) server: Arc<str>,
    pub(crate) listed: Result<Vec<Value>, UpstreamError>,
}

impl Servers {
    /// The servers of the gateway `name` of `config`, or of its default one. Programs do not get
    /// to know the variables `secrets`.
    ///
    /// # Errors
    ///
    /// When there is no such gateway, or the system lacks something that is needed.
    pub(crate) fn of_config(
        config: &Config,
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
            anyhow!("there is no gateway {name:?}; {}", instead(name, &known))
        })?;
        let host = Host {
            secrets,
            web: &Web::default(),
            parking: None,
        };
        let servers = gateway
            .servers
            .iter()
            .filter_map(|name| config.server(name));
        let entries: Result<Vec<_>, _> = servers.map(|server| Entry::of(server, host)).collect();
        Ok(Self::new(entries?, config.router(gateway)?))
    }

    /// The server at `url`, to which `token` is presented.
    ///
    /// # Errors
    ///
    /// When that is no URL, or the system lacks something that is needed.
    pub(crate) fn of_url(url: &str, token: Option<&str>) -> anyhow::Result<Self> {
        let endpoint = remote::endpoint(url).map_err(|error| anyhow!("{url:?}: {error}"))?;
        let mut remote = Remote::new(endpoint);
        if let Some(token) = token {
            let value = header_value(&format!("Bearer {token}"));
            let value = value.context("the token cannot be sent")?;
            remote.headers.push((AUTHORIZATION, value));
        }
        // Errors name the server by what the user knows of it.
        let name: Arc<str> = remote
            .url
            .authority()
            .map_or("server", Authority::as_str)
            .into();
        let definition = config::Server::new(Arc::clone(&name), Transport::Remote(remote));
        let host = Host {
            secrets: &[],
            web: &Web::default(),
            parking: None,
        };
        let entry = Entry::of(&definition, host)?;
        Ok(Self::new(vec![entry], PrefixRouter::new([(name, "")])?))
    }

    fn new(entries: Vec<Entry>, router: PrefixRouter) -> Self {
        // It declares no capabilities, so that it is asked nothing.
        let client = Client::new(Version::LATEST, Capabilities::default());
        Self {
            entries,
            router,
            caller: Arc::new(Caller::new(Principal::new("owner"), "command line", client)),
        }
    }

    /// The tools of all servers.
    pub(crate) async fn tools(&self) -> Vec<Tools> {
        let listing = self.entries.iter().map(async |entry| Tools {
            server: Arc::clone(entry.server.name()),
            listed: match self.listing(entry).await {
                Ok(listing) => Ok(self.exposed(entry, &listing)),
                Err(error) => Err(error),
            },
        });
        join_all(listing).await
    }

    async fn listing(&self, entry: &Entry) -> Result<Arc<Listing>, UpstreamError> {
        let request = request(&Method::ToolsList, Map::new());
        match entry
            .server
            .send(self.prepared(entry, request, Feature::Server))
            .await?
        {
            Reply::Listing(listing) => Ok(listing),
            Reply::Events(_) | Reply::Json { .. } => Err(UpstreamError::invalid("it has no list")),
        }
    }

    /// The tools of a server, with the names that clients know.
    fn exposed(&self, entry: &Entry, listing: &Listing) -> Vec<Value> {
        let tool = |tool: &mcp_gateway_core::catalog::Entry| {
            let name = self.router.expose(entry.server.name(), tool.name())?;
            let mut description = tool.describe();
            description["name"] = name.into();
            Some(description)
        };
        listing.entries().iter().filter_map(tool).collect()
    }

    /// What the tool is that clients know as `name`.
    ///
    /// # Errors
    ///
    /// When its server cannot be reached, or no server has it.
    pub(crate) async fn tool(&self, name: &str) -> anyhow::Result<Value> {
        let tools = match self.entry(name) {
            Some((entry, _)) => {
                let server = entry.server.name();
                let listing = self.listing(entry).await;
                let listing = listing.with_context(|| format!("server {server:?}"))?;
                self.exposed(entry, &listing)
            }
            None => {
                let all = self.tools().await;
                all.into_iter()
                    .flat_map(|tools| tools.listed.unwrap_or_default())
                    .collect()
            }
        };
        let known: Vec<_> = tools
            .iter()
            .filter_map(|tool| tool["name"].as_str())
            .collect();
        match tools.iter().find(|tool| tool["name"] == name) {
            Some(tool) => Ok(tool.clone()),
            None => bail!("there is no tool {name:?}; {}", instead(name, &known)),
        }
    }

    /// Calls the tool that clients know as `name`; returns the JSON text of the result.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, or answers with an error.
    pub(crate) async fn call(
        &self,
        name: &str,
        arguments: &Map<String, Value>,
        progress: impl FnMut(&Notification),
    ) -> anyhow::Result<String> {
        let (entry, known) = self
            .entry(name)
            .with_context(|| format!("no tool {name:?}"))?;
        let params = Map::from_iter([
            ("name".to_owned(), known.into()),
            ("arguments".to_owned(), Value::Object(arguments.clone())),
        ]);
        let request = request(&Method::ToolsCall, params);
        let call = self.prepared(entry, request, Feature::Tool(known.into()));
        let answered = async { response(entry.server.send(call).await?, progress).await };
        let message = answered.await;
        let server = entry.server.name();
        let message = message.with_context(|| format!("server {server:?}"))?;
        let Message::Response(response) = message else {
            bail!("server {server:?} answers with something else than a response");
        };
        match response.result() {
            Ok(result) => Ok(result.to_owned()),
            Err(error) => bail!("server {server:?} answers with an error: {error}"),
        }
    }

    /// The server that has the tool, and the name that the server knows.
    fn entry<'a>(&self, name: &'a str) -> Option<(&Entry, &'a str)> {
        let Resolved { server, name, .. } = self.router.resolve(name)?;
        let mut entries = self.entries.iter();
        Some((entries.find(|entry| *entry.server.name() == server)?, name))
    }

    fn prepared(&self, entry: &Entry, request: Request, feature: Feature) -> Call<Prepared> {
        let target = Target::new(Arc::clone(entry.server.name()), feature);
        let stage = Prepared::vouched_for(target, entry.credential.clone());
        Call::vouched_for(request, Arc::clone(&self.caller)).prepared(stage)
    }

    /// Ends what goes on with the servers.
    pub(crate) async fn close(&self) {
        join_all(self.entries.iter().map(|entry| entry.server.close())).await;
    }
}

impl Entry {
    fn of(definition: &config::Server, host: Host<'_>) -> std::io::Result<Self> {
        Ok(Self {
            server: fleet::server(definition, host)?,
            credential: credentials::of(&definition.transport).unwrap_or_else(Credential::none),
        })
    }
}

/// A request that carries its context, and wants to hear of progress.
fn request(method: &Method, mut params: Map<String, Value>) -> Request {
    let context = json!({
        meta::PROTOCOL_VERSION: Version::LATEST.as_str(),
        meta::CLIENT_INFO: { "name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION") },
        meta::CLIENT_CAPABILITIES: {},
        meta::PROGRESS_TOKEN: "command line",
    });
    params.insert("_meta".to_owned(), context);
    Request::new(&Id::from(1), method, &Value::Object(params).to_string())
}

/// The message in which `reply` ends.
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
                    Event::Notification(notification) => progress(&notification),
                    Event::Request(request) => {
                        let message = "The command line cannot be asked";
                        let error = ErrorObject::new(code::METHOD_NOT_FOUND, message);
                        request.refuse(&error).await?;
                    }
                    Event::Response(response) => return Ok(Message::Response(response)),
                }
            }
            Err(UpstreamError::Closed)
        }
        Reply::Listing(_) => Err(UpstreamError::invalid("a list is not a response")),
    }
}
