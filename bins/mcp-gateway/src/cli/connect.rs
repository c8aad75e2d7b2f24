//! `mcp-gateway connect`.

use std::process::ExitCode;

use clap::{Args, ValueEnum as _};

use super::target::plain_url;
use crate::output::{eprint_line, print_line, print_text};
use crate::source::TOKEN_VARIABLE;
use mcp_gateway_config::connect::{GatewayEndpoint, McpClientApp};

#[derive(Debug, Args)]
pub(super) struct ConnectArgs {
    /// MCP client; lists all clients if omitted
    client: Option<McpClientApp>,
    /// URL of the gateway
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Environment variable that contains the token
    #[arg(long, value_name = "NAME", default_value = TOKEN_VARIABLE)]
    token_env: String,
    /// Connect without a token: the client logs in, if the gateway requires it
    #[arg(long, visible_alias = "anonymous", conflicts_with = "token_env")]
    login: bool,
    /// Connect to this gateway instead of the default one
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
}

/// Prints instructions for connecting a client.
///
/// # Errors
///
/// Fails if the URL is invalid or the output is closed.
pub(super) fn run(args: &ConnectArgs) -> anyhow::Result<ExitCode> {
    let Some(client) = args.client else {
        for client in McpClientApp::value_variants() {
            let Some(value) = client.to_possible_value() else {
                continue;
            };
            let help = value
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            print_line(format_args!("{:16}{help}", value.get_name()))?;
        }
        print_text(
            "\nFor instructions, add the name of a client: mcp-gateway connect claude-code",
        )?;
        return Ok(ExitCode::SUCCESS);
    };
    let token = (!args.login).then(|| args.token_env.clone());
    let endpoint = GatewayEndpoint::new(&args.url, args.gateway.as_deref(), token)
        .map_err(|error| anyhow::anyhow!("{:?}: {error}", args.url))?;
    if endpoint.is_loopback()
        && let Some(hint) = plain_url(&args.url)
    {
        eprint_line(hint);
    }
    print_text(endpoint.instructions(client).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
