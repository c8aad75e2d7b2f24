//! Clients that are registered with authorization servers, and their authentication.
//!
//! An assertion is a token by which the platform of the gateway identifies it. That in a file is
//! read again for each request, because platforms replace it; a secret is read once.
//!
//! | Key | Type |
//! |---|---|
//! | `clientId` | string, required |
//! | `clientSecret`, `privateKey`, `assertion`, `assertionFile` | one of them: secret; secret with a PKCS#8 document in PEM; secret; path |
//! | `authMethod` | `client_secret_basic` or `client_secret_post`, with `clientSecret` |
//! | `keyId`, `audience` | strings, with `privateKey` |

use mcp_gateway_auth::jose::SigningKey;
use mcp_gateway_platform::spec::{AssertionSource, ClientProof, ExchangeClient, Secret};

use crate::document::{Field, FromField, Table};

impl FromField for ExchangeClient {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let (id, proof) = client(&mut table);
        table.finish();
        Some(Self::new(id?, proof?))
    }
}

/// Reads the identifier and the authentication of a client.
///
/// Both are `None` if they are missing or invalid, which is recorded. The other keys of the table are
/// left to the caller.
pub(super) fn client(table: &mut Table<'_>) -> (Option<String>, Option<ClientProof>) {
    let id = table.required("clientId", Field::read);
    let method = table.get_with("authMethod", secret_method);
    let (key_id, audience): (Option<String>, _) = (table.get("keyId"), table.get("audience"));
    let proof = table.one_of(&PROOFS);
    let kind = proof.as_ref().map(|(kind, _)| *kind);
    if (key_id.is_some() || audience.is_some()) && kind.is_some_and(|kind| kind != "privateKey") {
        table.whole().error("keyId and audience require privateKey");
    }
    if method.is_some() && kind.is_some_and(|kind| kind != "clientSecret") {
        table.whole().error("authMethod requires clientSecret");
    }
    let proof = proof.and_then(|(kind, field)| {
        let assertion = |source| ClientProof::Assertion {
            source,
            is_grant: false,
        };
        Some(match kind {
            "assertion" => assertion(AssertionSource::Value(field.read()?)),
            "assertionFile" => assertion(AssertionSource::File(field.text()?.into())),
            "clientSecret" => ClientProof::Secret {
                secret: field.read()?,
                method,
            },
            _ => ClientProof::PrivateKey {
                pem: private_key(&field)?,
                id: key_id,
                audience,
            },
        })
    });
    (id, proof)
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

/// Keys of the authentication.
const PROOFS: [&str; 4] = ["assertion", "assertionFile", "clientSecret", "privateKey"];
