//! HTTP server over stdio.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Uri};
use mcp_gateway_auth::StaticCredentials;
use mcp_gateway_auth::client::GrantCredentials;
use mcp_gateway_core::Credential;
use mcp_gateway_core::auth::{AllowAnonymous, Principal};
use mcp_gateway_core::credential::CredentialResolver;
use mcp_gateway_core::host_policy::HostPolicy;
use mcp_gateway_core::runtime::{PooledHttpClient, Remote};
use mcp_gateway_core::upstream::UpstreamServer;

use crate::bridge::{Bridge, BridgeParts, SERVER};
use crate::login::{LoginArgs, log_in};
use crate::shutdown::ShutdownSignal;

#[derive(Debug, Args)]
pub(crate) struct HttpArgs {
    /// URL of the server
    #[arg(value_parser = url)]
    url: Uri,
    /// Request header, such as 'X-Api-Key: ${API_KEY}'; may be repeated. References to environment
    /// variables are replaced
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// Environment variable that contains the bearer token
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// Do not log in, even if the server requires a token
    #[arg(long)]
    no_login: bool,
    #[command(flatten)]
    login: LoginArgs,
}

/// Serves the client on standard input and output until the client disconnects.
///
/// # Errors
///
/// Fails if the bridge cannot start, or if writing to the client fails.
pub(crate) async fn run(args: HttpArgs) -> anyhow::Result<()> {
    let mut stop = ShutdownSignal::listen().context("cannot register signal handlers")?;
    let credential = credential(&args, |name| std::env::var(name).ok())?;
    let credentials = credentials(&args, credential).await?;
    let client = PooledHttpClient::new().context("cannot read the system certificates")?;
    let server = UpstreamServer::builder(SERVER, Remote::new(args.url, client)).build();
    let bridge = Bridge::new(
        server,
        BridgeParts {
            // Only the process that started this one can call.
            verifier: Arc::new(AllowAnonymous::new()),
            credentials,
            guard: HostPolicy::new(),
        },
    )?;
    let principal = Principal::new("stdio");
    let serving = bridge
        .gateway
        .serve_lines(principal, tokio::io::stdin(), tokio::io::stdout());
    let served = tokio::select! {
        served = serving => served.context("cannot serve the client"),
        () = stop.requested() => Ok(()),
    };
    tokio::select! {
        () = bridge.close() => {}
        () = stop.requested() => {}
    }
    served
}

/// Returns the source of the upstream credential: the command line, or otherwise a login.
async fn credentials(
    args: &HttpArgs,
    credential: Credential,
) -> anyhow::Result<Arc<dyn CredentialResolver>> {
    if !args.no_login
        && !credential
            .headers()
            .iter()
            .any(|(name, _)| name == AUTHORIZATION)
        && let Some(grant) = log_in(&args.url, &args.login).await?
    {
        return Ok(Arc::new(GrantCredentials::new(grant, credential)));
    }
    Ok(Arc::new(StaticCredentials::new([(SERVER, credential)])))
}

/// Builds the upstream credential.
fn credential(
    args: &HttpArgs,
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Credential> {
    let mut credential = Credential::new("command line");
    if let Some(name) = &args.token_env {
        let token = variable(name).ok_or_else(|| missing(name))?;
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let value = value.with_context(|| format!("{name} is not a valid token"))?;
        credential = credential.with_header(AUTHORIZATION, value);
    }
    for header in &args.header {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| anyhow!("invalid header; expected NAME: VALUE"))?;
        let name: HeaderName = name
            .trim()
            .parse()
            .with_context(|| format!("invalid header name {name:?}"))?;
        let value = HeaderValue::try_from(expand(value.trim(), &variable)?);
        let value = value.with_context(|| format!("invalid value of header {name}"))?;
        credential = credential.with_header(name, value);
    }
    Ok(credential)
}

/// Replaces references `${NAME}` by the values of variables.
fn expand(text: &str, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').context("\"${\" without \"}\"")?;
        expanded.push_str(before);
        expanded.push_str(&variable(name).ok_or_else(|| missing(name))?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn missing(name: &str) -> anyhow::Error {
    anyhow!("environment variable {name} is not set")
}

fn url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|error| format!("{error}"))?;
    match (url.scheme_str(), url.host()) {
        (Some("http" | "https"), Some(_)) => Ok(url),
        _ => Err("expected a URL such as https://mcp.example.com/mcp".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(header: &[&str], token_env: Option<&str>) -> HttpArgs {
        HttpArgs {
            url: Uri::from_static("http://localhost"),
            header: header.iter().map(|header| (*header).to_owned()).collect(),
            token_env: token_env.map(str::to_owned),
            no_login: false,
            login: LoginArgs {
                no_browser: true,
                client_id: None,
            },
        }
    }

    fn presented(args: &HttpArgs) -> Result<Vec<String>, String> {
        let variable = |name: &str| (name == "KEY").then(|| "k3y".to_owned());
        let credential = credential(args, variable).map_err(|error| error.to_string())?;
        let headers = credential.headers().iter();
        Ok(headers
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect())
    }

    #[test]
    fn headers_may_refer_to_variables() {
        let headers = args(&["X-Key: a ${KEY} b${KEY}", "x-plain:$1"], Some("KEY"));
        let expected = ["authorization=Bearer k3y", "x-key=a k3y bk3y", "x-plain=$1"];
        assert_eq!(presented(&headers).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_presented_is_refused() {
        for header in ["no colon", "b@d name: x", "x: ${MISSING}", "x: ${KEY"] {
            assert!(presented(&args(&[header], None)).is_err(), "{header}");
        }
        assert!(
            presented(&args(&[], Some("MISSING")))
                .unwrap_err()
                .contains("MISSING")
        );
    }

    #[test]
    fn urls_are_those_of_servers() {
        assert!(url("https://mcp.example.com/mcp").is_ok());
        for text in ["", "/mcp", "localhost:8080", "ftp://a", "http://"] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
