//! Instructions and settings for connecting MCP clients to a gateway.
//!
//! They do not contain the token: clients read it from the environment or prompt for it, as far as
//! they support that.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_config::connect::{GatewayEndpoint, McpClientApp};
//!
//! let token = Some("MCP_TOKEN".to_owned());
//! let endpoint = GatewayEndpoint::new("https://mcp.example.com", Some("dev"), token).unwrap();
//! assert_eq!(endpoint.url, "https://mcp.example.com/v1/mcp/dev");
//! assert!(endpoint.instructions(McpClientApp::Cursor).contains("Bearer ${env:MCP_TOKEN}"));
//! ```
//!
//! # Tokens
//!
//! | Client | Reference to the token |
//! |---|---|
//! | Claude Code, Copilot CLI, Gemini CLI, Qwen Code, mcporter | `${NAME}` in the header |
//! | Cursor | `${env:NAME}` in the header |
//! | opencode | `{env:NAME}` in the header |
//! | Codex | name of the variable in `bearer_token_env_var` |
//! | Continue | `${{ secrets.NAME }}` in `apiKey` |
//! | VS Code | `${input:ID}` in the header: the editor prompts |
//! | FastMCP, MCP Inspector, curl | `$NAME` in a shell |
//! | Claude Desktop, mcp-remote, the file of Cline | placeholder to replace |
//! | n8n, Open WebUI | credential in a form |
//! | claude.ai, ChatGPT | none: these clients log in |

mod agents;
mod snippets;
mod tools;

use url::{Host, Url};

use crate::file::web_url;

/// Supported MCP client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[non_exhaustive]
pub enum McpClientApp {
    /// Claude Code, command line
    ClaudeCode,
    /// Claude Desktop
    ClaudeDesktop,
    /// Cline, command line and editors
    Cline,
    /// OpenAI Codex
    Codex,
    /// Continue
    Continue,
    /// GitHub Copilot, command line
    CopilotCli,
    /// Cursor
    Cursor,
    /// FastMCP, command line
    Fastmcp,
    /// Gemini CLI
    GeminiCli,
    /// Any HTTP client, such as curl
    Http,
    /// MCP Inspector
    Inspector,
    /// Programs that support only stdio, through mcp-remote
    McpRemote,
    /// mcporter
    Mcporter,
    /// n8n, MCP Client Tool
    N8n,
    /// Open WebUI
    OpenWebui,
    /// opencode
    Opencode,
    /// Qwen Code
    QwenCode,
    /// Visual Studio Code
    Vscode,
    /// Hosted clients: claude.ai, ChatGPT
    Web,
}

/// Endpoint of a gateway, with its credential.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatewayEndpoint {
    /// Name for the client.
    pub name: String,
    /// URL of the endpoint.
    pub url: String,
    /// Environment variable that contains the token; `None` without a token.
    pub token: Option<String>,
}

impl McpClientApp {
    /// All clients.
    pub const ALL: &'static [Self] = &[
        Self::ClaudeCode,
        Self::ClaudeDesktop,
        Self::Cline,
        Self::Codex,
        Self::Continue,
        Self::CopilotCli,
        Self::Cursor,
        Self::Fastmcp,
        Self::GeminiCli,
        Self::Http,
        Self::Inspector,
        Self::McpRemote,
        Self::Mcporter,
        Self::N8n,
        Self::OpenWebui,
        Self::Opencode,
        Self::QwenCode,
        Self::Vscode,
        Self::Web,
    ];
}

impl GatewayEndpoint {
    /// Creates the endpoint of the gateway `slug`, or of the default gateway, at `url`.
    ///
    /// A URL with a path is that of the endpoint; otherwise it is that of the server process.
    ///
    /// # Errors
    ///
    /// Returns a description of the error if `url` is invalid.
    pub fn new(url: &str, slug: Option<&str>, token: Option<String>) -> Result<Self, String> {
        let url = web_url(url)?;
        Ok(Self {
            name: slug.unwrap_or("mcp-gateway").to_owned(),
            url: endpoint(url, slug),
            token,
        })
    }

    /// Returns `true` if the endpoint is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let url = Url::parse(&self.url).ok();
        match url.as_ref().and_then(Url::host) {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Returns the public URL of the process that serves the gateway.
    fn public_url(&self) -> String {
        let Ok(mut url) = Url::parse(&self.url) else {
            return self.url.clone();
        };
        let path = base(url.path()).to_owned();
        url.set_path(&path);
        url.set_query(None);
        url.as_str().trim_end_matches('/').to_owned()
    }

    /// Returns the command that adds the gateway to Claude Code.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_config::connect::GatewayEndpoint;
    ///
    /// let endpoint = GatewayEndpoint::new("http://127.0.0.1:8080", None, None).unwrap();
    /// assert_eq!(
    ///     endpoint.claude_code(),
    ///     "claude mcp add --scope user --transport http mcp-gateway http://127.0.0.1:8080/mcp",
    /// );
    /// ```
    #[must_use]
    pub fn claude_code(&self) -> String {
        agents::claude_code_command(self)
    }

    /// Returns the command with which Claude Code logs in to the gateway.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_config::connect::GatewayEndpoint;
    ///
    /// let endpoint = GatewayEndpoint::new("http://127.0.0.1:8080", Some("dev"), None).unwrap();
    /// assert_eq!(endpoint.claude_code_login(), "claude mcp login dev");
    /// ```
    #[must_use]
    pub fn claude_code_login(&self) -> String {
        agents::claude_code_login(self)
    }

    /// Returns the command that adds the gateway to Codex.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_config::connect::GatewayEndpoint;
    ///
    /// let endpoint = GatewayEndpoint::new("http://127.0.0.1:8080", None, Some("TOKEN".to_owned()));
    /// assert!(endpoint.unwrap().codex().ends_with("--bearer-token-env-var TOKEN"));
    /// ```
    #[must_use]
    pub fn codex(&self) -> String {
        agents::codex_command(self)
    }

    /// Returns instructions for adding the gateway to `client`.
    #[must_use]
    pub fn instructions(&self, client: McpClientApp) -> String {
        match client {
            McpClientApp::ClaudeCode => agents::claude_code(self),
            McpClientApp::ClaudeDesktop => snippets::claude_desktop(self),
            McpClientApp::Cline => agents::cline(self),
            McpClientApp::Codex => agents::codex(self),
            McpClientApp::Continue => agents::continue_dev(self),
            McpClientApp::CopilotCli => agents::copilot_cli(self),
            McpClientApp::Cursor => snippets::cursor(self),
            McpClientApp::Fastmcp => tools::fastmcp(self),
            McpClientApp::GeminiCli => agents::gemini_cli(self),
            McpClientApp::Http => snippets::http(self),
            McpClientApp::Inspector => tools::inspector(self),
            McpClientApp::McpRemote => tools::mcp_remote(self),
            McpClientApp::Mcporter => tools::mcporter(self),
            McpClientApp::N8n => snippets::n8n(self),
            McpClientApp::OpenWebui => snippets::open_webui(self),
            McpClientApp::Opencode => agents::opencode(self),
            McpClientApp::QwenCode => agents::qwen_code(self),
            McpClientApp::Vscode => snippets::vscode(self),
            McpClientApp::Web => snippets::web(self),
        }
    }
}

/// Returns the URL of the gateway `slug`, or of the default gateway, of the process at `url`.
fn endpoint(mut url: Url, slug: Option<&str>) -> String {
    let path = url.path().trim_end_matches('/').to_owned();
    match slug {
        Some(slug) => url.set_path(&format!("{}/v1/mcp/{slug}", base(&path))),
        None if path.is_empty() => url.set_path("/mcp"),
        None => url.set_path(&path),
    }
    url.into()
}

/// Returns the path of the process that serves a gateway at `path`.
fn base(path: &str) -> &str {
    // The name of another gateway.
    if let Some((base, name)) = path.rsplit_once("/v1/mcp/")
        && !name.contains('/')
    {
        return base;
    }
    let suffixes = ["/v1/mcp", "/mcp"];
    let base = suffixes.iter().find_map(|suffix| path.strip_suffix(suffix));
    base.unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(client: McpClientApp, token: Option<&str>) -> String {
        let token = token.map(str::to_owned);
        let endpoint = GatewayEndpoint::new("https://mcp.example.com", Some("dev"), token);
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
            (
                "https://example.com/tools/v1/mcp/b/",
                Some("a"),
                "https://example.com/tools/v1/mcp/a",
            ),
            (
                "http://localhost:8080/mcp?v=2",
                Some("a"),
                "http://localhost:8080/v1/mcp/a?v=2",
            ),
        ];
        for (url, slug, expected) in table {
            assert_eq!(
                GatewayEndpoint::new(url, slug, None).unwrap().url,
                expected,
                "{url}"
            );
        }
        assert!(GatewayEndpoint::new("localhost:8080", None, None).is_err());
    }

    #[test]
    fn every_client_is_told_the_same() {
        for client in McpClientApp::ALL {
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
        let all: Vec<_> = McpClientApp::ALL
            .iter()
            .map(|client| format!("## {client:?}\n{}", of(*client, Some("MCP_GATEWAY_TOKEN"))))
            .collect();
        insta::assert_snapshot!(all.join("\n"));
    }

    /// Variable that has the page written instead of compared.
    const UPDATE: &str = "MCP_GATEWAY_UPDATE_CONNECT";

    #[cfg(feature = "clap")]
    #[test]
    fn the_page_has_the_texts_of_the_command() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/connect.md");
        let page = std::fs::read_to_string(path).unwrap();
        let introduction = page.split("\n## ").next().unwrap();
        let sections = McpClientApp::ALL.iter().map(|client| section(*client));
        let expected = format!("{introduction}{}", sections.collect::<String>());
        if std::env::var_os(UPDATE).is_some() {
            std::fs::write(path, expected).unwrap();
        } else {
            assert!(page == expected, "run the test with {UPDATE}=1");
        }
    }

    /// Returns the section of a client in the page.
    #[cfg(feature = "clap")]
    fn section(client: McpClientApp) -> String {
        let value = clap::ValueEnum::to_possible_value(&client).unwrap();
        let text = |token| of(client, token).trim_end().to_owned();
        format!(
            "\n## {}\n\n`mcp-gateway connect {}`, with a login:\n\n```text\n{}\n```\n\nWith a \
             token:\n\n```text\n{}\n```\n",
            value.get_help().unwrap(),
            value.get_name(),
            text(None),
            text(Some("MCP_GATEWAY_TOKEN")),
        )
    }

    #[test]
    fn what_is_json_can_be_read() {
        for client in [
            McpClientApp::ClaudeDesktop,
            McpClientApp::CopilotCli,
            McpClientApp::Cursor,
            McpClientApp::Vscode,
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
