//! Connections to servers at addresses that others choose.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use mcp_gateway_core::error_chain;
use mcp_gateway_core::transport::{HttpBody, HttpClient};
use mcp_gateway_core::upstream::UpstreamError;
use url::Url;

use super::policy::EgressDenied;
use super::{Egress, EgressError};

/// Sends the requests of a transport to an address that the policy permits.
///
/// Responses have no deadline and no limit, because they may be streams: those of the server apply.
/// The URL may have secrets, and is not logged.
#[async_trait]
impl HttpClient for Egress {
    async fn request(&self, request: Request<Bytes>) -> Result<Response<HttpBody>, UpstreamError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let unavailable = |reason: &dyn std::error::Error| {
            tracing::warn!(%host, reason = error_chain(reason), "outbound request failed");
            UpstreamError::connect(EgressError::Unavailable)
        };
        let url = Url::parse(&request.uri().to_string());
        let url = url.map_err(|error| unavailable(&error))?;
        let permitted: Result<(), EgressDenied> = self.policy().check_url(&url);
        permitted.map_err(|denied| unavailable(&denied))?;
        match self.client().request(request.map(Full::new)).await {
            Ok(response) => Ok(response.map(HttpBody::new)),
            Err(error) if error.is_connect() => Err(unavailable(&error)),
            Err(error) => {
                tracing::debug!(%host, %error, "upstream connection closed");
                Err(UpstreamError::Closed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::EgressPolicy;

    #[tokio::test]
    async fn category_url_value_servers_on_this_machine_are_out_of_reach() {
        let egress = Egress::new(EgressPolicy::new().with_any_port()).unwrap();
        for url in [
            "https://127.0.0.1:1/mcp",
            "http://a.example.com/mcp",
            "https://169.254.169.254/mcp",
            "https://localhost:1/mcp",
        ] {
            let request = Request::get(url).body(Bytes::new()).unwrap();
            let error = egress.request(request).await.unwrap_err();
            assert_eq!(
                error_chain(&error).matches("address unreachable").count(),
                1,
                "{error}"
            );
        }
    }
}
