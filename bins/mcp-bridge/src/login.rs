//! Login at a server that requires a token.

use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::Args;
use http::Uri;
use mcp_gateway_auth::client::{
    ClientError, ClientIdentity, Grant, OAuthClient, OAuthClientFlow, SignInEvent, open_browser,
    policy_for,
};
use mcp_gateway_auth::egress::Egress;
use url::Url;

/// Options of the login.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Print the login URL without opening a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Client identifier at the authorization server, with the redirect URI
    /// http://127.0.0.1/callback; without it, a client is registered
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
}

/// Logs in at the server `url`; `None` if it requires no token, or cannot be asked.
///
/// # Errors
///
/// Fails if the server requires a token, and a step of the login fails.
pub(crate) async fn log_in(url: &Uri, args: &LoginArgs) -> anyhow::Result<Option<Grant>> {
    let url: Url = url.to_string().parse()?;
    let egress = Egress::new(policy_for(&url).await);
    let egress = egress.context("cannot read the system certificates")?;
    let client = match OAuthClient::new(egress, url) {
        Ok(client) => client,
        // It works without a token, or not at all.
        Err(error) => {
            tracing::debug!(%error, "login skipped");
            return Ok(None);
        }
    };
    match client.challenge().await {
        Ok(Some(_)) => {}
        Ok(None) => return Ok(None),
        // The first call reports an unreachable server, or finds it reachable again.
        Err(error) => {
            tracing::debug!(%error, "login skipped");
            return Ok(None);
        }
    }
    let opens_browser = !args.no_browser;
    let mut sign_in = OAuthClientFlow::new(client)
        .with_name("mcp-bridge")
        .on_event(move |event| report(&event, opens_browser));
    if let Some(id) = &args.client_id {
        sign_in = sign_in.with_identity(ClientIdentity::public(id));
    }
    sign_in.run().await.map_err(|error| match error {
        ClientError::NoRegistration(_) => {
            anyhow::Error::new(error).context("pass a registered client with --client-id")
        }
        error => error.into(),
    })
}

/// Prints the address that logs in. Standard output is for messages.
fn report(event: &SignInEvent<'_>, opens_browser: bool) {
    if let SignInEvent::Authorize(address) = event {
        let _ = writeln!(io::stderr().lock(), "Open this to log in:\n\n  {address}\n");
        if opens_browser {
            open_browser(address);
        }
    }
}
