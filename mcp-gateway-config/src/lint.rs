//! Checks of tool definitions against the limits of MCP clients.
//!
//! Clients and the interfaces of models reject some definitions: names that are too long, schemas
//! with unknown types. Some clients then leave out all tools of a server, without a message.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_config::connect::McpClientApp;
//! use mcp_gateway_config::lint::lint;
//! use serde_json::json;
//!
//! let tool = json!({ "name": "github__search", "inputSchema": { "type": "object" } });
//! assert!(lint(&[tool], Some(McpClientApp::Cursor), "mcp-gateway").is_empty());
//!
//! let long = json!({ "name": "a".repeat(60), "inputSchema": { "type": "object" } });
//! let found = lint(&[long], Some(McpClientApp::Cursor), "mcp-gateway");
//! assert!(found[0].message.contains("at most 61"));
//! ```

mod schema;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::connect::McpClientApp;

/// Finding about a tool definition.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// Name of the tool.
    pub tool: String,
    /// Description of the limit, and of the consequence.
    pub message: String,
}

/// Limits of the names of tools in a client.
struct NameLimits {
    /// Text before the name of the gateway, between the two names.
    affixes: (&'static str, &'static str),
    /// Maximum length of the whole name in characters.
    max: usize,
    /// Consequence of a longer name.
    excess: Excess,
}

/// Consequence of a name above the limit.
#[derive(Clone, Copy)]
enum Excess {
    /// The client does not show the tool.
    LeftOut,
    /// The model interface rejects the request.
    Rejected,
    /// The client replaces the middle.
    Elided,
    /// The client replaces the end by a hash.
    Hashed,
}

/// Checks `tools`, as a gateway that `client` calls `gateway` lists them.
///
/// Without a client, only the schemas are checked. Findings are in the order of the tools.
#[must_use]
pub fn lint(tools: &[Value], client: Option<McpClientApp>, gateway: &str) -> Vec<Finding> {
    let limits = client.and_then(limits);
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for tool in tools {
        let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
        let mut add = |message| {
            findings.push(Finding {
                tool: name.to_owned(),
                message,
            });
        };
        if let Some(limits) = &limits {
            limits.check(gateway, name).into_iter().for_each(&mut add);
            let shown = limits.shown(gateway, name);
            if let Some(other) = names.insert(shown, name) {
                add(format!("the client gives {other:?} the same name"));
            }
        }
        schema::check(tool).into_iter().for_each(&mut add);
    }
    findings
}

impl NameLimits {
    /// Returns the complete name of a tool in the client.
    fn full(&self, gateway: &str, tool: &str) -> String {
        let (before, between) = self.affixes;
        match between.is_empty() {
            true => tool.to_owned(),
            false => format!("{before}{gateway}{between}{tool}"),
        }
    }

    /// Returns the name that the client shows.
    fn shown(&self, gateway: &str, tool: &str) -> String {
        let full = sanitized(&self.full(gateway, tool));
        match self.excess {
            Excess::Elided if full.len() > self.max => {
                let kept = (self.max - ELLIPSIS.len()) / 2;
                let end = full.len() - kept;
                format!("{}{ELLIPSIS}{}", &full[..kept], &full[end..])
            }
            Excess::LeftOut | Excess::Rejected | Excess::Elided | Excess::Hashed => full,
        }
    }

    /// Checks the length of a name.
    fn check(&self, gateway: &str, tool: &str) -> Option<String> {
        let full = self.full(gateway, tool);
        let length = full.chars().count();
        if length <= self.max {
            return None;
        }
        let consequence = match self.excess {
            Excess::LeftOut => "the client leaves the tool out",
            Excess::Rejected => "the model interface rejects the request",
            Excess::Elided => "the client replaces the middle of the name",
            Excess::Hashed => "the client replaces the end of the name by a hash",
        };
        Some(format!(
            "the name is {full:?} in the client and has {length} characters, at most {} are \
             allowed; {consequence}",
            self.max
        ))
    }
}

/// Replaces the characters that interfaces of models do not allow.
fn sanitized(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .collect()
}

/// Returns the limits of `client`; `None` for clients that show names as they are.
///
/// | Client | Name in the client | Characters |
/// |---|---|---|
/// | Claude Code | `mcp__GATEWAY__TOOL` | 128 |
/// | Codex | `mcp__GATEWAY__TOOL` | 64 |
/// | Cursor | `GATEWAY:TOOL` | 60 without the colon |
/// | Gemini CLI | `mcp_GATEWAY_TOOL` | 63 |
/// | Qwen Code | `mcp__GATEWAY__TOOL` | 63 |
/// | opencode | `GATEWAY_TOOL` | 64 |
/// | VS Code, Copilot CLI | `GATEWAY-TOOL` | 64 |
/// | Claude Desktop, Cline, Continue, n8n, Open WebUI, hosted clients | `TOOL` | 64 |
fn limits(client: McpClientApp) -> Option<NameLimits> {
    let (affixes, max, excess) = match client {
        McpClientApp::ClaudeCode => (("mcp__", "__"), 128, Excess::LeftOut),
        McpClientApp::Codex => (("mcp__", "__"), 64, Excess::Hashed),
        McpClientApp::Cursor => (("", ":"), 60 + ":".len(), Excess::LeftOut),
        McpClientApp::GeminiCli => (("mcp_", "_"), 63, Excess::Elided),
        McpClientApp::QwenCode => (("mcp__", "__"), 63, Excess::Hashed),
        McpClientApp::Opencode => (("", "_"), 64, Excess::Rejected),
        McpClientApp::Vscode | McpClientApp::CopilotCli => (("", "-"), 64, Excess::Rejected),
        McpClientApp::ClaudeDesktop
        | McpClientApp::Cline
        | McpClientApp::Continue
        | McpClientApp::N8n
        | McpClientApp::OpenWebui
        | McpClientApp::Web => (("", ""), 64, Excess::Rejected),
        McpClientApp::Fastmcp
        | McpClientApp::Http
        | McpClientApp::Inspector
        | McpClientApp::McpRemote
        | McpClientApp::Mcporter => return None,
    };
    Some(NameLimits {
        affixes,
        max,
        excess,
    })
}

/// Replacement of the middle of a name.
const ELLIPSIS: &str = "...";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tools(names: &[String]) -> Vec<Value> {
        let tool = |name| json!({ "name": name, "inputSchema": { "type": "object" } });
        names.iter().map(tool).collect()
    }

    fn messages(client: McpClientApp, names: &[String]) -> Vec<String> {
        let findings = lint(&tools(names), Some(client), "gw").into_iter();
        findings.map(|finding| finding.message).collect()
    }

    #[test]
    fn names_have_the_limits_of_clients() {
        let table = [
            (McpClientApp::Cursor, 58, 59),
            (McpClientApp::ClaudeCode, 119, 120),
            (McpClientApp::GeminiCli, 56, 57),
            (McpClientApp::Vscode, 61, 62),
            (McpClientApp::ClaudeDesktop, 64, 65),
        ];
        for (client, valid, invalid) in table {
            assert!(
                messages(client, &["a".repeat(valid)]).is_empty(),
                "{client:?}"
            );
            let found = messages(client, &["a".repeat(invalid)]);
            assert_eq!(found.len(), 1, "{client:?}");
        }
        assert!(messages(McpClientApp::Http, &["a".repeat(500)]).is_empty());
    }

    #[test]
    fn equal_names_are_found() {
        let names = ["x", "y"].map(|middle| {
            let half = "a".repeat(40);
            format!("{half}{middle}{half}")
        });
        let found = messages(McpClientApp::GeminiCli, &names);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[2].contains("the same name"), "{found:?}");
        let found = messages(
            McpClientApp::Opencode,
            &["a b".to_owned(), "a/b".to_owned()],
        );
        assert_eq!(found, ["the client gives \"a b\" the same name"]);
    }
}
