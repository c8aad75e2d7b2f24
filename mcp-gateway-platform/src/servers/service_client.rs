//! Clients that servers and identity providers have registered.

use mcp_gateway_auth::client::{ClientIdentity, ClientKey, ServiceClient, WorkloadAssertion};
use mcp_gateway_auth::jose::SigningKey;
use mcp_gateway_core::BoxError;
use mcp_gateway_core::auth::Assertion;

use crate::spec::{AssertionSource, ClientProof};

/// Returns the client `id` with `proof`.
///
/// # Errors
///
/// An error if the private key is invalid.
pub(super) fn service_client(id: &str, proof: &ClientProof) -> Result<ServiceClient, BoxError> {
    Ok(match proof {
        ClientProof::Assertion { source, is_grant } => {
            let assertion = match source {
                AssertionSource::File(path) => WorkloadAssertion::file(path.as_path()),
                AssertionSource::Value(token) => {
                    WorkloadAssertion::fixed(Assertion::new(token.expose()))
                }
            };
            match is_grant {
                true => ServiceClient::with_assertion_grant(id, assertion),
                false => ServiceClient::with_assertion(id, assertion),
            }
        }
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
