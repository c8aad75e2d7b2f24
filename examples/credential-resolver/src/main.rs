//! A gateway that calls its server with the credential of each caller.
//!
//! Callers authenticate to the gateway with their own tokens. The server receives the token that the
//! vault stores for the caller. A caller without one receives a link to obtain it, and the server is
//! not called.
//!
//! ```sh
//! CRM_URL=http://127.0.0.1:9000/mcp cargo run -p credential-resolver
//! ```

use std::collections::HashMap;
use std::env;
use std::io::{Write as _, stdout};

use async_trait::async_trait;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_auth::StaticTokens;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::{CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{Caller, Credential, Gateway, Serve, UpstreamServer};
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;

/// Upstream tokens of each user for each server.
///
/// A real implementation queries a database and caches the result: it is called for every call.
#[derive(Debug)]
struct Vault {
    /// Tokens by subject of the user and name of the server.
    tokens: HashMap<(&'static str, &'static str), HeaderValue>,
}

#[async_trait]
impl CredentialResolver for Vault {
    async fn resolve(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Credential, CredentialError> {
        let user = caller.principal().subject();
        let token = self.tokens.get(&(user, &*target.server));
        let token = token.ok_or_else(|| CredentialError::NotConnected {
            url: Some("https://crm.example.com/tokens".into()),
        })?;
        // Sessions with the server are shared within an account, and never between accounts.
        Ok(Credential::new(user).with_header(AUTHORIZATION, token.clone()))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let callers = StaticTokens::new()
        .with_token("token-of-alice", Principal::new("alice"))
        .with_token("token-of-bob", Principal::new("bob"))
        .with_token("token-of-carol", Principal::new("carol"));
    let vault = Vault {
        tokens: HashMap::from([
            (("alice", "crm"), HeaderValue::from_static("Bearer crm-a")),
            (("bob", "crm"), HeaderValue::from_static("Bearer crm-b")),
        ]),
    };
    let gateway = Gateway::builder(callers)
        .server(UpstreamServer::http("crm", &env::var("CRM_URL")?)?)
        .with_credentials(vault)
        .build()?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    writeln!(stdout(), "http://{}/mcp", listener.local_addr()?)?;
    let shutdown = gateway.shutdown_when(ctrl_c());
    Serve::new(listener).run(gateway.clone(), shutdown).await;
    gateway.close().await;
    Ok(())
}
