//! Loopback redirect URIs, which receive the authorization response (RFC 8252, section 7.3).

use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use url::Url;

use super::authorization::{Authorization, ResponseParameters};
use super::{ClientError, SignInEvent};
use crate::pages::{NoticePage, page};

/// Listener for the redirect of one authorization.
///
/// See [RFC 8252, section 7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3).
#[derive(Debug)]
pub struct Loopback {
    listener: TcpListener,
    uri: Url,
}

/// Callback for the events of a login.
pub(super) type Events = Arc<dyn Fn(SignInEvent<'_>) + Send + Sync>;

impl Loopback {
    /// Redirect URI to register with servers that ignore the port of loopback URIs.
    pub const ANY_PORT: &'static str = "http://127.0.0.1/callback";

    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// [`ClientError::Listen`] if the system has no free port.
    pub async fn listen() -> Result<Self, ClientError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(|error| ClientError::Listen(error.into()))?;
        let address = listener.local_addr();
        let port = address
            .map_err(|error| ClientError::Listen(error.into()))?
            .port();
        let uri = Url::parse(&format!("http://127.0.0.1:{port}/callback"));
        Ok(Self {
            listener,
            uri: uri.map_err(|error| ClientError::Listen(error.into()))?,
        })
    }

    /// Redirect URI.
    #[must_use]
    pub fn uri(&self) -> &Url {
        &self.uri
    }

    /// Waits up to ten minutes for the response to `authorization`.
    ///
    /// Responses with another `state` are rejected with 400 and reported to `events`; the wait
    /// continues.
    ///
    /// # Errors
    ///
    /// [`ClientError::Timeout`] if none arrives.
    pub(super) async fn response(
        self,
        authorization: &Authorization,
        events: Events,
    ) -> Result<ResponseParameters, ClientError> {
        let (sender, mut receiver) = mpsc::channel(1);
        let router = Router::new()
            .route("/callback", get(handle_callback))
            .with_state(CallbackState {
                state: authorization.state().into(),
                sender,
                events,
            });
        let (finish, finished) = oneshot::channel::<()>();
        let serving = axum::serve(self.listener, router).with_graceful_shutdown(async {
            // The sender is dropped, which ends the wait as well.
            let _ = finished.await;
        });
        let mut serving = pin!(serving.into_future());
        let arrived = async {
            tokio::select! {
                arrived = receiver.recv() => arrived,
                _ = &mut serving => None,
            }
        };
        let arrived = timeout(PATIENCE, arrived).await;
        // The browser gets its page before the code is redeemed.
        drop(finish);
        let _ = timeout(FAREWELL, serving).await;
        arrived.ok().flatten().ok_or(ClientError::Timeout)
    }
}

/// State of the handler.
#[derive(Clone)]
struct CallbackState {
    state: Arc<str>,
    sender: mpsc::Sender<ResponseParameters>,
    events: Events,
}

/// Serves `GET /callback`.
async fn handle_callback(
    State(arrival): State<CallbackState>,
    Query(parameters): Query<ResponseParameters>,
) -> Response {
    if parameters.get("state").map(String::as_str) != Some(&*arrival.state) {
        (arrival.events)(SignInEvent::StateMismatch);
        return page(StatusCode::BAD_REQUEST, &STRANGER, None);
    }
    // A second response with the same state gets the same page, and is dropped.
    let _ = arrival.sender.try_send(parameters);
    page(StatusCode::OK, &DONE, None)
}

/// Page after the expected response.
const DONE: NoticePage<'static> = NoticePage {
    title: "Return to the terminal",
    message: "The login continues there. You can close this window.",
};

/// Page after a response with another `state`.
const STRANGER: NoticePage<'static> = NoticePage {
    title: "Unknown or expired login",
    message: "Start again in the terminal.",
};

/// Maximum duration of a login.
const PATIENCE: Duration = Duration::from_secs(600);

/// Maximum duration of sending the page to the browser.
const FAREWELL: Duration = Duration::from_secs(2);
