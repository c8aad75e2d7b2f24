//! Sessions that a server has lost.
//!
//! A server that has restarted, or has let a session expire, should respond with status 404. Others
//! respond with 400, 401, 410 or 500, or with a JSON-RPC error, which may just as well concern the
//! request alone. A `ping` decides: a server that has the session answers it.
//!
//! See [MCP 2025-11-25, session
//! management](https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management).

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::time;

use super::{HttpSession, LegacyHttpConnection};
use crate::Call;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Id, Message, Request, code};
use crate::protocol::Method;
use crate::upstream::connection::SendError;
use crate::upstream::post_response::{self, PostResponse};

impl LegacyHttpConnection {
    /// Returns the failure of `call` with `status`, and closes the connection if the server has
    /// lost the session.
    ///
    /// The call can be sent again if its status shows that the server has not executed it.
    pub(super) async fn failed(
        &self,
        call: &Call<Prepared>,
        status: StatusCode,
        error: UpstreamError,
    ) -> SendError {
        if !may_be_lost(status) || !self.is_lost(call).await {
            return SendError::Failed(error);
        }
        match status.is_client_error() && status != StatusCode::UNAUTHORIZED {
            true => SendError::Closed(error),
            false => SendError::Failed(error),
        }
    }

    /// Returns `true` if the server has lost the session, as its answer to a `ping` shows. The
    /// connection is closed then.
    pub(super) async fn is_lost(&self, call: &Call<Prepared>) -> bool {
        let number = self.ids.issue(&Id::from("ping"));
        let mut headers = self.session.server.headers();
        for (name, value) in call.credential().headers() {
            headers.insert(name, value.clone());
        }
        let ping = self.session.rejects_ping(number, headers);
        // A server that does not answer at all gives no evidence.
        let lost = time::timeout(PING_TIMEOUT, ping).await.unwrap_or(false);
        if lost {
            tracing::debug!("upstream session lost");
            self.session.ended.set();
        }
        lost
    }
}

impl HttpSession {
    /// Sends a `ping`; returns `true` if the server does not answer it in this session.
    async fn rejects_ping(&self, number: i64, headers: HeaderMap) -> bool {
        let id = Id::from(number);
        let ping = Request::new(&id, &Method::Ping, "{}");
        let Ok(response) = self.server.post(|| Ok(headers.clone()), ping.bytes()).await else {
            return false;
        };
        let status = response.status();
        if !status.is_success() {
            return may_be_lost(status);
        }
        let Ok(PostResponse::Json(response)) = PostResponse::from_http(response) else {
            return false;
        };
        let text = post_response::read_text(response.into_body(), self.server.limit()).await;
        match text.map(Message::parse) {
            Ok(Ok(Message::Response(response))) => {
                let code = response.result().err().map(ErrorObject::code_of);
                code.is_some_and(concerns_session)
            }
            _ => false,
        }
    }
}

/// Returns `true` if servers are known to respond with `status` to requests of a lost session.
fn may_be_lost(status: StatusCode) -> bool {
    !status.is_redirection()
        && !matches!(
            status,
            StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::SERVICE_UNAVAILABLE
        )
}

/// Returns `true` if servers are known to respond with the error `code` to requests of a lost
/// session.
pub(super) fn concerns_session(code: i64) -> bool {
    post_response::wants_session(StatusCode::OK, Some(code))
}

/// Returns `true` if an error with the code `error` and `status` says that the session is unknown.
///
/// Some servers, such as those of the Python SDK, and this gateway, respond with status 404 and the
/// code for an invalid request.
pub(super) fn is_named(status: StatusCode, error: Option<i64>) -> bool {
    let is_invalid = status == StatusCode::NOT_FOUND && error == Some(code::INVALID_REQUEST);
    is_invalid || post_response::wants_session(status, error)
}

/// Maximum time for the answer to a `ping`.
const PING_TIMEOUT: Duration = Duration::from_secs(3);
