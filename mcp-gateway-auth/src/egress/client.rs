use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use mcp_gateway_core::BoxError;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::{Url, form_urlencoded};

use super::connector::GuardedConnector;
use super::policy::EgressPolicy;
use super::{EgressError, Fetched};

/// Fetches documents from addresses that come from outside. Cheap to clone.
///
/// See the [module documentation](super) for what it refuses, and an example.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    client: Client<HttpsConnector<GuardedConnector>, Full<Bytes>>,
    policy: Arc<EgressPolicy>,
    permits: Semaphore,
}

/// How the gateway says to an endpoint who it is, as [RFC 6749, section 2.3.1][rfc] has it.
///
/// [rfc]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum ClientAuth {
    /// In the `Authorization` header.
    Basic {
        /// The identifier of the client.
        client_id: String,
        /// Its secret.
        secret: String,
    },
    /// Not at all, or in another way, by a field of the form.
    #[default]
    None,
    /// In the fields `client_id` and `client_secret` of the form.
    Post {
        /// The identifier of the client.
        client_id: String,
        /// Its secret.
        secret: String,
    },
}

impl Egress {
    /// Reaches what `policy` allows, and trusts the certificate authorities that the system trusts.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub fn new(policy: EgressPolicy) -> std::io::Result<Self> {
        let policy = Arc::new(policy);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(&policy)?)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(GuardedConnector::new(Arc::clone(&policy)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(1)
            .http1_max_headers(MAX_HEADERS)
            .build(connector);
        Ok(Self(Arc::new(Inner {
            client,
            policy,
            permits: Semaphore::new(MAX_REQUESTS),
        })))
    }

    /// Fetches a JSON document of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// When the address is not allowed or cannot be reached, or when the response is too large, is
    /// not JSON, or has any status but 200.
    pub async fn get_json(&self, url: &str, limit: usize) -> Result<Fetched, EgressError> {
        self.get(url, Request::new(Bytes::new()), limit).await
    }

    /// As [`get_json`](Self::get_json), as whoever has the access token `token`.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn get_json_as(
        &self,
        url: &str,
        token: &str,
        limit: usize,
    ) -> Result<Fetched, EgressError> {
        let mut request = Request::new(Bytes::new());
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let value = value.map_err(|_| EgressError::Unavailable)?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, sensitive(value));
        self.get(url, request, limit).await
    }

    async fn get(
        &self,
        url: &str,
        request: Request<Bytes>,
        limit: usize,
    ) -> Result<Fetched, EgressError> {
        let fetched = self.fetch(url, request, limit).await?;
        match fetched.status {
            StatusCode::OK if fetched.is_json() => Ok(fetched),
            StatusCode::OK => Err(EgressError::ContentType),
            status => Err(EgressError::Status(status)),
        }
    }

    /// Sends a form, and fetches a JSON document of at most `limit` bytes.
    ///
    /// Errors that the endpoint reports as JSON are documents like others; look at the status.
    ///
    /// # Errors
    ///
    /// When the address is not allowed or cannot be reached, or when the response is too large, is
    /// not JSON, or is a redirect.
    pub async fn post_form(
        &self,
        url: &str,
        form: &[(&str, &str)],
        auth: &ClientAuth,
        limit: usize,
    ) -> Result<Fetched, EgressError> {
        let request = auth.request(form)?;
        let fetched = self.fetch(url, request, limit).await?;
        match fetched.status {
            status if status.is_redirection() => Err(EgressError::Status(status)),
            _ if fetched.is_json() => Ok(fetched),
            status if status.is_success() => Err(EgressError::ContentType),
            status => Err(EgressError::Status(status)),
        }
    }

    async fn fetch(
        &self,
        url: &str,
        mut request: Request<Bytes>,
        limit: usize,
    ) -> Result<Fetched, EgressError> {
        *request.uri_mut() = self.address(url)?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let agent = concat!("mcp-gateway/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        match timeout(DEADLINE, self.exchange(request.map(Full::new), limit)).await {
            Ok(result) => result,
            Err(_) => Err(unavailable(&url, &"the deadline has passed")),
        }
    }

    /// The address to send to, if the policy allows it.
    fn address(&self, url: &str) -> Result<Uri, EgressError> {
        let parsed = Url::parse(url).map_err(|error| unavailable(&url, &error))?;
        let allowed = self.0.policy.check_url(&parsed);
        allowed.map_err(|refusal| unavailable(&url, &refusal))?;
        let uri = Uri::try_from(parsed.as_str());
        uri.map_err(|error| unavailable(&url, &error))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Fetched, EgressError> {
        let uri = request.uri().clone();
        let permit = self.0.permits.acquire().await;
        let _permit = permit.map_err(|error| unavailable(&uri, &error))?;
        let response = self.0.client.request(request).await;
        let response = response.map_err(|error| unavailable(&uri, &Chain(&error)))?;
        let encoding = response.headers().get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(EgressError::ContentType);
        }
        let (parts, body) = response.into_parts();
        let body = collect(body, limit).await.map_err(|error| match error {
            Some(error) => unavailable(&uri, &Chain(&*error)),
            None => EgressError::TooLarge { limit },
        })?;
        Ok(Fetched {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}

impl ClientAuth {
    /// A request that sends `form`.
    fn request(&self, form: &[(&str, &str)]) -> Result<Request<Bytes>, EgressError> {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::POST;
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
        self.apply(&mut body, request.headers_mut())?;
        *request.body_mut() = body.finish().into();
        Ok(request)
    }

    fn apply(
        &self,
        body: &mut form_urlencoded::Serializer<'_, String>,
        headers: &mut HeaderMap,
    ) -> Result<(), EgressError> {
        match self {
            Self::None => {}
            Self::Post { client_id, secret } => {
                body.append_pair("client_id", client_id);
                body.append_pair("client_secret", secret);
            }
            Self::Basic { client_id, secret } => {
                let encode = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let pair = format!("{}:{}", encode(client_id), encode(secret));
                let value = format!("Basic {}", STANDARD.encode(pair));
                let value = HeaderValue::try_from(value).map_err(|_| EgressError::Unavailable)?;
                headers.insert(header::AUTHORIZATION, sensitive(value));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ClientAuth {
    /// Does not show secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, client_id) = match self {
            Self::None => return f.write_str("None"),
            Self::Basic { client_id, .. } => ("Basic", client_id),
            Self::Post { client_id, .. } => ("Post", client_id),
        };
        f.debug_struct(name)
            .field("client_id", client_id)
            .finish_non_exhaustive()
    }
}

fn tls(policy: &EgressPolicy) -> std::io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "a certificate authority of the system was not read");
    }
    roots.add_parsable_certificates(native.certs);
    roots.add_parsable_certificates(policy.roots().iter().cloned());
    if roots.is_empty() {
        return Err(std::io::Error::other("no certificate authority is trusted"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

/// Reads a body; the error is `None` when it is larger than `limit`.
async fn collect<B>(mut body: B, limit: usize) -> Result<Bytes, Option<BoxError>>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |announced| announced > limit) {
        return Err(None);
    }
    let mut text = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|error| Some(error.into()))?.into_data() {
            if text.len() + data.len() > limit {
                return Err(None);
            }
            text.extend_from_slice(&data);
        }
    }
    Ok(text.freeze())
}

/// Tells the log why, and the caller nothing.
fn unavailable(url: &dyn fmt::Display, reason: &dyn fmt::Display) -> EgressError {
    tracing::warn!(%url, %reason, "an address was not fetched");
    EgressError::Unavailable
}

/// An error with its causes.
struct Chain<'a>(&'a (dyn std::error::Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// From the first byte sent to the last one received, with everything before.
const DEADLINE: Duration = Duration::from_secs(10);

const MAX_HEADERS: usize = 64;

/// How many requests are under way at once; others wait, within their deadline.
const MAX_REQUESTS: usize = 32;

/// Shorter than the keep-alive of common servers, so that none is closed by them at the moment when
/// it is taken up again.
const POOL_IDLE: Duration = Duration::from_secs(4);
