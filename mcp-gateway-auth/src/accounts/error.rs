//! Failures to connect an account, and their pages.
//!
//! Pages show the texts of the authorization server, and never the cause of a failure of the
//! gateway: the log contains it.

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;
use mcp_gateway_core::error_chain;
use mcp_gateway_store::{DocumentError, StoreError};

use crate::AuthServerError;
use crate::client::ClientError;
use crate::pages::{ErrorPage, PageLink, page};

/// The reason for which an account is not connected.
#[derive(Debug)]
pub(super) enum ConnectError {
    /// A parameter is missing or invalid.
    BadRequest,
    /// The flow at the authorization server has failed.
    Client(ClientError),
    /// The authorization server does not accept the registered client any more.
    ClientRejected(ClientError),
    /// A form or response does not belong to this browser and user, or was used before.
    Forged,
    /// The server does not exist for this user.
    NotFound,
    /// The server requires no login.
    Open,
    /// The link was created for another user.
    OtherUser,
    /// A temporary failure.
    Unavailable(AuthServerError),
}

impl ConnectError {
    /// Returns the status, the title and the message of the page.
    fn page(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => (
                StatusCode::BAD_REQUEST,
                "This link does not work",
                "It is incomplete or damaged. Go back to where you came from, and try again.",
            ),
            Self::Client(error) if error.is_invalid_target() => (
                StatusCode::BAD_GATEWAY,
                "The account is not connected",
                "The login of the server rejects the resource indicator (RFC 8707). The \
                 administrator of the gateway can omit it.",
            ),
            Self::Client(error) if error.pause().is_some() => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The account is not connected",
                "The login of the server has too many requests. Try again in a few minutes.",
            ),
            Self::Client(ClientError::Denied(_)) => (
                StatusCode::FORBIDDEN,
                "The account is not connected",
                "The request was canceled or denied there.",
            ),
            Self::Client(_) => (
                StatusCode::BAD_GATEWAY,
                "The account is not connected",
                "The login of the server does not work. Tell the administrator of the gateway.",
            ),
            Self::ClientRejected(_) => (
                StatusCode::BAD_GATEWAY,
                "The account is not connected",
                "The login of the server did not accept the gateway, which registers there again. \
                 Go back to where you came from, and start again.",
            ),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "This page is no longer valid",
                "It was opened in another browser or by another user, was used before, or is too \
                 old. Go back to where you came from, and start again.",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "Page not found",
                "The server does not exist, or you may not use it.",
            ),
            Self::Open => (
                StatusCode::CONFLICT,
                "No login is required",
                "The server has responded without a login.",
            ),
            Self::OtherUser => (
                StatusCode::FORBIDDEN,
                "This link is for somebody else",
                "You are logged in as another user. Log out first, or ask for a link of your own.",
            ),
            Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "That did not work",
                "A required service does not respond. Try again in a moment.",
            ),
        }
    }

    /// Returns the text for the user.
    fn detail(&self) -> Option<String> {
        match self {
            Self::Client(error) | Self::ClientRejected(error) => Some(error_chain(error)),
            _ => None,
        }
    }
}

impl IntoResponse for ConnectError {
    fn into_response(self) -> Response {
        match &self {
            Self::Unavailable(error) => {
                tracing::error!(error = error_chain(error), "account not connected");
            }
            Self::Client(error) | Self::ClientRejected(error) => {
                tracing::warn!(error = error_chain(error), "account not connected");
            }
            _ => {}
        }
        let (status, title, message) = self.page();
        let detail = self.detail();
        let error = ErrorPage {
            title,
            message,
            detail: detail.as_deref(),
            links: &[PageLink::CONNECT, PageLink::ACCOUNT],
        };
        let mut response = page(status, &error, None);
        if let Self::Client(error) = &self
            && let Some(pause) = error.pause()
        {
            let seconds = pause.as_secs().max(1);
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<ClientError> for ConnectError {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

impl From<AuthServerError> for ConnectError {
    fn from(error: AuthServerError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<DocumentError> for ConnectError {
    fn from(error: DocumentError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<StoreError> for ConnectError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<FormRejection> for ConnectError {
    fn from(_: FormRejection) -> Self {
        Self::BadRequest
    }
}

impl From<QueryRejection> for ConnectError {
    fn from(_: QueryRejection) -> Self {
        Self::BadRequest
    }
}
