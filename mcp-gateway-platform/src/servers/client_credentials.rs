//! Credentials for which the gateway requests tokens as a registered client.

use std::sync::{Arc, OnceLock};

use ipnet::IpNet;
use mcp_gateway_auth::client::{ClientCredentials, OAuthClient, TokenExchange};
use mcp_gateway_auth::egress::Egress;
use mcp_gateway_core::{BoxError, Credential};
use url::Url;

use super::credential;
use super::service_client::service_client;
use super::token_exchange::{ExchangeTools, token_exchange};
use crate::auth::CallerIdentities;
use crate::auth::client_egress;
use crate::spec::{RemoteAuth, ServerRuntime};

/// Creator of the credentials for which the gateway requests tokens as a registered client.
#[derive(Debug, Default)]
pub(crate) struct ClientCredentialsFactory {
    /// Private networks that egress may reach.
    networks: Vec<IpNet>,
    /// Egress to any port, created with the first credential.
    egress: OnceLock<Egress>,
    /// Parts of the exchanges of identities.
    exchanges: ExchangeTools,
}

impl ClientCredentialsFactory {
    /// Creates a factory whose authorization servers are public, or in `networks`.
    ///
    /// It exchanges the identities `callers`.
    pub(crate) fn new(networks: Vec<IpNet>, callers: CallerIdentities) -> Self {
        Self {
            networks,
            exchanges: ExchangeTools::new(callers),
            ..Self::default()
        }
    }

    /// Creates the credential at the server `transport`; `None` unless the gateway authenticates as
    /// itself there.
    ///
    /// # Errors
    ///
    /// An error if the server is not `https`, the key is invalid, or no certificate authority is
    /// trusted.
    pub(crate) fn create(
        &self,
        transport: &ServerRuntime,
    ) -> Result<Option<ClientCredentials>, BoxError> {
        let ServerRuntime::Remote(remote) = transport else {
            return Ok(None);
        };
        let Some(RemoteAuth::ClientCredentials(client)) = &remote.auth else {
            return Ok(None);
        };
        let url = Url::parse(&remote.url.to_string())?;
        let oauth = OAuthClient::new(self.egress()?, url)?;
        let none = || Credential::new(Arc::from("configuration"));
        let rest = credential(transport).unwrap_or_else(none);
        let credentials = ClientCredentials::new(
            oauth,
            service_client(&client.client_id, &client.proof)?,
            rest,
        );
        Ok(Some(match client.scopes.is_empty() {
            true => credentials,
            false => credentials.with_scope(client.scopes.join(" ")),
        }))
    }

    /// Creates the resolver of the server `transport` that exchanges the identities of callers; `None`
    /// if none does.
    ///
    /// # Errors
    ///
    /// The same as those of [`create`](Self::create).
    pub(crate) fn exchange(
        &self,
        transport: &ServerRuntime,
    ) -> Result<Option<TokenExchange>, BoxError> {
        let Some(spec) = transport.exchange() else {
            return Ok(None);
        };
        let tools = (self.egress()?, &self.exchanges);
        token_exchange(transport, spec, tools).map(Some)
    }

    fn egress(&self) -> Result<Egress, BoxError> {
        if let Some(egress) = self.egress.get() {
            return Ok(egress.clone());
        }
        let egress = client_egress(&self.networks)?;
        Ok(self.egress.get_or_init(|| egress).clone())
    }
}
