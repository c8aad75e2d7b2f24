//! The location of a key set: a fixed `jwks_uri`, or discovery by the issuer (RFC 8414; OpenID
//! Connect Discovery 1.0).

use std::time::Duration;

use super::MAX_DOCUMENT;
use crate::egress::Egress;
use crate::jose::{JwksError, KeySet};
use crate::metadata::{Location, MetadataError, ServerMetadata};

/// The location of a key set.
#[derive(Clone, Debug)]
pub(super) enum JwksSource {
    /// Discovery: the `jwks_uri` in the metadata of this issuer.
    Issuer(String),
    /// A fixed address.
    Jwks(String),
}

impl JwksSource {
    /// Fetches the keys, with their maximum age if the response has one.
    pub(super) async fn fetch(
        &self,
        egress: &Egress,
    ) -> Result<(KeySet, Option<Duration>), JwksError> {
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
async fn jwks_uri(egress: &Egress, issuer: &str) -> Result<String, JwksError> {
    let locations = [Location::OpenId, Location::OAuth];
    let metadata = ServerMetadata::fetch(egress, issuer, &locations).await;
    let metadata = metadata.map_err(|error| match error {
        MetadataError::Egress { .. } => JwksError::Unavailable,
        MetadataError::Issuer(_) => JwksError::Issuer,
        MetadataError::Malformed => JwksError::Malformed,
    })?;
    metadata.jwks_uri.ok_or(JwksError::Malformed)
}
