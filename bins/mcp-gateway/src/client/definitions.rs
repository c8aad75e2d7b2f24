//! Definitions that servers present to models.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;
use futures_util::future::join_all;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Prepared;
use mcp_gateway_core::catalog::{Definition, DefinitionKind, ListKind};
use mcp_gateway_core::jsonrpc::Message;
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
use mcp_gateway_core::route::{Feature, PrefixRouter, Target};
use mcp_gateway_core::upstream::{DiscoverResult, Upstream as _, UpstreamError};
use mcp_gateway_core::{Call, Caller, ClientInfo};
use mcp_gateway_platform::servers::ServerFactory;
use mcp_gateway_platform::spec::ServerSpec;
use serde_json::Map;

use super::exchange::{request, response};
use super::{McpClient, ServerEntry};
use crate::builtins::builtins;

/// Definitions of one server.
#[derive(Debug)]
pub(crate) struct CurrentDefinitions {
    pub(crate) server: Arc<str>,
    /// The definitions, or the failure of the server.
    pub(crate) read: anyhow::Result<Vec<Definition>>,
    /// Names of those that differ between clients, or between runs of the server.
    pub(crate) unstable: Vec<String>,
}

impl McpClient {
    /// Creates a client of `servers`, without names of a gateway.
    ///
    /// # Errors
    ///
    /// Fails if the TLS configuration of the system is invalid.
    pub(crate) fn of_servers(
        servers: &[&ServerSpec],
        secrets: &[String],
        data: Option<std::path::PathBuf>,
    ) -> anyhow::Result<Self> {
        let factory = ServerFactory::new(builtins(), secrets.to_vec()).with_data_folder(data);
        let entries = servers.iter();
        let entries: Result<Vec<_>, _> = entries
            .map(|server| ServerEntry::from_spec(server, &factory))
            .collect();
        let router = PrefixRouter::new::<&str, &str>([])?;
        Ok(Self::new(entries?, router))
    }

    /// Returns the definitions of all servers.
    ///
    /// Each is asked twice, as by a client of each era, because some servers have further tools for
    /// clients with more capabilities.
    pub(crate) async fn definitions(&self) -> Vec<CurrentDefinitions> {
        let modern = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let capabilities = Capabilities::parse(ALL_CAPABILITIES).unwrap_or_default();
        let legacy = ClientInfo::new(ProtocolVersion::LATEST_LEGACY, capabilities);
        let callers = [modern, legacy].map(|client| {
            let owner = Principal::new("owner");
            Arc::new(Caller::new(owner, "command line", client))
        });
        join_all(self.entries.iter().map(|entry| entry.read(&callers))).await
    }
}

impl ServerEntry {
    async fn read(&self, callers: &[Arc<Caller>]) -> CurrentDefinitions {
        let mut found: BTreeMap<(DefinitionKind, String), Definition> = BTreeMap::new();
        let (mut unstable, mut failure) = (Vec::new(), None);
        for caller in callers {
            let definitions = match self.read_as(caller).await {
                Ok(definitions) => definitions,
                Err(error) => {
                    failure = failure.or(Some(error));
                    continue;
                }
            };
            for definition in definitions {
                let key = (definition.kind(), definition.name().to_owned());
                match found.get(&key) {
                    Some(other) if other.digest() == definition.digest() => {}
                    Some(_) => unstable.push(label(&definition)),
                    None => {
                        found.insert(key, definition);
                    }
                }
            }
        }
        CurrentDefinitions {
            server: Arc::clone(self.server.name()),
            read: match failure {
                Some(error) => Err(self.failed(error)),
                None => Ok(found.into_values().collect()),
            },
            unstable,
        }
    }

    /// Returns the definitions that `caller` receives.
    async fn read_as(&self, caller: &Arc<Caller>) -> Result<Vec<Definition>, UpstreamError> {
        let prepared = |method: &Method, feature| {
            let target = Target::new(Arc::clone(self.server.name()), feature);
            let stage = Prepared::trusted(target, self.credential.clone());
            Call::trusted(request(method, Map::new()), Arc::clone(caller)).prepared(stage)
        };
        let call = prepared(&Method::ServerDiscover, Feature::Discovery);
        let answer = response(self.server.send(call).await?, |_| {}).await?;
        let instructions = match &answer {
            Message::Response(answer) => {
                let result = answer.result().map_err(UpstreamError::invalid)?;
                DiscoverResult::from_discover(result)?.instructions
            }
            _ => None,
        };
        let mut definitions: Vec<_> = instructions
            .iter()
            .map(|text| Definition::of_instructions(text))
            .collect();
        for list in [ListKind::Prompts, ListKind::Tools] {
            let Some(kind) = DefinitionKind::of_list(list) else {
                continue;
            };
            let call = prepared(&list.method(), Feature::List(list));
            let listing = self.server.list(list, call).await?;
            let entries = listing.entries().iter();
            definitions.extend(entries.map(|entry| Definition::of_entry(kind, entry)));
        }
        Ok(definitions)
    }
}

impl CurrentDefinitions {
    /// Returns the definitions.
    ///
    /// # Errors
    ///
    /// Fails with the failure of the server.
    pub(crate) fn definitions(&self) -> anyhow::Result<&[Definition]> {
        let read = self.read.as_ref();
        let read = read.map_err(|error| anyhow!("{}: {error:#}", self.server))?;
        Ok(read)
    }
}

/// Returns the name by which the command line refers to a definition of its server.
pub(crate) fn label(definition: &Definition) -> String {
    match definition.name() {
        "" => definition.kind().to_string(),
        name => name.to_owned(),
    }
}

/// Capabilities of a client that can do everything.
const ALL_CAPABILITIES: &str = r#"{"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true},"sampling":{"context":{},"tools":{}}}"#;
