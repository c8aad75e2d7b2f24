//! Credentials of the gateway itself at servers.

use std::sync::{Arc, OnceLock};

use ipnet::IpNet;
use mcp_gateway_auth::client::{
    ClientCredentials, ClientIdentity, ClientKey, OAuthClient, ServiceClient,
};
use mcp_gateway_auth::egress::Egress;
use mcp_gateway_auth::jose::SigningKey;
use mcp_gateway_core::{BoxError, Credential};
use url::Url;

use super::credential;
use crate::auth::client_egress;
use crate::spec::{ClientProof, RemoteAuth, RemoteClientCredentials, ServerRuntime};

/// Creator of the credentials of the gateway itself.
#[derive(Debug, Default)]
pub(crate) struct ClientCredentialsFactory {
    /// Private networks that egress may reach.
    networks: Vec<IpNet>,
    /// Egress to any port, created with the first credential.
    egress: OnceLock<Egress>,
}

impl ClientCredentialsFactory {
    /// Creates a factory whose authorization servers are public, or in `networks`.
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self {
            networks,
            egress: OnceLock::new(),
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
        let credentials = ClientCredentials::new(oauth, service_client(client)?, rest);
        Ok(Some(match client.scopes.is_empty() {
            true => credentials,
            false => credentials.with_scope(client.scopes.join(" ")),
        }))
    }

    fn egress(&self) -> Result<Egress, BoxError> {
        if let Some(egress) = self.egress.get() {
            return Ok(egress.clone());
        }
        let egress = client_egress(&self.networks)?;
        Ok(self.egress.get_or_init(|| egress).clone())
    }
}

/// Returns the client of `spec`.
fn service_client(spec: &RemoteClientCredentials) -> Result<ServiceClient, BoxError> {
    let id = &*spec.client_id;
    Ok(match &spec.proof {
        ClientProof::PrivateKey {
            pem,
            id: kid,
            audience,
        } => {
            let mut key = ClientKey::new(SigningKey::from_pem(pem.expose())?);
            if let Some(kid) = kid {
                key = key.with_id(kid);
            }
            if let Some(audience) = audience {
                key = key.with_audience(audience);
            }
            ServiceClient::with_key(id, key)
        }
        ClientProof::Secret { secret, method } => {
            let mut identity = ClientIdentity::confidential(id, secret.expose());
            identity.auth_method.clone_from(method);
            identity.into()
        }
    })
}
