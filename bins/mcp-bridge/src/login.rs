//! Login at a server that requires a token.

use std::io::{self, Write as _};

use anyhow::Context as _;
use mcp_gateway_auth::client::{
    ClientError, ClientIdentity, Grant, OAuthClient, OAuthClientFlow, SignInEvent, open_browser,
    policy_for,
};
use mcp_gateway_auth::egress::Egress;
use url::Url;

use crate::http_server::HttpArgs;

/// Logs in at the server; `None` if it requires no token, or cannot be asked.
///
/// # Errors
///
/// Fails if the server requires a token, and a step of the login fails.
pub(crate) async fn log_in(args: &HttpArgs) -> anyhow::Result<Option<Grant>> {
    let url: Url = args.url.to_string().parse()?;
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
