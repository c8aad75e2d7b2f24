//! Servers over HTTP whose URLs have values of callers.

use std::sync::Arc;

use async_trait::async_trait;
use http::Uri;
use mcp_gateway_auth::egress::{UrlPart, UrlTemplate, UrlValueError};
use mcp_gateway_core::transport::{HttpClient, HttpTransport, Transport};
use mcp_gateway_core::upstream::{Instance, RuntimeBackend, UpstreamError};
use mcp_gateway_core::{BoxError, Credential};
use url::Url;

/// Backend of a server at the URL that each connection completes.
#[derive(Debug)]
pub(super) struct TemplatedRemote {
    template: UrlTemplate,
    client: Arc<dyn HttpClient>,
}

/// The reason for which a connection has no URL. The value is not part of it.
#[derive(Debug, thiserror::Error)]
enum NoUrl {
    #[error("the connection has no value of the input {0:?}, which is part of the URL")]
    Missing(String),
    #[error("the value of the input {0:?} is not accepted in the URL: {1}")]
    Invalid(String, UrlValueError),
}

impl TemplatedRemote {
    /// Creates the backend of the servers at `template`, reached through `client`.
    pub(super) fn new(template: UrlTemplate, client: impl HttpClient) -> Self {
        Self {
            template,
            client: Arc::new(client),
        }
    }

    /// Returns `true` if values decide the path and the query alone.
    pub(super) fn has_fixed_host(template: &UrlTemplate) -> bool {
        template.values().all(|(_, part)| part <= UrlPart::Path)
    }

    /// Returns the URL with the values of `credential`.
    fn url(&self, credential: &Credential) -> Result<Uri, BoxError> {
        let url = self.template.expand(|name, part| {
            let value = credential.value(name);
            let value = value.ok_or_else(|| NoUrl::Missing(name.to_owned()))?;
            let encoded = part.encode(value);
            encoded.map_err(|error| NoUrl::Invalid(name.to_owned(), error))
        })?;
        Ok(Url::parse(&url)?.as_str().parse()?)
    }
}

#[async_trait]
impl RuntimeBackend for TemplatedRemote {
    async fn connect(&self, instance: &Instance) -> Result<Transport, UpstreamError> {
        let url = self.url(instance.credential());
        let url = url.map_err(UpstreamError::connect)?;
        let client = Arc::clone(&self.client);
        Ok(Transport::Http(HttpTransport::new(url, client)))
    }

    fn is_remote(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use mcp_gateway_core::error_chain;
    use mcp_gateway_core::runtime::PooledHttpClient;

    use super::*;
    use crate::spec::url_template;

    fn backend(url: &str) -> TemplatedRemote {
        let template = url_template(url).unwrap().unwrap();
        TemplatedRemote::new(template, PooledHttpClient::new().unwrap())
    }

    #[tokio::test]
    async fn each_connection_has_the_url_of_its_values() {
        let backend =
            backend("https://${input:tenant}.example.com/${input:team}/mcp?k=${input:key}");
        let credential = Credential::new("a").with_value("tenant", "acme");
        let credential = credential
            .with_value("team", "a b")
            .with_value("key", "1&2");
        let instance = Instance::shared().with_credential(credential);
        let Transport::Http(http) = backend.connect(&instance).await.unwrap() else {
            panic!("expected HTTP");
        };
        let expected = "https://acme.example.com/a%20b/mcp?k=1%262";
        assert_eq!(http.uri().to_string(), expected);
    }

    #[tokio::test]
    async fn category_url_value_that_changes_the_host_is_rejected() {
        let backend = backend("https://${input:tenant}.example.com/mcp");
        for value in ["evil.example/", "a@evil.example/?", "127.0.0.1#", ""] {
            let credential = Credential::new("a").with_value("tenant", value);
            let instance = Instance::shared().with_credential(credential);
            let error = error_chain(&backend.connect(&instance).await.unwrap_err());
            assert!(error.contains("is not accepted in the URL"), "{error}");
        }
        let error = backend.connect(&Instance::shared()).await.unwrap_err();
        assert!(
            error_chain(&error).contains("no value of the input"),
            "{error}"
        );
    }

    #[test]
    fn hosts_of_callers_are_reached_through_the_guarded_client() {
        for (url, expected) in [
            ("https://a.example.com/${input:a}?b=${input:b}", true),
            ("https://${input:a}.example.com/${input:b}", false),
        ] {
            let template = url_template(url).unwrap().unwrap();
            assert_eq!(
                TemplatedRemote::has_fixed_host(&template),
                expected,
                "{url}"
            );
        }
    }
}
