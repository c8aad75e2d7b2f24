//! How clients are told of a gateway, ready to be pasted.
//!
//! The token itself stands nowhere in it: clients take it from the environment, or ask for it,
//! wherever they can.

mod snippets;

use clap::ValueEnum;
use url::Url;

use crate::file::web_url;

/// A client of which it is known how it is told of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Client {
    /// Claude Code, at the command line
    ClaudeCode,
    /// Claude Desktop
    ClaudeDesktop,
    /// Codex, of OpenAI
    Codex,
    /// GitHub Copilot, at the command line
    CopilotCli,
    /// Cursor
    Cursor,
    /// Anything that speaks HTTP, such as curl
    Http,
    /// The MCP Client Tool of n8n
    N8n,
    /// Open WebUI
    OpenWebui,
    /// Visual Studio Code
    Vscode,
}

/// Where a gateway is, and what its callers present.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// What clients call it.
    pub name: String,
    pub url: String,
    /// The variable of the environment that holds the token; `None` where none is needed.
    pub token: Option<String>,
}

impl Endpoint {
    /// The gateway `slug`, or the default one, below or at `url`.
    ///
    /// A URL without a path is that of the program; one with a path is that of the endpoint.
    ///
    /// # Errors
    ///
    /// What is wrong with `url`.
    pub fn new(url: &str, slug: Option<&str>, token: Option<String>) -> Result<Self, String> {
        let url = web_url(url)?;
        Ok(Self {
            name: slug.unwrap_or("mcp-gateway").to_owned(),
            url: endpoint(&url, slug),
            token,
        })
    }

    /// The command that tells Claude Code of the gateway.
    pub fn claude_code(&self) -> String {
        snippets::claude_code_command(self)
    }

    /// The command that tells Codex of the gateway.
    pub fn codex(&self) -> String {
        snippets::codex_command(self)
    }

    /// What has to be done so that `client` knows the gateway.
    pub fn instructions(&self, client: Client) -> String {
        match client {
            Client::ClaudeCode => snippets::claude_code(self),
            Client::ClaudeDesktop => snippets::claude_desktop(self),
            Client::Codex => snippets::codex(self),
            Client::CopilotCli => snippets::copilot_cli(self),
            Client::Cursor => snippets::cursor(self),
            Client::Http => snippets::http(self),
            Client::N8n => snippets::n8n(self),
            Client::OpenWebui => snippets::open_webui(self),
            Client::Vscode => snippets::vscode(self),
        }
    }
}

/// The URL of the gateway `slug`, or of the default one, of the program at `url`.
fn endpoint(url: &Url, slug: Option<&str>) -> String {
    let text = url.as_str().trim_end_matches('/');
    match slug {
        Some(slug) => {
            let suffixes = ["/v1/mcp", "/mcp"];
            let base = suffixes.iter().find_map(|suffix| text.strip_suffix(suffix));
            format!("{}/v1/mcp/{slug}", base.unwrap_or(text))
        }
        None if url.path() == "/" => format!("{text}/mcp"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(client: Client, token: Option<&str>) -> String {
        let token = token.map(str::to_owned);
        let endpoint = Endpoint::new("https://mcp.example.com", Some("dev"), token);
        endpoint.unwrap().instructions(client)
    }

    #[test]
    fn urls_lead_to_gateways() {
        let table = [
            ("http://localhost:8080", None, "http://localhost:8080/mcp"),
            ("http://localhost:8080/", None, "http://localhost:8080/mcp"),
            (
                "http://localhost:8080/mcp",
                None,
                "http://localhost:8080/mcp",
            ),
            (
                "http://localhost:8080/v1/mcp/a",
                None,
                "http://localhost:8080/v1/mcp/a",
            ),
            (
                "http://localhost:8080",
                Some("a"),
                "http://localhost:8080/v1/mcp/a",
            ),
            (
                "http://localhost:8080/mcp",
                Some("a"),
                "http://localhost:8080/v1/mcp/a",
            ),
            (
                "http://localhost:8080/v1/mcp/",
                Some("a"),
                "http://localhost:8080/v1/mcp/a",
            ),
            (
                "https://example.com/tools",
                Some("a"),
                "https://example.com/tools/v1/mcp/a",
            ),
        ];
        for (url, slug, expected) in table {
            assert_eq!(
                Endpoint::new(url, slug, None).unwrap().url,
                expected,
                "{url}"
            );
        }
        assert!(Endpoint::new("localhost:8080", None, None).is_err());
    }

    #[test]
    fn every_client_is_told_the_same() {
        for client in Client::value_variants() {
            let with = of(*client, Some("MY_TOKEN"));
            assert!(
                with.contains("https://mcp.example.com/v1/mcp/dev"),
                "{with}"
            );
            let mentions = with.contains("MY_TOKEN") || with.contains("the token");
            assert!(mentions, "{client:?}: {with}");
            let without = of(*client, None);
            assert!(!without.contains("Bearer"), "{client:?}: {without}");
        }
    }

    #[test]
    fn instructions_have_the_form_that_clients_take() {
        let all: Vec<_> = Client::value_variants()
            .iter()
            .map(|client| format!("## {client:?}\n{}", of(*client, Some("MCP_GATEWAY_TOKEN"))))
            .collect();
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn what_is_json_can_be_read() {
        for client in [
            Client::ClaudeDesktop,
            Client::CopilotCli,
            Client::Cursor,
            Client::Vscode,
        ] {
            for token in [Some("MY_TOKEN"), None] {
                let text = of(client, token);
                let json = &text[text.find("{\n").unwrap()..=text.rfind("\n}").unwrap() + 1];
                assert!(
                    serde_json::from_str::<serde_json::Value>(json).is_ok(),
                    "{json}"
                );
            }
        }
    }
}
