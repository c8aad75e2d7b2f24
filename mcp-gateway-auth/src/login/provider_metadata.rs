//! The metadata of an OpenID Connect provider (OpenID Connect Discovery 1.0).

use url::Url;

use super::provider::ProviderError;
use crate::egress::Egress;
use crate::metadata::{Location, ServerMetadata};

/// The required part of a provider's metadata.
///
/// See [OpenID Connect Discovery, section
/// 3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata).
#[derive(Clone, Debug)]
pub(super) struct ProviderMetadata {
    issuer: String,
    authorization_endpoint: String,
    pub(super) token_endpoint: String,
    pub(super) userinfo_endpoint: Option<String>,
    pub(super) token_endpoint_auth_methods_supported: Vec<String>,
    pub(super) authorization_response_iss_parameter_supported: bool,
}

impl ProviderMetadata {
    /// Fetches the metadata of `issuer`.
    pub(super) async fn fetch(issuer: &str, egress: &Egress) -> Result<Self, ProviderError> {
        let found = ServerMetadata::fetch(egress, issuer, &[Location::OpenId]).await;
        Self::new(found.map_err(ProviderError::unavailable)?)
    }

    /// Takes what the login needs, all of which must be present.
    fn new(found: ServerMetadata) -> Result<Self, ProviderError> {
        let missing = || ProviderError::unavailable("incomplete discovery document");
        let discovery = Self {
            issuer: found.issuer,
            authorization_endpoint: found.authorization_endpoint.ok_or_else(missing)?,
            token_endpoint: found.token_endpoint.ok_or_else(missing)?,
            userinfo_endpoint: found.userinfo_endpoint,
            token_endpoint_auth_methods_supported: found.auth_methods,
            authorization_response_iss_parameter_supported: found.names_itself,
        };
        discovery.authorization_url()?;
        Ok(discovery)
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
            let document = document.to_string();
            let found = ServerMetadata::parse("https://idp.example", document.as_bytes());
            found.is_ok_and(|found| ProviderMetadata::new(found).is_ok())
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
