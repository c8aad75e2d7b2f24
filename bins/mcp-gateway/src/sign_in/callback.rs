use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Html;
use axum::routing::get;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::discovery::AuthorizationServer;
use crate::output::{complain, plain};

/// Where a browser is sent back to, on this machine.
#[derive(Debug)]
pub(super) struct Callback {
    listener: TcpListener,
    uri: String,
}

type Parameters = HashMap<String, String>;

impl Callback {
    pub(super) async fn listen() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("no port is free for the browser to come back to")?;
        let port = listener.local_addr()?.port();
        Ok(Self {
            listener,
            uri: format!("http://127.0.0.1:{port}/callback"),
        })
    }

    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// The code that a browser brings which was sent away with `state`.
    ///
    /// # Errors
    ///
    /// When it brings a refusal, or comes from somebody else than `server`, or not at all.
    pub(super) async fn code(
        self,
        state: &str,
        server: &AuthorizationServer,
    ) -> anyhow::Result<String> {
        let (sender, mut receiver) = mpsc::channel(1);
        let router = Router::new()
            .route("/callback", get(arrive))
            .with_state(Arrival {
                state: state.to_owned(),
                sender,
            });
        let (finish, finished) = oneshot::channel::<()>();
        let serving = axum::serve(self.listener, router).with_graceful_shutdown(async {
            // Whoever is gone has finished, too.
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
        // The browser gets its answer before anything else is done.
        drop(finish);
        let _ = timeout(FAREWELL, serving).await;
        let arrived = arrived.context("nobody has logged in within ten minutes")?;
        let parameters = arrived.context("the browser could not come back")?;
        code_of(parameters, server)
    }
}

/// What is needed to know a browser that comes back.
#[derive(Clone, Debug)]
struct Arrival {
    state: String,
    sender: mpsc::Sender<Parameters>,
}

/// `GET /callback`
async fn arrive(
    State(arrival): State<Arrival>,
    Query(parameters): Query<Parameters>,
) -> (StatusCode, Html<&'static str>) {
    if parameters.get("state") != Some(&arrival.state) {
        complain("A browser came back with another `state`, which is ignored.");
        return (StatusCode::BAD_REQUEST, Html(STRANGER));
    }
    // Whoever comes back a second time is told the same.
    let _ = arrival.sender.try_send(parameters);
    (StatusCode::OK, Html(DONE))
}

fn code_of(mut parameters: Parameters, server: &AuthorizationServer) -> anyhow::Result<String> {
    // Before anything else is believed, see RFC 9207.
    match parameters.get("iss") {
        Some(iss) if *iss != server.issuer => bail!(
            "the browser comes from {:?}, and was sent to {}: somebody mixes up two authorization \
             servers, and nothing was sent to either",
            plain(iss),
            server.issuer
        ),
        None if server.names_itself => {
            bail!(
                "{} says that it names itself in `iss`, and does not",
                server.issuer
            )
        }
        Some(_) | None => {}
    }
    if let Some(error) = parameters.get("error") {
        let description = parameters.get("error_description").map(|text| plain(text));
        let description = description
            .map(|text| format!(": {text}"))
            .unwrap_or_default();
        bail!(
            "the authorization was refused: {}{description}",
            plain(error)
        );
    }
    let code = parameters.remove("code");
    code.context("the browser brings neither a code nor an error")
}

/// What is to be registered for a client that listens at any port.
pub(super) const ANY_PORT: &str = "http://127.0.0.1/callback";

const DONE: &str = "<!doctype html><meta charset=utf-8><title>Done</title>\
    <p>You can close this window, and go back to the terminal.";

const STRANGER: &str = "<!doctype html><meta charset=utf-8><title>Unknown</title>\
    <p>Nobody waits for this. Begin again at the terminal.";

/// How long somebody may take to log in.
const PATIENCE: Duration = Duration::from_secs(600);

/// How long a browser may take to be answered.
const FAREWELL: Duration = Duration::from_secs(2);
