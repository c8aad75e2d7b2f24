//! Instructions for coding agents.
//!
//! Each function describes the command of an agent that adds a server, the file in which the agent
//! keeps its servers, or both. Summaries name the page that documents the format.

use std::collections::BTreeMap;

use serde_json::json;

use super::GatewayEndpoint;
use super::snippets::{McpServers, PLACEHOLDER, Remote, paste_token, pretty, without_token};

/// Formats a reference that a shell must not expand.
fn bearer_reference(variable: &str) -> String {
    format!("Bearer ${{{variable}}}")
}

/// Returns the option for the header, quoted so that the client stores the reference.
///
/// Returns an empty text without a token.
fn header_option(endpoint: &GatewayEndpoint) -> String {
    let token = endpoint.token.as_deref();
    let option = |variable| format!(" --header 'Authorization: {}'", bearer_reference(variable));
    token.map(option).unwrap_or_default()
}

/// Formats `https://code.claude.com/docs/en/mcp`. Without a scope, the command adds the server to
/// the current folder alone.
pub(super) fn claude_code(endpoint: &GatewayEndpoint) -> String {
    let server = Remote {
        kind: Some("http"),
        ..Remote::new(endpoint, bearer_reference)
    };
    format!(
        "For the current user:\n\n{}\n\nFor a project, in .mcp.json:\n\n{}\n{}",
        claude_code_command(endpoint),
        pretty(&McpServers::of(&endpoint.name, server)),
        log_in(endpoint, &claude_code_login(endpoint)),
    )
}

/// Returns the command that adds the endpoint to Claude Code.
pub(super) fn claude_code_command(endpoint: &GatewayEndpoint) -> String {
    let GatewayEndpoint { name, url, .. } = endpoint;
    let header = header_option(endpoint);
    format!("claude mcp add --scope user --transport http {name} {url}{header}")
}

/// Returns the command with which Claude Code logs in.
pub(super) fn claude_code_login(endpoint: &GatewayEndpoint) -> String {
    format!("claude mcp login {}", endpoint.name)
}

/// Formats the login that is necessary without a token.
///
/// Returns an empty text with a token; `how` is the command.
fn log_in(endpoint: &GatewayEndpoint, how: &str) -> String {
    without_token(endpoint, &format!("To log in:\n\n{how}"))
}

/// Formats `https://docs.cline.bot/mcp`: the file does not support references.
pub(super) fn cline(endpoint: &GatewayEndpoint) -> String {
    let GatewayEndpoint { name, url, token } = endpoint;
    let transport = Remote {
        kind: Some("streamableHttp"),
        ..Remote::new(endpoint, |_| format!("Bearer {PLACEHOLDER}"))
    };
    let token = token.as_ref();
    let header = token.map(|variable| format!(" --header \"Authorization: Bearer ${variable}\""));
    let file = McpServers::of(name, json!({ "transport": transport }));
    format!(
        "cline mcp add {name} {url} --transport http --yes{}\n\n\
         Or in ~/.cline/data/settings/cline_mcp_settings.json{}:\n\n{}\n{}",
        header.unwrap_or_default(),
        paste_token(endpoint.token.as_deref()),
        pretty(&file),
        without_token(endpoint, "To log in, select the server in the client."),
    )
}

/// Formats `https://developers.openai.com/codex/mcp`. Without a token, the command begins the
/// login.
pub(super) fn codex(endpoint: &GatewayEndpoint) -> String {
    let GatewayEndpoint { name, url, token } = endpoint;
    let token = token.as_ref();
    let line = token.map(|variable| format!("bearer_token_env_var = {variable:?}\n"));
    format!(
        "{}\n\nOr in ~/.codex/config.toml:\n\n[mcp_servers.{name}]\nurl = {url:?}\n{}{}",
        codex_command(endpoint),
        line.unwrap_or_default(),
        log_in(endpoint, &format!("codex mcp login {name}")),
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

/// Formats `https://docs.continue.dev/customize/deep-dives/mcp`. Without a token, the client runs
/// mcp-remote for the login.
pub(super) fn continue_dev(endpoint: &GatewayEndpoint) -> String {
    let GatewayEndpoint { name, url, token } = endpoint;
    let token = token.as_ref();
    let line = token.map(|variable| format!("    apiKey: ${{{{ secrets.{variable} }}}}\n"));
    let place = match token {
        Some(variable) => format!(", with {variable} in ~/.continue/.env"),
        None => String::new(),
    };
    format!(
        "In ~/.continue/config.yaml{place}:\n\nmcpServers:\n  - name: {name}\n    \
         type: streamable-http\n    url: {url}\n{}",
        line.unwrap_or_default(),
    )
}

/// Formats `https://docs.github.com/copilot/how-tos/copilot-cli/customize-copilot/add-mcp-servers`.
/// Without a token, the client opens the login when it starts.
pub(super) fn copilot_cli(endpoint: &GatewayEndpoint) -> String {
    let GatewayEndpoint { name, url, .. } = endpoint;
    let server = Remote {
        kind: Some("http"),
        tools: Some(["*"]),
        ..Remote::new(endpoint, bearer_reference)
    };
    format!(
        "copilot mcp add --transport http {name} {url}{}\n\n\
         Or in ~/.copilot/mcp-config.json:\n\n{}\n{}",
        header_option(endpoint),
        pretty(&McpServers::of(name, server)),
        without_token(endpoint, "The client opens the login when it starts."),
    )
}

/// Formats `https://geminicli.com/docs/tools/mcp-server`. The client ignores all servers in folders
/// that are not trusted.
pub(super) fn gemini_cli(endpoint: &GatewayEndpoint) -> String {
    let GatewayEndpoint { name, url, .. } = endpoint;
    let server = Remote {
        kind: Some("http"),
        ..Remote::new(endpoint, bearer_reference)
    };
    format!(
        "gemini mcp add --scope user --transport http {name} {url}{}\n\n\
         Or in ~/.gemini/settings.json:\n\n{}\n\n\
         The client connects in trusted folders only.\n{}",
        header_option(endpoint),
        pretty(&McpServers::of(name, server)),
        log_in(endpoint, &format!("/mcp auth {name}")),
    )
}

/// Formats `https://opencode.ai/docs/mcp-servers`. With a token, `oauth` is off: otherwise the
/// client registers with the authorization server when the token is rejected.
pub(super) fn opencode(endpoint: &GatewayEndpoint) -> String {
    let name = &*endpoint.name;
    let server = Remote {
        kind: Some("remote"),
        oauth: endpoint.token.as_ref().map(|_| false),
        ..Remote::new(endpoint, |variable| format!("Bearer {{env:{variable}}}"))
    };
    let file = json!({ "mcp": BTreeMap::from([(name, server)]) });
    format!(
        "In ~/.config/opencode/opencode.json:\n\n{}\n{}",
        pretty(&file),
        log_in(endpoint, &format!("opencode mcp auth {name}")),
    )
}

/// Formats `https://qwenlm.github.io/qwen-code-docs/en/users/features/mcp`. The command `mcp add`
/// replaces the references of the file by their values.
pub(super) fn qwen_code(endpoint: &GatewayEndpoint) -> String {
    let server = Remote::new(endpoint, bearer_reference);
    let server = Remote {
        http_url: server.url,
        url: None,
        ..server
    };
    format!(
        "In ~/.qwen/settings.json:\n\n{}\n{}",
        pretty(&McpServers::of(&endpoint.name, server)),
        log_in(endpoint, &format!("/mcp auth {}", endpoint.name)),
    )
}
