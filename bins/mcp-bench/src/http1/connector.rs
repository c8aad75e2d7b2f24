//! Connection setup.

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service as _;

use super::Connection;
use crate::failure::Failure;

/// Time limit for a peer to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Byte stream of a connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connector to one address, with TLS for `https`.
#[derive(Clone)]
pub(crate) struct Connector {
    uri: Uri,
    host: String,
    port: u16,
    tls: Option<HttpsConnector<HttpConnector>>,
}

impl Connector {
    /// Creates a connector to the host of `uri`.
    ///
    /// # Errors
    ///
    /// Fails when `uri` is not an absolute address with a supported scheme, or when it says `https`
    /// and the system has no certificates to trust.
    pub(crate) fn new(uri: Uri) -> anyhow::Result<Self> {
        let host = uri.host().context("the URL has no host")?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let (port, tls) = match uri.scheme_str() {
            Some("http") => (80, None),
            Some("https") => (443, Some(encrypted()?)),
            _ => anyhow::bail!("the URL must begin with http:// or https://"),
        };
        Ok(Self {
            port: uri.port_u16().unwrap_or(port),
            uri,
            host,
            tls,
        })
    }

    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// Fails when the peer does not accept it.
    pub(crate) async fn connect(&self) -> Result<Connection, Failure> {
        match timeout(CONNECT_LIMIT, self.stream()).await {
            Ok(stream) => Ok(Connection::new(stream?)),
            Err(_) => Err(Failure::Timeout),
        }
    }

    async fn stream(&self) -> Result<Box<dyn Stream>, Failure> {
        if let Some(tls) = &self.tls {
            let stream = tls
                .clone()
                .call(self.uri.clone())
                .await
                .map_err(Failure::Connect)?;
            return Ok(Box::new(TokioIo::new(stream)));
        }
        let connected = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = connected.map_err(|error| Failure::Connect(error.into()))?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("uri", &self.uri)
            .finish_non_exhaustive()
    }
}

/// Creates a TLS connector that trusts the system's certificate authorities.
fn encrypted() -> anyhow::Result<HttpsConnector<HttpConnector>> {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.enforce_http(false);
    // The provider is named because a second one in the same build would make the default panic.
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let builder = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(provider)
        .context("cannot read the certificate authorities of the system")?;
    Ok(builder.https_only().enable_http1().wrap_connector(tcp))
}
