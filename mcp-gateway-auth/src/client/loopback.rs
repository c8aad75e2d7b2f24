//! The redirect URI on this machine, at which a browser brings the authorization response.

use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ::http::StatusCode;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Html;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use url::Url;

use super::authorization::{Authorization, ResponseParameters};
use super::{ClientError, SignInEvent};

/// A listener for the redirect of one authorization.
///
/// See [RFC 8252, section 7.3](https://www.rfc-editor.org/rfc/rfc8252#section-7.3).
#[derive(Debug)]
pub struct Loopback {
    listener: TcpListener,
    uri: Url,
}

/// Receiver of the events of a login.
pub(super) type Events = Arc<dyn Fn(SignInEvent<'_>) + Send + Sync>;

impl Loopback {
    /// Redirect URI that a client must have registered, if the server ignores its port.
    pub const ANY_PORT: &'static str = "http://127.0.0.1/callback";

    /// Listens on any port of the loopback interface.
    ///
    /// # Errors
    ///
    /// [`ClientError::Listen`] if the system has no port.
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

    /// Waits for the response to `authorization`, for ten minutes. Others are rejected and ignored.
    ///
    /// # Errors
    ///
    /// [`ClientError::Timeout`] if there is none.
    pub(super) async fn response(
        self,
        authorization: &Authorization,
        events: Events,
    ) -> Result<ResponseParameters, ClientError> {
        let (sender, mut receiver) = mpsc::channel(1);
        let router = Router::new()
            .route("/callback", get(arrive))
            .with_state(Arrival {
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
        // The browser gets its page before anything else is done.
        drop(finish);
        let _ = timeout(FAREWELL, serving).await;
        arrived.ok().flatten().ok_or(ClientError::Timeout)
    }
}

/// The state of the handler.
#[derive(Clone)]
struct Arrival {
    state: Arc<str>,
    sender: mpsc::Sender<ResponseParameters>,
    events: Events,
}

/// `GET /callback`
async fn arrive(
    State(arrival): State<Arrival>,
    Query(parameters): Query<ResponseParameters>,
) -> (StatusCode, Html<&'static str>) {
    if parameters.get("state").map(String::as_str) != Some(&*arrival.state) {
        (arrival.events)(SignInEvent::StateMismatch);
        return (StatusCode::BAD_REQUEST, Html(STRANGER));
    }
    // A second response with the same state gets the same page, and is dropped.
    let _ = arrival.sender.try_send(parameters);
    (StatusCode::OK, Html(DONE))
}

const DONE: &str = "<!doctype html><meta charset=utf-8><title>Done</title>\
    <p>You can close this window, and go back to the terminal.";

const STRANGER: &str = "<!doctype html><meta charset=utf-8><title>Unknown</title>\
    <p>Nobody waits for this. Begin again at the terminal.";

/// Time for a person to log in.
const PATIENCE: Duration = Duration::from_secs(600);

/// Time for a browser to receive its page.
const FAREWELL: Duration = Duration::from_secs(2);
