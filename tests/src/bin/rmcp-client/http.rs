use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use http::{HeaderName, HeaderValue};
use reqwest::Error;
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::Sse;
use tokio::sync::watch;

type Headers = HashMap<HeaderName, HeaderValue>;

/// HTTP client that reports when the GET stream of a session is open.
///
/// rmcp opens it in the background, and a server drops notifications that come before it.
#[derive(Clone)]
pub(crate) struct HttpClient {
    inner: reqwest::Client,
    is_attended: Arc<watch::Sender<bool>>,
}

impl HttpClient {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self {
            // The default of rmcp: a pooled connection may wait for a delayed acknowledgement.
            inner: reqwest::Client::builder()
                .pool_max_idle_per_host(0)
                .build()?,
            is_attended: Arc::default(),
        })
    }

    /// Waits until the GET stream is open.
    pub(crate) async fn attended(&self) {
        // It fails without a sender, and this is one.
        let _ = self.is_attended.subscribe().wait_for(|is| *is).await;
    }
}

impl StreamableHttpClient for HttpClient {
    type Error = Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<StreamableHttpPostResponse, StreamableHttpError<Error>> {
        let inner = &self.inner;
        inner
            .post_message(uri, message, session, token, headers)
            .await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<(), StreamableHttpError<Error>> {
        self.inner
            .delete_session(uri, session, token, headers)
            .await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        token: Option<String>,
        headers: Headers,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, StreamableHttpError<Error>> {
        let inner = &self.inner;
        let stream = inner
            .get_stream(uri, session, last_event, token, headers)
            .await?;
        self.is_attended.send_replace(true);
        Ok(stream)
    }
}
