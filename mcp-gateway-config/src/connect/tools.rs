//! Instructions for tools of developers.
//!
//! Most of them are commands. A shell expands the reference to the token where the tool does
//! not do so itself.

use std::collections::BTreeMap;

use url::Url;

use super::GatewayEndpoint;
use super::snippets::{McpServers, PLACEHOLDER, Program, paste_token, pretty};

/// Formats `https://gofastmcp.com/clients/cli`.
pub(super) fn fastmcp(endpoint: &GatewayEndpoint) -> String {
    let auth = match &endpoint.token {
        Some(variable) => format!("\"${variable}\""),
        None => "oauth".to_owned(),
    };
    format!("fastmcp list {} --auth {auth}\n", endpoint.url)
}

/// Formats `https://modelcontextprotocol.io/docs/tools/inspector`. The transport is required: the
/// inspector guesses it from the last segment of the path.
pub(super) fn inspector(endpoint: &GatewayEndpoint) -> String {
    let token = endpoint.token.as_ref();
    let header = token.map(|variable| format!(" --header \"Authorization: Bearer ${variable}\""));
    format!(
        "npx @modelcontextprotocol/inspector --cli {} --transport http --method tools/list{}\n",
        endpoint.url,
        header.unwrap_or_default(),
    )
}

/// Formats `https://www.npmjs.com/package/mcp-remote`. Some programs split arguments at spaces, so
/// that the value of the header is a variable.
pub(super) fn mcp_remote(endpoint: &GatewayEndpoint) -> String {
    let mut program = Program {
        command: "npx",
        args: vec!["-y", "mcp-remote", &endpoint.url],
        env: None,
    };
    if is_insecure(&endpoint.url) {
        program.args.push("--allow-http");
    }
    if endpoint.token.is_some() {
        program
            .args
            .extend(["--header", "Authorization:${AUTHORIZATION}"]);
        let value = format!("Bearer {PLACEHOLDER}");
        program.env = Some(BTreeMap::from([("AUTHORIZATION", value)]));
    }
    format!(
        "In the configuration of the program{}:\n\n{}\n",
        paste_token(endpoint.token.as_deref()),
        pretty(&McpServers::of(&endpoint.name, program)),
    )
}

/// Formats `https://github.com/steipete/mcporter`.
pub(super) fn mcporter(endpoint: &GatewayEndpoint) -> String {
    let GatewayEndpoint { name, url, token } = endpoint;
    let mut options = String::new();
    if is_insecure(url) {
        options.push_str(" --allow-http");
    }
    let then = match token {
        Some(variable) => {
            options.push_str(&format!(" --header 'Authorization=Bearer ${{{variable}}}'"));
            String::new()
        }
        None => {
            options.push_str(" --auth oauth");
            format!("mcporter auth {name}\n")
        }
    };
    format!("mcporter config add {name} {url}{options}\n{then}mcporter list {name}\n")
}

/// Returns `true` if `url` has no TLS.
fn is_insecure(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.scheme() == "http")
}
