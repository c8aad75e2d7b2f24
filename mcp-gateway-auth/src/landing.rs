//! Landing of browsers at the address of a gateway.

use axum::Router;
use http::StatusCode;

use crate::login::see_other;
use crate::pages::{ACCOUNT, LandingPage, page};

/// Answers browsers at the address of a gateway: with a redirect to the account page, or with a page
/// that describes the gateway if it has no login.
///
/// # Example
///
/// ```
/// use http::Request;
/// use mcp_gateway_auth::Landing;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = || Request::get("/").body(axum::body::Body::empty());
/// let response = Landing::Account.router().oneshot(request()?).await?;
/// assert_eq!(response.headers()["location"], "/api/auth/account");
///
/// let landing = Landing::Description { base: "https://gw.example.com".to_owned() };
/// assert_eq!(landing.router().oneshot(request()?).await?.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Landing {
    /// Redirect to the account page.
    Account,
    /// Description of the gateway, whose endpoint is `/mcp`.
    Description {
        /// URL of the gateway without a path.
        base: String,
    },
}

impl Landing {
    /// Returns a router that answers every path.
    pub fn router(self) -> Router {
        Router::new().fallback(async move || match &self {
            Self::Account => see_other(ACCOUNT),
            Self::Description { base } => {
                let base = base.trim_end_matches('/');
                let endpoint = &*format!("{base}/mcp");
                page(StatusCode::OK, &LandingPage { base, endpoint }, None)
            }
        })
    }
}
