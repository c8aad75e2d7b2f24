//! `mcp-bench proxy`: the baseline for gateways.
//!
//! It does only what a reverse proxy must do: hyper serves, hyper-util's pooled client forwards,
//! bodies are streamed, and hop-by-hop headers are removed.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Either;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::cli::serve::ProxyArguments;
use crate::serve::serve;

/// Hop-by-hop headers.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Serves until the process receives a signal to terminate.
///
/// # Errors
///
/// Fails when the address cannot be listened on, or the upstream is not an `http` URL.
pub(crate) async fn run(arguments: &ProxyArguments) -> anyhow::Result<()> {
    let upstream: Uri = arguments.upstream.parse().context("invalid upstream URL")?;
    anyhow::ensure!(
        upstream.scheme() == Some(&Scheme::HTTP),
        "the upstream must be an http URL"
    );
    let authority = upstream
        .authority()
        .context("the upstream URL has no host")?
        .clone();
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let proxy = Arc::new(Proxy { authority, client });
    let service = service_fn(move |request| {
        let proxy = Arc::clone(&proxy);
        async move { Ok::<_, Infallible>(proxy.forward(request).await) }
    });
    serve(&arguments.server, service).await
}

/// Target and client of forwarded requests.
struct Proxy {
    authority: Authority,
    client: Client<HttpConnector, Incoming>,
}

impl Proxy {
    async fn forward(
        &self,
        mut request: Request<Incoming>,
    ) -> Response<Either<Incoming, Empty<Bytes>>> {
        remove_hop_by_hop(request.headers_mut());
        // The client names the upstream itself.
        request.headers_mut().remove(header::HOST);
        let path = request.uri().path_and_query().cloned();
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
            .build();
        let Ok(uri) = uri else {
            return refuse(StatusCode::BAD_REQUEST);
        };
        *request.uri_mut() = uri;
        match self.client.request(request).await {
            Ok(mut response) => {
                remove_hop_by_hop(response.headers_mut());
                response.map(Either::Left)
            }
            Err(_) => refuse(StatusCode::BAD_GATEWAY),
        }
    }
}

/// Creates an error response of the proxy itself.
fn refuse(status: StatusCode) -> Response<Either<Incoming, Empty<Bytes>>> {
    let mut response = Response::new(Either::Right(Empty::new()));
    *response.status_mut() = status;
    response
}

/// Removes the hop-by-hop headers, including those listed in `Connection`.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_fields_for_the_other_end_are_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("x-end", "1"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-end"]);
    }
}
