//! Key `servers[].remote.auth.clientCredentials`: a token that the gateway obtains for itself.
//!
//! | Key | Type |
//! |---|---|
//! | those of a client | see [`ClientProof`] |
//! | `grant` | `client_credentials` or `jwt-bearer`, which requires an assertion |
//! | `scopes` | list of strings |
//!
//! With `grant: jwt-bearer`, the assertion of the platform is the grant for which tokens are issued
//! (RFC 7523, section 2.1), and the client is public. Otherwise it authenticates the client.

use mcp_gateway_platform::spec::{ClientProof, RemoteClientCredentials};

use super::client::client;
use crate::document::{Field, FromField};

impl FromField for RemoteClientCredentials {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let (id, mut proof) = client(&mut table);
        if table.get_with("grant", |field| field.choice(&GRANTS)) == Some(true) {
            match &mut proof {
                Some(ClientProof::Assertion { is_grant, .. }) => *is_grant = true,
                Some(_) => {
                    let message = "grant: jwt-bearer requires assertion or assertionFile";
                    table.whole().error(message);
                }
                None => {}
            }
        }
        let scopes = table.get("scopes").unwrap_or_default();
        table.finish();
        let mut credentials = Self::new(id?, proof?);
        credentials.scopes = scopes;
        Some(credentials)
    }
}

/// Values of `grant`, and whether the assertion of the client is the grant.
const GRANTS: [(&str, bool); 2] = [("client_credentials", false), ("jwt-bearer", true)];
