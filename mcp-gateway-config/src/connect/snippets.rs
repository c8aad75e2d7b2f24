//! Instructions for each client.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::GatewayEndpoint;

/// Formats `https://code.claude.com/docs/en/mcp`: project files refer to the environment, the
/// command stores the token.
pub(super) fn claude_code(endpoint: &GatewayEndpoint) -> String {
    let server = Remote {
        kind: Some("http"),
        ..Remote::new(endpoint, |variable| format!("Bearer ${{{variable}}}"))
    };
    format!(
        "For the current user:\n\n\
         {}\n\n\
         For a project, in .mcp.json:\n\n{}\n",
        claude_code_command(endpoint),
        pretty(&McpServers::of(&endpoint.name, server)),
    )
}

/// Returns the command that adds the endpoint to Claude Code.
pub(super) fn claude_code_command(endpoint: &GatewayEndpoint) -> String {
    let GatewayEndpoint { name, url, token } = endpoint;
    let token = token.as_ref();
    let header = token.map(|variable| format!(" --header \"Authorization: Bearer ${variable}\""));
    let header = header.unwrap_or_default();
    format!("claude mcp add --transport http {name} {url}{header}")
}

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
        program.env = Some(BTreeMap::from([(&**variable, PLACEHOLDER)]));
    }
    format!(
        "In Settings > Developer > Edit Config (requires mcp-bridge){}:\n\n{}\n",
        paste_token(token.as_deref()),
        pretty(&McpServers::of(name, program)),
    )
}

/// Formats `https://developers.openai.com/codex/mcp`.
pub(super) fn codex(endpoint: &GatewayEndpoint) -> String {
    let GatewayEndpoint { name, url, token } = endpoint;
    let token = token.as_ref();
    let line = token.map(|variable| format!("bearer_token_env_var = {variable:?}\n"));
    format!(
        "{}\n\nOr in ~/.codex/config.toml:\n\n[mcp_servers.{name}]\nurl = {url:?}\n{}",
        codex_command(endpoint),
        line.unwrap_or_default(),
    )
}

/// Returns the command that adds the endpoint to Codex.
pub(super) fn codex_command(endpoint: &GatewayEndpoint) -> String {
    let GatewayEndpoint { name, url, token } = endpoint;
    let token = token.as_ref();
    let option = token.map(|variable| format!(" --bearer-token-env-var {variable}"));
    let option = option.unwrap_or_default();
    format!("codex mcp add {name} --url {url}{option}")
}

/// Formats `https://docs.github.com/copilot/how-tos/copilot-cli/customize-copilot/add-mcp-servers`.
pub(super) fn copilot_cli(endpoint: &GatewayEndpoint) -> String {
    let server = Remote {
        kind: Some("http"),
        tools: Some(["*"]),
        ..Remote::new(endpoint, |_| format!("Bearer {PLACEHOLDER}"))
    };
    format!(
        "In ~/.copilot/mcp-config.json{}:\n\n{}\n",
        paste_token(endpoint.token.as_deref()),
        pretty(&McpServers::of(&endpoint.name, server)),
    )
}

/// Formats `https://cursor.com/docs/mcp`.
pub(super) fn cursor(endpoint: &GatewayEndpoint) -> String {
    let server = Remote::new(endpoint, |variable| format!("Bearer ${{env:{variable}}}"));
    format!(
        "In ~/.cursor/mcp.json, or .cursor/mcp.json of a project:\n\n{}\n",
        pretty(&McpServers::of(&endpoint.name, server)),
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
         Configuration\"{ask}:\n\n{}\n",
        pretty(&file),
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
            None => "Auth: None".to_owned(),
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
            None => "Authentication: None".to_owned(),
        },
        "Tools to Include: All".to_owned(),
    ])
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
struct McpServers<'a, S> {
    mcp_servers: BTreeMap<&'a str, S>,
}

impl<'a, S> McpServers<'a, S> {
    fn of(name: &'a str, server: S) -> Self {
        Self {
            mcp_servers: BTreeMap::from([(name, server)]),
        }
    }
}

/// File format of VS Code.
#[derive(Serialize)]
struct Editor<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    inputs: Option<[Input; 1]>,
    servers: BTreeMap<&'a str, Remote<'a>>,
}

/// Prompt of VS Code.
#[derive(Serialize)]
struct Input {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    description: &'static str,
    password: bool,
}

/// HTTP server.
#[derive(Serialize)]
struct Remote<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<&'static str, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[&'static str; 1]>,
}

impl<'a> Remote<'a> {
    /// Creates an entry whose header is formatted by `authorization` from the variable name.
    fn new(endpoint: &'a GatewayEndpoint, authorization: impl Fn(&str) -> String) -> Self {
        let token = endpoint.token.as_deref();
        let headers = token.map(|variable| [("Authorization", authorization(variable))]);
        Self {
            kind: None,
            url: &endpoint.url,
            headers: headers.map(BTreeMap::from),
            tools: None,
        }
    }
}

/// Stdio server.
#[derive(Serialize)]
struct Program<'a> {
    command: &'static str,
    args: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<BTreeMap<&'a str, &'static str>>,
}

/// Formats indented JSON.
fn pretty(value: &impl Serialize) -> String {
    // Serialization of maps with string keys does not fail.
    serde_json::to_string_pretty(value).unwrap_or_default()
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
fn paste_token(variable: Option<&str>) -> String {
    match variable {
        Some(variable) => {
            format!(", with the token (the value of {variable}) instead of {PLACEHOLDER}")
        }
        None => String::new(),
    }
}

/// Placeholder of the token for clients without references to the environment.
const PLACEHOLDER: &str = "YOUR-TOKEN";
