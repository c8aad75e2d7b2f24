//! The metadata of an OpenID Connect provider (OpenID Connect Discovery 1.0).

use serde::Deserialize;
use url::Url;

use super::provider::ProviderError;
use crate::egress::Egress;

/// The required part of a provider's metadata.
///
/// See [OpenID Connect Discovery, section
/// 3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Discovery {
    issuer: String,
    authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) userinfo_endpoint: Option<String>,
    #[serde(default)]
    pub(super) token_endpoint_auth_methods_supported: Vec<String>,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl Discovery {
    /// Fetches the metadata of `issuer`.
    pub(super) async fn fetch(issuer: &str, egress: &Egress) -> Result<Self, ProviderError> {
        let url = format!("{}{WELL_KNOWN}", issuer.trim_end_matches('/'));
        let fetched = egress.get_json(&url, MAX_DOCUMENT).await;
        let fetched = fetched.map_err(ProviderError::unavailable)?;
        Self::parse(issuer, &fetched.body)
    }

    /// Parses the metadata, which must name the same issuer.
    fn parse(issuer: &str, json: &[u8]) -> Result<Self, ProviderError> {
        let found: Self = serde_json::from_slice(json).map_err(ProviderError::unavailable)?;
        if found.issuer != issuer {
            return Err(ProviderError::unavailable(
                "issuer mismatch in discovery document",
            ));
        }
        found.authorization_url()?;
        Ok(found)
    }

    /// Returns the authorization endpoint. The egress policy does not apply, because the browser
    /// opens it.
    pub(super) fn authorization_url(&self) -> Result<Url, ProviderError> {
        let url = Url::parse(&self.authorization_endpoint).map_err(ProviderError::unavailable)?;
        match url.scheme() {
            "https" => Ok(url),
            "http" if self.issuer.starts_with("http:") => Ok(url),
            _ => Err(ProviderError::unavailable(
                "authorization endpoint is not an https URL",
            )),
        }
    }
}

/// Well-known path, appended to the issuer.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// Maximum size of the metadata, in bytes.
const MAX_DOCUMENT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn o11_discovery_is_of_the_issuer_and_leads_to_the_web() {
        let parse = |issuer: &str, endpoint: &str| {
            let document = json!({
                "issuer": issuer,
                "authorization_endpoint": endpoint,
                "token_endpoint": "https://idp.example/token",
            });
            Discovery::parse("https://idp.example", document.to_string().as_bytes()).is_ok()
        };
        assert!(parse(
            "https://idp.example",
            "https://login.example/authorize"
        ));
        for issuer in [
            "https://idp.example/",
            "https://IDP.example",
            "https://evil.example",
            "",
        ] {
            assert!(!parse(issuer, "https://idp.example/authorize"), "{issuer}");
        }
        for endpoint in [
            "javascript:alert(1)",
            "file:///etc/passwd",
            "http://idp.example",
            "x",
            "",
        ] {
            assert!(!parse("https://idp.example", endpoint), "{endpoint}");
        }
    }
}
