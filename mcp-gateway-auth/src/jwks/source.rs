//! The location of a key set: a fixed `jwks_uri`, or discovery by the issuer (RFC 8414; OpenID
//! Connect Discovery 1.0).

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::MAX_DOCUMENT;
use crate::egress::{Egress, EgressError, Fetched};
use crate::jose::{KeySet, KeysError};

/// The location of a key set.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Discovery: the `jwks_uri` in the metadata of this issuer.
    Issuer(String),
    /// A fixed address.
    Jwks(String),
}

impl Source {
    /// Fetches the keys, with their maximum age if the response has one.
    pub(super) async fn fetch(
        &self,
        egress: &Egress,
    ) -> Result<(KeySet, Option<Duration>), KeysError> {
        let address = match self {
            Self::Jwks(address) => address.clone(),
            Self::Issuer(issuer) => jwks_uri(egress, issuer).await?,
        };
        let fetched = egress.get_json(&address, MAX_DOCUMENT).await?;
        let keys = KeySet::parse(&fetched.body)?;
        Ok((keys, fetched.max_age()))
    }
}

/// Returns the `jwks_uri` of the issuer. Its metadata must name the same issuer: otherwise an
/// issuer could hand out keys of another one (RFC 8414, section 6.2).
async fn jwks_uri(egress: &Egress, issuer: &str) -> Result<String, KeysError> {
    let fetched = discover(egress, issuer).await?;
    let document: Value =
        serde_json::from_slice(&fetched.body).map_err(|_| KeysError::Malformed)?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(KeysError::Issuer);
    }
    let address = document.get("jwks_uri").and_then(Value::as_str);
    address.map(str::to_owned).ok_or(KeysError::Malformed)
}

/// Fetches the metadata of an issuer, from the location of OpenID Connect Discovery, or otherwise
/// of RFC 8414.
async fn discover(egress: &Egress, issuer: &str) -> Result<Fetched, KeysError> {
    let openid = format!("{}{OPENID}", issuer.trim_end_matches('/'));
    match egress.get_json(&openid, MAX_DOCUMENT).await {
        Err(EgressError::Status(status)) if status.is_client_error() => {}
        result => return Ok(result?),
    }
    let mut oauth = Url::parse(issuer).map_err(|_| KeysError::Unavailable)?;
    let path = oauth.path().trim_end_matches('/').to_owned();
    oauth.set_path(&format!("{OAUTH}{path}"));
    Ok(egress.get_json(oauth.as_str(), MAX_DOCUMENT).await?)
}

/// Well-known path of RFC 8414, inserted before the path of the issuer.
const OAUTH: &str = "/.well-known/oauth-authorization-server";
/// Well-known path of OpenID Connect Discovery, appended to the issuer.
const OPENID: &str = "/.well-known/openid-configuration";
