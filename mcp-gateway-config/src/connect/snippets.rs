//! Instructions for editors, applications and plain HTTP, and the formats of files.
//!
//! Entries are serialized from types with the keys of the clients, so that names and URLs are
//! escaped.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::GatewayEndpoint;

/// Formats `https://modelcontextprotocol.io/docs/develop/connect-local-servers`: the file supports
/// only child processes, such as the bridge.
pub(super) fn claude_desktop(endpoint: &GatewayEndpoint) -> String {
    let GatewayEndpoint { name, url, token } = endpoint;
    let mut program = Program {
        command: "mcp-bridge",
        args: vec!["http", url],
        env: None,
    };
    if let Some(variable) = token {
        program.args.extend(["--token-env", variable]);
        program.env = Some(BTreeMap::from([(&**variable, PLACEHOLDER.to_owned())]));
    }
    format!(
        "In Settings > Developer > Edit Config (requires mcp-bridge){}:\n\n{}\n",
        paste_token(token.as_deref()),
        pretty(&McpServers::of(name, program)),
    )
}

/// Formats `https://cursor.com/docs/mcp`.
pub(super) fn cursor(endpoint: &GatewayEndpoint) -> String {
    let server = Remote::new(endpoint, |variable| format!("Bearer ${{env:{variable}}}"));
    format!(
        "In ~/.cursor/mcp.json, or .cursor/mcp.json of a project:\n\n{}\n{}",
        pretty(&McpServers::of(&endpoint.name, server)),
        without_token(endpoint, "To log in, select the server in Settings > MCP."),
    )
}

/// Formats `https://code.visualstudio.com/docs/copilot/reference/mcp-configuration`: the editor
/// prompts for the token once, and stores it encrypted.
pub(super) fn vscode(endpoint: &GatewayEndpoint) -> String {
    let id = format!("{}-token", endpoint.name);
    let server = Remote {
        kind: Some("http"),
        ..Remote::new(endpoint, |_| format!("Bearer ${{input:{id}}}"))
    };
    let input = endpoint.token.is_some().then_some(Input {
        kind: "promptString",
        id,
        description: "Token of the gateway",
        password: true,
    });
    let ask = match &input {
        Some(_) => "; the editor prompts for the token",
        None => "",
    };
    let file = Editor {
        inputs: input.map(|input| [input]),
        servers: BTreeMap::from([(&*endpoint.name, server)]),
    };
    format!(
        "In .vscode/mcp.json of a project, or with the command \"MCP: Open User \
         Configuration\"{ask}:\n\n{}\n{}",
        pretty(&file),
        without_token(
            endpoint,
            "The editor opens the login when it starts the server."
        ),
    )
}

/// Formats `https://docs.openwebui.com/features/mcp`.
pub(super) fn open_webui(endpoint: &GatewayEndpoint) -> String {
    steps(&[
        "Open Admin Settings > External Tools and add a server".to_owned(),
        "Type: MCP (Streamable HTTP)".to_owned(),
        format!("URL: {}", endpoint.url),
        match &endpoint.token {
            Some(variable) => format!("Auth: Bearer, with the token (the value of {variable})"),
            None => "Auth: OAuth 2.1, or None for a gateway that is open to everyone".to_owned(),
        },
        format!("ID and name: {}", endpoint.name),
    ])
}

/// Formats
/// `https://docs.n8n.io/integrations/builtin/cluster-nodes/sub-nodes/n8n-nodes-langchain.toolmcp`.
pub(super) fn n8n(endpoint: &GatewayEndpoint) -> String {
    steps(&[
        "Add the node MCP Client Tool to an agent".to_owned(),
        format!("Endpoint: {}", endpoint.url),
        "Server Transport: HTTP Streamable".to_owned(),
        match &endpoint.token {
            Some(variable) => format!(
                "Authentication: Bearer Auth, with a credential that contains the token (the value \
                 of {variable})"
            ),
            None => "Authentication: MCP OAuth2, or None for a gateway that is open to everyone"
                .to_owned(),
        },
        "Tools to Include: All".to_owned(),
    ])
}

/// Formats `https://support.claude.com/en/articles/11175166`, and the connectors of ChatGPT: these
/// clients log in, and call from the servers and the web pages of their providers.
pub(super) fn web(endpoint: &GatewayEndpoint) -> String {
    let add = steps(&[
        "claude.ai: open Settings > Connectors, and add a custom connector".to_owned(),
        "ChatGPT: open Settings > Apps & Connectors, enable the developer mode, and create a \
         connector with the authentication OAuth"
            .to_owned(),
        format!("URL: {}", endpoint.url),
        "Log in, without the token".to_owned(),
    ]);
    format!(
        "{add}\nThe URL must be public. In the configuration of the gateway:\n\n\
         publicUrl: {}\norigins: [claude, chatgpt]\n",
        endpoint.public_url()
    )
}

/// Formats a request of protocol version 2026-07-28, which requires no session.
pub(super) fn http(endpoint: &GatewayEndpoint) -> String {
    let authorization = endpoint
        .token
        .as_ref()
        .map(|variable| format!("\n  -H \"Authorization: Bearer ${variable}\" \\"));
    let context = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "curl", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let request = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/list",
        "params": { "_meta": context },
    });
    format!(
        "curl -sS {} \\{}\n  \
         -H 'Content-Type: application/json' \\\n  \
         -H 'Accept: application/json, text/event-stream' \\\n  \
         -H 'MCP-Protocol-Version: 2026-07-28' \\\n  \
         -H 'Mcp-Method: tools/list' \\\n  \
         -d '{request}'\n",
        endpoint.url,
        authorization.unwrap_or_default(),
    )
}

/// File format of most clients.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct McpServers<'a, S> {
    /// Entries by name.
    mcp_servers: BTreeMap<&'a str, S>,
}

impl<'a, S> McpServers<'a, S> {
    /// Creates a file with one server.
    pub(super) fn of(name: &'a str, server: S) -> Self {
        Self {
            mcp_servers: BTreeMap::from([(name, server)]),
        }
    }
}

/// File format of VS Code.
#[derive(Serialize)]
struct Editor<'a> {
    /// Prompt for the token, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<[Input; 1]>,
    /// Entries by name.
    servers: BTreeMap<&'a str, Remote<'a>>,
}

/// Prompt of VS Code.
#[derive(Serialize)]
struct Input {
    #[serde(rename = "type")]
    kind: &'static str,
    /// Identifier in references `${input:ID}`.
    id: String,
    description: &'static str,
    /// Set to hide what the user enters.
    password: bool,
}

/// HTTP server.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Remote<'a> {
    /// Transport in the words of the client; `None` where the file does not name it.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    /// URL of the gateway, except in Qwen Code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<&'a str>,
    /// The URL in Qwen Code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) http_url: Option<&'a str>,
    /// Request headers: `Authorization`, if there is a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<BTreeMap<&'static str, String>>,
    /// Tools to show, in Copilot CLI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tools: Option<[&'static str; 1]>,
    /// Login, in opencode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) oauth: Option<bool>,
}

impl<'a> Remote<'a> {
    /// Creates an entry whose header is formatted by `authorization` from the variable name.
    pub(super) fn new(
        endpoint: &'a GatewayEndpoint,
        authorization: impl Fn(&str) -> String,
    ) -> Self {
        let token = endpoint.token.as_deref();
        let headers = token.map(|variable| [("Authorization", authorization(variable))]);
        Self {
            url: Some(&endpoint.url),
            headers: headers.map(BTreeMap::from),
            ..Self::default()
        }
    }
}

/// Stdio server.
#[derive(Serialize)]
pub(super) struct Program<'a> {
    /// Name of a program on the search path.
    pub(super) command: &'static str,
    /// Arguments, with the URL of the gateway.
    pub(super) args: Vec<&'a str>,
    /// Variables with the placeholder of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) env: Option<BTreeMap<&'a str, String>>,
}

/// Formats indented JSON.
pub(super) fn pretty(value: &impl Serialize) -> String {
    // Serialization of maps with string keys does not fail.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Formats a sentence about the login, for an endpoint without a token.
///
/// Returns an empty text with a token.
pub(super) fn without_token(endpoint: &GatewayEndpoint, sentence: &str) -> String {
    match endpoint.token {
        Some(_) => String::new(),
        None => format!("\n{sentence}\n"),
    }
}

/// Formats a numbered list.
fn steps(steps: &[String]) -> String {
    let steps = steps.iter().enumerate();
    let lines: Vec<_> = steps
        .map(|(at, step)| format!("{}. {step}\n", at + 1))
        .collect();
    lines.concat()
}

/// Returns the instruction to replace the placeholder, if the endpoint has a token.
pub(super) fn paste_token(variable: Option<&str>) -> String {
    match variable {
        Some(variable) => {
            format!(", with the token (the value of {variable}) instead of {PLACEHOLDER}")
        }
        None => String::new(),
    }
}

/// Placeholder of the token for clients without references to the environment.
pub(super) const PLACEHOLDER: &str = "YOUR-TOKEN";
