//! The web console of an MCP gateway.
//!
//! A [`Console`] is a router for `/console`, to be mounted in any `axum` application. Its pages are
//! rendered on the server and work without a script. They read and write only through a
//! [`LocalApi`](mcp_gateway_admin::LocalApi), on behalf of the person who has signed in: a role can
//! do on a page exactly what it can do in the admin API.
//!
//! People sign in by [`ConsoleLogin`]: with the login of the gateway, with a token that they paste,
//! or with either. The principal is determined anew for each request, so that a change of role takes
//! effect at once.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use axum::body::Body;
//! use http::Request;
//! use mcp_gateway_admin::AdminApi;
//! use mcp_gateway_auth::{Keyring, StaticTokens};
//! use mcp_gateway_console::{Console, ConsoleLogin};
//! use mcp_gateway_core::auth::Principal;
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let owner = Principal::new("owner").with_role("admin");
//! let tokens = Arc::new(StaticTokens::new().with_token("HbT1mZ4c", owner));
//! let api = AdminApi::new(tokens.clone()).local();
//! let login = ConsoleLogin::new(Keyring::new(&[7; 32])?, "http://localhost:8080").with_tokens(tokens);
//! let router: axum::Router = Console::new(api, login).router();
//!
//! let request = Request::get("/console").body(Body::empty())?;
//! let response = router.oneshot(request).await?;
//! assert_eq!(response.headers()["location"], "/console/sign-in?return_to=%2Fconsole");
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod api;
mod assets;
mod console;
mod failure;
mod form;
mod guides;
mod json;
mod login;
mod names;
mod pages;
mod path;
mod response;
mod role;
mod site;
mod time;
mod token_cookie;
mod view;
mod visit;

pub use self::console::Console;
pub use self::guides::{ClientGuide, ClientGuides};
pub use self::login::ConsoleLogin;
