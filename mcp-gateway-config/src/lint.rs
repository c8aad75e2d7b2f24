//! Limits of MCP clients for the tools of a gateway.
//!
//! Clients and the interfaces of models limit the length of names and the number of tools. Invalid
//! definitions are the subject of [`mcp_gateway_core::catalog::lint`].
//!
//! | Client | Version | Name in the client | Characters | Tools |
//! |---|---|---|---|---|
//! | Claude Code | 2.1.332 | `mcp__GATEWAY__TOOL` | 128, longer ones are left out | |
//! | Codex | 0.171.0 | `mcp__GATEWAY__TOOL` | 64, then a hash | |
//! | Copilot CLI | 1.0.102 | `GATEWAY-TOOL` | 64 | 128 |
//! | Cursor | September 2025 | `GATEWAY:TOOL` | 60 without the colon, longer ones are left out | 80 |
//! | Gemini CLI | 0.61.0 | `mcp_GATEWAY_TOOL` | 63, without the middle of a longer one | |
//! | opencode | 1.18.33 | `GATEWAY_TOOL` | 64 | |
//! | Qwen Code | 0.24.4 | `mcp__GATEWAY__TOOL` | 63, then a hash | |
//! | VS Code | 1.102 | `GATEWAY-TOOL` | 64 | 128 |
//! | Claude Desktop, Cline, Continue, n8n, Open WebUI, hosted clients | | `TOOL` | 64 | |
//! | FastMCP, Inspector, mcp-remote, mcporter, HTTP | | no model | | |
//!
//! The command lines were tried, and the others are as reported by their users.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_config::connect::McpClientApp;
//! use mcp_gateway_config::lint::ClientLimits;
//!
//! let cursor = ClientLimits::of(McpClientApp::Cursor);
//! assert!(cursor.check(&["github__search"], "mcp-gateway").is_empty());
//!
//! let long = "a".repeat(60);
//! let found = cursor.check(&[&long], "mcp-gateway");
//! assert!(found[0].contains("at most 61"));
//! ```

use std::collections::BTreeMap;

use crate::connect::McpClientApp;

/// Limits of a client.
#[derive(Clone, Copy, Debug)]
pub struct ClientLimits {
    /// Limits of names; `None` for a client without a model.
    names: Option<NameLimits>,
    /// Maximum number of tools.
    tools: Option<usize>,
}

/// Limits of the names of tools in a client.
#[derive(Clone, Copy, Debug)]
struct NameLimits {
    /// Text before the name of the gateway, between the two names.
    affixes: (&'static str, &'static str),
    /// Maximum length of the whole name in characters.
    max: usize,
    /// Consequence of a longer name.
    excess: Excess,
}

/// Consequence of a name above the limit.
#[derive(Clone, Copy, Debug)]
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

impl ClientLimits {
    /// Returns the limits of `client`.
    #[must_use]
    pub fn of(client: McpClientApp) -> Self {
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
            | McpClientApp::Mcporter => {
                let (names, tools) = (None, None);
                return Self { names, tools };
            }
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the others have no known limit"
        )]
        let tools = match client {
            McpClientApp::Cursor => Some(80),
            McpClientApp::CopilotCli | McpClientApp::Vscode => Some(128),
            _ => None,
        };
        let names = Some(NameLimits {
            affixes,
            max,
            excess,
        });
        Self { names, tools }
    }

    /// Returns `true` if the client hands the definitions of tools to a model.
    #[must_use]
    pub fn has_model(&self) -> bool {
        self.names.is_some()
    }

    /// Checks `tools`, the names that a gateway lists, which the client calls `gateway`.
    ///
    /// Returns one line for each excess, in the order of the tools.
    #[must_use]
    pub fn check(&self, tools: &[&str], gateway: &str) -> Vec<String> {
        let mut found = Vec::new();
        if let Some(max) = self.tools.filter(|max| tools.len() > *max) {
            found.push(format!(
                "{} tools, of which the client uses at most {max}",
                tools.len()
            ));
        }
        let Some(limits) = self.names else {
            return found;
        };
        let mut shown: BTreeMap<String, &str> = BTreeMap::new();
        for name in tools {
            if let Some(excess) = limits.check(gateway, name) {
                found.push(format!("{name}: {excess}"));
            }
            if let Some(other) = shown.insert(limits.shown(gateway, name), name) {
                found.push(format!("{name}: the client gives {other:?} the same name"));
            }
        }
        found
    }
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

/// Replacement of the middle of a name.
const ELLIPSIS: &str = "...";

#[cfg(test)]
mod tests {
    use super::*;

    fn found(client: McpClientApp, names: &[String]) -> Vec<String> {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        ClientLimits::of(client).check(&names, "gw")
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
            assert!(found(client, &["a".repeat(valid)]).is_empty(), "{client:?}");
            let found = found(client, &["a".repeat(invalid)]);
            assert_eq!(found.len(), 1, "{client:?}");
        }
        assert!(found(McpClientApp::Http, &["a".repeat(500)]).is_empty());
    }

    #[test]
    fn equal_names_are_found() {
        let names = ["x", "y"].map(|middle| {
            let half = "a".repeat(40);
            format!("{half}{middle}{half}")
        });
        let lines = found(McpClientApp::GeminiCli, &names);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[2].contains("the same name"), "{lines:?}");
        let lines = found(
            McpClientApp::Opencode,
            &["a b".to_owned(), "a/b".to_owned()],
        );
        assert_eq!(lines, ["a/b: the client gives \"a b\" the same name"]);
    }

    #[test]
    fn the_number_of_tools_has_the_limit_of_the_client() {
        let names: Vec<_> = (0..129).map(|n| format!("t{n}")).collect();
        assert_eq!(
            found(McpClientApp::Vscode, &names),
            ["129 tools, of which the client uses at most 128"]
        );
        assert!(found(McpClientApp::Vscode, &names[1..]).is_empty());
        assert!(found(McpClientApp::Codex, &names).is_empty());
        assert_eq!(found(McpClientApp::Cursor, &names).len(), 1);
    }

    #[test]
    fn every_client_with_a_model_has_limits() {
        let without: Vec<_> = McpClientApp::ALL
            .iter()
            .filter(|client| !ClientLimits::of(**client).has_model())
            .collect();
        assert_eq!(without.len(), 5, "{without:?}");
    }
}
