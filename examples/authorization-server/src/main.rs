//! A web service with an authorization server and a login, and no gateway: people let programs read
//! their notes.
//!
//! ```sh
//! PASSWORD='a good password' cargo run -p authorization-server
//! ```
//!
//! It forgets everything when it ends. One that lasts has a `SqliteStore` and a key that is kept.

use std::io::{Write as _, stdout};
use std::{env, net::SocketAddr, sync::Arc};

use axum::response::{IntoResponse as _, Response};
use axum::{Router, extract::Request, routing::any};
use http::header::WWW_AUTHENTICATE;
use mcp_gateway_auth::server::{AuthorizationServer, Registration, Resource};
use mcp_gateway_auth::token::BearerVerifier;
use mcp_gateway_auth::{Clock, Keyring, login::Login, users::Users};
use mcp_gateway_core::Problem;
use mcp_gateway_core::auth::{AuthVerifier as _, ProtectedResource};
use mcp_gateway_store::{MemoryStore, Store};
use tokio::{net::TcpListener, select, signal::ctrl_c};
use url::Url;

/// Answers whoever has a token, and tells everybody else where to get one.
async fn notes(tokens: BearerVerifier, challenge: ProtectedResource, request: Request) -> Response {
    match tokens.verify(&request.into_parts().0).await {
        Ok(caller) => {
            format!("The notes of {}\n", caller.name().unwrap_or("nobody")).into_response()
        }
        Err(error) => {
            let problem = Problem::from(&error);
            let parameters = problem.challenge.unwrap_or_default();
            let said = [(
                WWW_AUTHENTICATE,
                format!("Bearer {parameters}").trim_end().to_owned(),
            )];
            let mut response = (problem.status, said).into_response();
            challenge.complete(response.headers_mut());
            response
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    let base: Url = format!("http://{}", listener.local_addr()?).parse()?;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key)?;
    let keyring = Keyring::new(&key)?;

    let users = Users::new(Arc::clone(&store), Clock::system());
    users.create("alice", &env::var("PASSWORD")?).await?;
    let login = Login::new(users, keyring.clone(), base.as_str())?.with_local_accounts();
    let people = Arc::new(login.clone());
    let server = AuthorizationServer::builder(base.clone(), store, keyring, people)
        .with_registration(Registration::Open)
        .build();
    let resource = Resource::new(base.join("/notes")?, "Notes");
    server.set_resources([resource.clone()]);

    let tokens = BearerVerifier::new(Arc::new(server.verifier(Some(&resource))))
        .with_revocations(server.revocations_known());
    let challenge = server.protected_resources().challenge(&resource);
    let app = Router::new()
        .route(
            "/notes",
            any(move |request| notes(tokens.clone(), challenge.clone(), request)),
        )
        .merge(login.with_clients(Arc::new(server.clone())).router())
        .merge(server.router());
    writeln!(stdout(), "{}", resource.uri)?;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    select! {
        served = async { axum::serve(listener, app).await } => Ok(served?),
        () = server.maintain() => Ok(()),
        ended = ctrl_c() => Ok(ended?),
    }
}
