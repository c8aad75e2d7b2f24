//! Key `servers[].remote.auth.clientCredentials`: a token that the gateway obtains for itself.
//!
//! | Key | Type |
//! |---|---|
//! | `clientId` | string, required |
//! | `clientSecret` | secret; either this or `privateKey` |
//! | `authMethod` | `client_secret_basic` or `client_secret_post`, with `clientSecret` |
//! | `privateKey` | secret with a PKCS#8 document in PEM |
//! | `keyId`, `audience` | strings, with `privateKey` |
//! | `scopes` | list of strings |

use mcp_gateway_auth::jose::SigningKey;
use mcp_gateway_platform::spec::{ClientProof, RemoteClientCredentials, Secret};

use crate::document::{Field, FromField};

impl FromField for RemoteClientCredentials {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let id: Option<String> = table.required("clientId", Field::read);
        let method = table.get_with("authMethod", secret_method);
        let (key_id, audience) = (table.get("keyId"), table.get("audience"));
        let proof = table.one_of(&["clientSecret", "privateKey"]);
        let is_secret = proof
            .as_ref()
            .is_some_and(|(key, _)| *key == "clientSecret");
        let proof = proof.and_then(|(_, field)| match is_secret {
            true => field.read().map(|secret| ClientProof::Secret {
                secret,
                method: method.clone(),
            }),
            false => private_key(&field).map(|pem| ClientProof::PrivateKey {
                pem,
                id: key_id.clone(),
                audience: audience.clone(),
            }),
        });
        let excess = match is_secret {
            true => key_id
                .or(audience)
                .map(|_: String| "keyId and audience require privateKey"),
            false => method.map(|_| "authMethod requires clientSecret"),
        };
        if let Some(message) = excess {
            table.whole().error(message);
        }
        let scopes = table.get("scopes").unwrap_or_default();
        table.finish();
        let mut credentials = Self::new(id?, proof?);
        credentials.scopes = scopes;
        Some(credentials)
    }
}

/// Reads the name of a client authentication method with a secret.
fn secret_method(field: &Field<'_>) -> Option<String> {
    let names = ["client_secret_basic", "client_secret_post"];
    field.choice(&names.map(|name| (name, name.to_owned())))
}

/// Reads a private key. Without lookups, it is empty.
fn private_key(field: &Field<'_>) -> Option<Secret> {
    let pem: Secret = field.read()?;
    if !pem.expose().is_empty() && SigningKey::from_pem(pem.expose()).is_err() {
        field.error("expected a PKCS#8 private key in PEM, for ES256 or RS256");
        return None;
    }
    Some(pem)
}
