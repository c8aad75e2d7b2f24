//! The location of a key set: a fixed `jwks_uri`, or discovery by the issuer (RFC 8414; OpenID
//! Connect Discovery 1.0).

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

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
    /// A fixed address, and a file with the access token that it requires.
    Protected { url: String, token: PathBuf },
}

impl JwksSource {
    /// Fetches the keys, with their maximum age if the response has one.
    pub(super) async fn fetch(
        &self,
        egress: &Egress,
    ) -> Result<(KeySet, Option<Duration>), JwksError> {
        let fetched = match self {
            Self::Jwks(address) => egress.get_json(address, MAX_DOCUMENT).await?,
            Self::Issuer(issuer) => {
                let address = jwks_uri(egress, issuer).await?;
                egress.get_json(&address, MAX_DOCUMENT).await?
            }
            Self::Protected { url, token } => {
                let token = read_token(token)?;
                egress.get_json_as(url, &token, MAX_DOCUMENT).await?
            }
        };
        let keys = KeySet::parse(&fetched.body)?;
        Ok((keys, fetched.max_age()))
    }
}

/// Reads an access token. Platforms replace its file while it is in use.
fn read_token(path: &Path) -> Result<Zeroizing<String>, JwksError> {
    let read = || {
        let mut text = Zeroizing::new(String::new());
        File::open(path)?
            .take(MAX_TOKEN)
            .read_to_string(&mut text)
            .map(|_| text)
    };
    let text = read().map_err(|error: io::Error| {
        tracing::warn!(path = %path.display(), %error, "token of the key set unreadable");
        JwksError::Unavailable
    })?;
    Ok(Zeroizing::new(text.trim().to_owned()))
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

/// Maximum size of a token file, in bytes.
const MAX_TOKEN: u64 = 64 * 1024;
