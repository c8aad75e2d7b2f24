//! A web service with an authorization server and a login, without a gateway: users authorize
//! applications to read their notes.
//!
//! ```sh
//! PASSWORD='a good password' cargo run -p authorization-server
//! ```
//!
//! State is in memory only. A persistent service uses a `SqliteStore` and a stored key.

use std::io::{Write as _, stdout};
use std::{env, net::SocketAddr, sync::Arc};

use axum::{Router, extract::Request};
use http::Response;
use mcp_gateway_auth::server::{AuthorizationServer, RegistrationPolicy, Resource};
use mcp_gateway_auth::token::BearerVerifier;
use mcp_gateway_auth::{
    Clock, Keyring,
    login::{LoginPages, LoginSessions},
    users::Users,
};
use mcp_gateway_core::Error;
use mcp_gateway_core::auth::Authenticated;
use mcp_gateway_core::endpoint::Body;
use mcp_gateway_core::layer::authenticate::AuthenticateLayer;
use mcp_gateway_core::layer::respond_errors::RespondErrorsLayer;
use mcp_gateway_store::{MemoryStore, Store};
use tokio::{net::TcpListener, select, signal::ctrl_c};
use tower::{ServiceBuilder, service_fn};
use url::Url;

/// Returns the notes of the caller.
async fn notes(request: Authenticated<Request>) -> Result<Response<Body>, Error> {
    let name = request.principal().name().unwrap_or("nobody");
    Ok(Response::new(Body::full(format!("The notes of {name}\n"))))
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
    let sessions = LoginSessions::new(users, keyring.clone(), base.as_str())?.with_local_accounts();
    let login_provider = Arc::new(sessions.clone());
    let server = AuthorizationServer::builder(base.clone(), store, keyring, login_provider)
        .with_registration(RegistrationPolicy::Open)
        .build();
    let resource = Resource::new(base.join("/notes")?, "Notes");
    server.set_resources([resource.clone()]);

    let tokens = BearerVerifier::new(Arc::new(server.verifier(Some(&resource))))
        .with_revocations(server.revocations());
    let challenge = server.protected_resources().challenge(&resource);
    let notes = ServiceBuilder::new()
        .layer(RespondErrorsLayer::new().with_protected_resource(challenge))
        .layer(AuthenticateLayer::new(Arc::new(tokens)))
        .service(service_fn(notes));
    let pages = LoginPages::new(sessions).with_clients(Arc::new(server.clone()));
    let app = Router::new()
        .route_service("/notes", notes)
        .merge(pages.router())
        .merge(server.router());
    writeln!(stdout(), "{}", resource.uri)?;
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    select! {
        served = async { axum::serve(listener, app).await } => Ok(served?),
        () = server.maintain() => Ok(()),
        ended = ctrl_c() => Ok(ended?),
    }
}
