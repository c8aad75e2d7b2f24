use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::set::KeySet;
use super::{KeysError, MAX_DOCUMENT};
use crate::egress::{Egress, EgressError, Fetched};

/// Where the keys of an issuer are.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// Where the discovery document of this issuer says.
    Issuer(String),
    /// At this address.
    Jwks(String),
}

impl Source {
    /// Fetches the keys, with how long they may be kept if the response says so.
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

/// The address that the issuer's discovery document has for its keys.
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

/// The discovery document, of OpenID Connect or else of OAuth.
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

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
