//! Instructions of the console by which clients connect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum as _;
use mcp_gateway_config::connect::{GatewayEndpoint, McpClientApp};
use mcp_gateway_console::{ClientGuide, ClientGuides};
use serde_json::json;
use url::form_urlencoded::byte_serialize;

use crate::source::TOKEN_VARIABLE;

/// Instructions for the clients that `mcp-gateway connect` knows.
#[derive(Debug)]
pub(crate) struct ConnectGuides {
    /// URL of the gateway without a path.
    pub(crate) base: String,
}

impl ConnectGuides {
    fn gateway(&self, name: Option<&str>, token: bool) -> Option<GatewayEndpoint> {
        let variable = token.then(|| TOKEN_VARIABLE.to_owned());
        GatewayEndpoint::new(&self.base, name, variable).ok()
    }
}

impl ClientGuides for ConnectGuides {
    fn endpoint(&self, name: Option<&str>) -> String {
        let endpoint = self.gateway(name, false);
        endpoint.map(|endpoint| endpoint.url).unwrap_or_default()
    }

    fn guides(&self, name: Option<&str>) -> Vec<ClientGuide> {
        let (login, token) = (self.gateway(name, false), self.gateway(name, true));
        let (Some(login), Some(token)) = (login, token) else {
            return Vec::new();
        };
        let clients = McpClientApp::ALL.iter();
        clients
            .filter_map(|client| {
                let value = client.to_possible_value()?;
                let label = value.get_help()?.to_string();
                let steps = login.instructions(*client);
                let mut guide = ClientGuide::new(value.get_name(), label, steps);
                guide.token = match client {
                    // These clients take no token.
                    McpClientApp::Web => None,
                    client => Some(token.instructions(*client)),
                };
                guide.link = link(*client, &login);
                Some(guide)
            })
            .collect()
    }
}

/// Returns the link by which `client` adds `endpoint`, if it has such links.
fn link(client: McpClientApp, endpoint: &GatewayEndpoint) -> Option<String> {
    let encode = |text: &str| -> String { byte_serialize(text.as_bytes()).collect() };
    let GatewayEndpoint { name, url, .. } = endpoint;
    match client {
        // https://cursor.com/docs/context/mcp/install-links
        McpClientApp::Cursor => {
            let config = STANDARD.encode(json!({ "url": url }).to_string());
            let (name, config) = (encode(name), encode(&config));
            Some(format!(
                "cursor://anysphere.cursor-deeplink/mcp/install?name={name}&config={config}"
            ))
        }
        // https://code.visualstudio.com/api/extension-guides/ai/mcp
        McpClientApp::Vscode => {
            let server = json!({ "name": name, "type": "http", "url": url });
            Some(format!(
                "vscode:mcp/install?{}",
                encode(&server.to_string())
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guides_name_the_endpoint_of_their_gateway() {
        let guides = ConnectGuides {
            base: "https://gw.example.com/".to_owned(),
        };
        for (name, url) in [
            (None, "https://gw.example.com/mcp"),
            (Some("dev"), "https://gw.example.com/v1/mcp/dev"),
        ] {
            assert_eq!(guides.endpoint(name), url);
            let all = guides.guides(name);
            assert_eq!(all.len(), McpClientApp::ALL.len());
            assert!(all.iter().all(|guide| guide.login.contains(url)));
            let links = all.iter().filter_map(|guide| guide.link.as_deref());
            assert_eq!(links.count(), 2);
        }
        let code = guides.guides(None);
        let code = code.iter().find(|guide| guide.id == "vscode").unwrap();
        assert_eq!(
            code.link.as_deref(),
            Some(
                "vscode:mcp/install?%7B%22name%22%3A%22mcp-gateway%22%2C%22type%22%3A%22http%22%2C%22url%22%3A%22https%3A%2F%2Fgw.example.com%2Fmcp%22%7D"
            )
        );
    }
}
