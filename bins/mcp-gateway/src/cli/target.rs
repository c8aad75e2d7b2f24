//! Selection of the servers that commands use.

use std::path::PathBuf;

use clap::Args;
use mcp_gateway_config::document::LookupScope;
use mcp_gateway_core::upstream::UpstreamError;
use mcp_gateway_platform::state::StateStore;

use super::files::FileOptions;
use crate::client::McpClient;
use crate::output::eprint_line;
use crate::source::TOKEN_VARIABLE;
use crate::system::SystemEnvironment;

/// Selection of the servers: those of a configuration, or of a running gateway.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    #[command(flatten)]
    options: FileOptions,
    /// Use the running gateway or server at this URL
    #[arg(long, conflicts_with_all = ["config", "mcp_config"], default_value = DEFAULT_URL)]
    url: String,
    /// Bearer token for the URL
    #[arg(long, env = TOKEN_VARIABLE, hide_env_values = true)]
    token: Option<String>,
    /// Use the servers of this gateway
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
}

impl TargetArgs {
    /// Connects to the selected servers, or to those of `files`.
    ///
    /// # Errors
    ///
    /// Fails if the configuration or the URL is invalid.
    pub(super) fn servers(&self, files: &[PathBuf]) -> anyhow::Result<McpClient> {
        let gateway = self.gateway.as_deref();
        let files = self.options.with_arguments(files)?;
        if files.is_empty() {
            let token = self.token.as_deref();
            let endpoint =
                mcp_gateway_config::connect::GatewayEndpoint::new(&self.url, gateway, None);
            let endpoint = endpoint.map_err(|error| anyhow::anyhow!("{:?}: {error}", self.url))?;
            return McpClient::of_url(&endpoint.url, token);
        }
        let system = SystemEnvironment::new();
        let loaded = files.load_within(LookupScope::Servers, &system)?;
        loaded.warnings.lines().for_each(eprint_line);
        let mut secrets = system.secrets();
        secrets.push(TOKEN_VARIABLE.to_owned());
        let spec = &loaded.config.platform;
        let data = StateStore::folder_of(&spec.fixed.store);
        McpClient::of_config(&spec.dynamic, &secrets, gateway, data)
    }

    /// Returns `true` if the servers are those of a running gateway.
    pub(super) fn is_url(&self) -> bool {
        self.options.is_empty()
    }

    /// Returns a hint for `error` of a running gateway.
    pub(super) fn hint(&self, error: &UpstreamError) -> Option<String> {
        if !self.is_url() {
            return None;
        }
        if matches!(error, UpstreamError::Unauthorized { .. }) {
            return Some(match &self.token {
                None => format!("Set {TOKEN_VARIABLE} to a token of the gateway, or use --token."),
                Some(_) => format!(
                    "The token of --token or {TOKEN_VARIABLE} is not valid for this gateway."
                ),
            });
        }
        if let UpstreamError::Overloaded { retry_after } = error {
            let seconds = retry_after.as_secs_f64().ceil();
            return Some(format!(
                "A limit of the gateway is reached; try again in {seconds} s."
            ));
        }
        if let (Some(name), UpstreamError::Invalid { detail }) = (&self.gateway, error)
            && detail.contains("\"not_found\"")
        {
            return Some(format!("You have no gateway {name:?}."));
        }
        matches!(error, UpstreamError::Connect(_)).then(|| match plain_url(&self.url) {
            Some(plain) => plain,
            None => "Is the gateway running? Set its URL with --url, or use --config or \
                     --mcp-config without a gateway."
                .to_owned(),
        })
    }
}

/// Returns a hint for an `https` URL whose server may have no TLS.
pub(super) fn plain_url(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://")?;
    Some(format!(
        "The gateway itself serves plain HTTP. Use http://{rest} unless a reverse proxy terminates \
         TLS there."
    ))
}

/// URL of a gateway with the default listen address.
pub(super) const DEFAULT_URL: &str = "http://127.0.0.1:8080";
