//! Client of one Streamable HTTP endpoint, as far as the eras share it.
//!
//! The modules `modern_http`, `legacy_http` and `legacy_sse` build connections on it. It adds the
//! headers of the transport; responses are those of `post_response`.
//!
//! See [MCP 2026-07-28, Streamable
//! HTTP](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http).

use std::sync::Arc;

use bytes::Bytes;
use http::uri::Scheme;
use http::{
    Extensions, HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};

use crate::Credential;
use crate::credential::RequestSigner;
use crate::error::UpstreamError;
use crate::protocol::{
    ProtocolVersion, header as mcp_header,
    header::{LAST_EVENT_ID, MCP_PROTOCOL_VERSION, MCP_SESSION_ID},
};
use crate::transport::{HttpBody, HttpTransport, StandaloneStream};
use crate::upstream::post_response::{EVENT_STREAM, JSON};

/// Client of one MCP endpoint, with the headers that every request carries.
///
/// Cloning copies the headers; the HTTP client and its connections are shared.
#[derive(Clone, Debug)]
pub(super) struct HttpEndpoint {
    /// URL of the endpoint and HTTP client.
    pub(super) transport: HttpTransport,
    /// Headers of every request.
    headers: HeaderMap,
    /// Signer of every request.
    signer: Option<Arc<dyn RequestSigner>>,
    /// Maximum size of a message in bytes.
    limit: usize,
}

impl HttpEndpoint {
    /// Creates a client that accepts JSON and event streams, and messages of at most `limit` bytes.
    pub(super) fn new(transport: HttpTransport, limit: usize) -> Self {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        // Without it, a server may choose any coding (RFC 9110, section 12.5.3).
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        let agent = concat!("mcp-gateway/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        if let Some(host) = host(transport.uri()) {
            headers.insert(header::HOST, host);
        }
        Self {
            transport,
            headers,
            signer: None,
            limit,
        }
    }

    /// Adds the header `MCP-Protocol-Version` to every request.
    pub(super) fn with_version(mut self, version: ProtocolVersion) -> Self {
        let version = HeaderValue::from_static(version.as_str());
        self.headers.insert(MCP_PROTOCOL_VERSION, version);
        self
    }

    /// Adds the header `Mcp-Session-Id` to every request, if the server has set one.
    pub(super) fn with_session(mut self, session: Option<HeaderValue>) -> Self {
        if let Some(session) = session {
            self.headers.insert(MCP_SESSION_ID, session);
        }
        self
    }

    /// Adds the headers of `credential` to every request, replacing those of the same name, and its
    /// signature.
    pub(super) fn with_credential(mut self, credential: &Credential) -> Self {
        for (name, value) in credential.headers() {
            self.headers.insert(name, value.clone());
        }
        self.signer = credential.signer().cloned();
        self
    }

    /// Directs requests to another URL of the same server.
    ///
    /// The caller must have validated that it has the same origin, because the credential is sent
    /// along.
    pub(super) fn with_uri(mut self, uri: Uri) -> Self {
        self.transport = HttpTransport::new(uri, Arc::clone(self.transport.client()));
        self
    }

    /// Returns `true` if requests carry a session ID.
    pub(super) fn has_session(&self) -> bool {
        self.headers.contains_key(MCP_SESSION_ID)
    }

    /// Returns the maximum size of a message in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns a copy of the headers of every request, to be completed for a single one.
    pub(super) fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    /// Sends a POST request with `headers` and `body`, and returns the response with its body
    /// unread.
    ///
    /// `headers` is called once, and again for each redirect and for another signature.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Connect`] if the server cannot be reached, [`UpstreamError::Closed`] if the
    /// connection breaks, and those of `headers`.
    pub(super) async fn post(
        &self,
        headers: impl Fn() -> Result<HeaderMap, UpstreamError>,
        body: Bytes,
    ) -> Result<Response<HttpBody>, UpstreamError> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        self.request(request, headers).await
    }

    /// Opens an event stream, or resumes the one whose last event was `after`.
    ///
    /// An event ID that is not a valid header value is left out.
    pub(super) async fn get(
        &self,
        after: Option<&str>,
    ) -> Result<Response<HttpBody>, UpstreamError> {
        self.open(after, Extensions::new()).await
    }

    /// Opens the standalone stream of a session, or resumes it after the event `after`.
    pub(super) async fn listen(
        &self,
        after: Option<&str>,
    ) -> Result<Response<HttpBody>, UpstreamError> {
        let mut extensions = Extensions::new();
        extensions.insert(StandaloneStream);
        self.open(after, extensions).await
    }

    async fn open(
        &self,
        after: Option<&str>,
        extensions: Extensions,
    ) -> Result<Response<HttpBody>, UpstreamError> {
        let after = after.and_then(|after| HeaderValue::from_str(after).ok());
        let headers = || {
            let mut headers = self.headers();
            headers.remove(header::CONTENT_TYPE);
            headers.insert(header::ACCEPT, HeaderValue::from_static(EVENT_STREAM));
            if let Some(after) = &after {
                headers.insert(LAST_EVENT_ID, after.clone());
            }
            Ok(headers)
        };
        let mut request = Request::new(Bytes::new());
        *request.extensions_mut() = extensions;
        self.request(request, headers).await
    }

    /// Deletes the session, by a DELETE request.
    pub(super) async fn delete(&self) -> Result<Response<HttpBody>, UpstreamError> {
        let headers = || {
            let mut headers = self.headers();
            headers.remove(header::CONTENT_TYPE);
            Ok(headers)
        };
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::DELETE;
        self.request(request, headers).await
    }

    /// Sends `model` with exactly these headers and the signature, and follows redirects that
    /// preserve it (307 and 308) within the origin of the server.
    ///
    /// Another origin would receive the credential, so that a redirect to it is an error.
    async fn request(
        &self,
        model: Request<Bytes>,
        headers: impl Fn() -> Result<HeaderMap, UpstreamError>,
    ) -> Result<Response<HttpBody>, UpstreamError> {
        let (mut target, mut may_sign_again) = (None, true);
        for _ in 0..MAX_REDIRECTS {
            let uri = target.as_ref().unwrap_or_else(|| self.transport.uri());
            let mut request = model.clone();
            *request.uri_mut() = uri.clone();
            // Redirects are rare: a copy for them would cost every call.
            *request.headers_mut() = headers()?;
            let signer = self.signer.as_ref();
            if let Some(signer) = signer {
                signer.sign(&mut request);
            }
            let response = self.transport.client().request(request).await?;
            let is_challenged = |signer: &Arc<dyn RequestSigner>| {
                signer.is_challenged(response.status(), response.headers())
            };
            match redirected(uri, &response) {
                Some(uri) => target = Some(uri),
                None if may_sign_again && signer.is_some_and(is_challenged) => {
                    may_sign_again = false
                }
                None => return Ok(response),
            }
        }
        Err(UpstreamError::Redirect)
    }
}

/// Returns the URL to repeat the request at: that of a redirect with status 307 or 308 to the same
/// origin.
fn redirected(uri: &Uri, response: &Response<HttpBody>) -> Option<Uri> {
    let status = response.status();
    if status != StatusCode::TEMPORARY_REDIRECT && status != StatusCode::PERMANENT_REDIRECT {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    super::legacy_sse::resolve(uri, location)
}

/// Adds the headers that mirror `method` and `name`: `Mcp-Method` and `Mcp-Name`.
///
/// A name that is not a valid header value is encoded as the specification describes.
pub(super) fn mirror_headers(
    headers: &mut HeaderMap,
    method: &str,
    name: Option<&str>,
) -> Result<(), UpstreamError> {
    let method = HeaderValue::from_str(method)
        .map_err(|_| UpstreamError::invalid("the method is not a valid header value"))?;
    headers.insert(mcp_header::MCP_METHOD, method);
    if let Some(name) = name {
        headers.insert(mcp_header::MCP_NAME, mcp_header::encode(name));
    }
    Ok(())
}

/// Returns the `Host` header of requests to `uri`, which an HTTP client formats for each of them
/// otherwise.
///
/// Returns `None` for `https`, because requests over HTTP/2 have no such header.
fn host(uri: &Uri) -> Option<HeaderValue> {
    let host = uri.host().filter(|_| uri.scheme() == Some(&Scheme::HTTP))?;
    let host = match uri.port_u16().filter(|port| *port != 80) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    HeaderValue::try_from(host).ok()
}

/// Maximum number of requests for one, with those that are redirected.
const MAX_REDIRECTS: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::transport::HttpClient;
    use crate::upstream::post_response::read_text;

    /// Returns the `Host` header of a request as its response.
    #[derive(Debug)]
    struct Echo;

    #[async_trait]
    impl HttpClient for Echo {
        async fn request(&self, it: Request<Bytes>) -> Result<Response<HttpBody>, UpstreamError> {
            let host = it.headers().get(header::HOST);
            let host = host.map_or("none", |host| host.to_str().unwrap());
            Ok(Response::new(HttpBody::full(host.to_owned())))
        }
    }

    #[tokio::test]
    async fn a_request_over_http_has_the_host_of_its_url() {
        let table = [
            ("http://a.example/mcp", "a.example"),
            ("http://a.example:80/mcp", "a.example"),
            ("http://user:password@a.example:8080/mcp", "a.example:8080"),
            ("http://[::1]:8080/mcp", "[::1]:8080"),
            ("https://a.example/mcp", "none"),
        ];
        for (url, expected) in table {
            let transport = HttpTransport::new(url.parse().unwrap(), Arc::new(Echo));
            let endpoint = HttpEndpoint::new(transport, 100);
            let response = endpoint.delete().await.unwrap();
            let host = read_text(response.into_body(), 100).await.unwrap();
            assert_eq!(host, expected, "{url}");
        }
    }

    /// Rejects each signature but the second one, with the status 401.
    #[derive(Debug, Default)]
    struct Signatures(AtomicUsize);

    impl RequestSigner for Signatures {
        fn sign(&self, request: &mut Request<Bytes>) {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            let method = request.method().as_str().to_owned();
            let signature = HeaderValue::try_from(format!("{method} {number}")).unwrap();
            request.headers_mut().insert("signature", signature);
        }

        fn is_challenged(&self, status: StatusCode, _: &HeaderMap) -> bool {
            status == StatusCode::UNAUTHORIZED
        }
    }

    #[async_trait]
    impl HttpClient for Signatures {
        async fn request(&self, it: Request<Bytes>) -> Result<Response<HttpBody>, UpstreamError> {
            let signature = it.headers().get("signature").unwrap().to_str().unwrap();
            let mut response = Response::new(HttpBody::full(signature.to_owned()));
            if self.0.load(Ordering::Relaxed) != 2 {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            Ok(response)
        }
    }

    #[tokio::test]
    async fn a_challenged_signature_is_replaced_once() {
        let client = Arc::new(Signatures::default());
        let url = "http://a.example/mcp".parse().unwrap();
        let transport = HttpTransport::new(url, Arc::clone(&client) as Arc<dyn HttpClient>);
        let credential = Credential::new("alice").with_signer(client);
        let endpoint = HttpEndpoint::new(transport, 100).with_credential(&credential);
        for (status, expected) in [(200, "DELETE 1"), (401, "GET 3")] {
            let response = match status {
                200 => endpoint.delete().await.unwrap(),
                _ => endpoint.get(None).await.unwrap(),
            };
            assert_eq!(response.status(), status);
            let signature = read_text(response.into_body(), 100).await.unwrap();
            assert_eq!(signature, expected);
        }
    }
}
