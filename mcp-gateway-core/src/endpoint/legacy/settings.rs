//! Requests that change the session of the client with a server: its log level, and its
//! subscriptions to resources.
//!
//! The gateway keeps the setting for its own session, and the answer is that of the server.

use std::sync::Arc;

use tower::ServiceExt;

use super::{LegacyHandler, SessionResponse};
use crate::endpoint::CallService;
use crate::endpoint::modern::check_level;
use crate::error::RequestError;
use crate::jsonrpc::{Request, Response};
use crate::protocol::Method;
use crate::session::Session;
use crate::{Error, reply};

impl<S: CallService> LegacyHandler<S> {
    /// Sets the minimum level of log messages.
    ///
    /// A level that the server rejects has no effect.
    pub(super) async fn set_level(
        &self,
        session: &Arc<Session>,
        request: Request,
    ) -> Result<SessionResponse, Error> {
        let level = request.param("level").unwrap_or("null");
        check_level(level)?;
        let before = session.set_log_level(level);
        let answer = self.answer(session, request).await;
        match &answer {
            Ok(response) if response.result().is_ok() => {
                let moved = session.state().is_listening() && !before.is_exclusive();
                if moved {
                    // Messages outside of any call now arrive at a session of its own.
                    self.subscribe(session).await;
                }
            }
            _ => session.restore_log_level(before),
        }
        Ok(SessionResponse::Text(answer?.bytes()))
    }

    /// Subscribes to a resource, or unsubscribes from it.
    ///
    /// The subscription is made first, so that no update right after the answer is missed. It is
    /// undone if the server rejects it.
    pub(super) async fn change_subscription(
        &self,
        session: &Arc<Session>,
        request: Request,
    ) -> Result<SessionResponse, Error> {
        let uri = request.name().map(String::from);
        let uri = uri.ok_or(RequestError::InvalidParams {
            detail: "missing uri".into(),
        })?;
        let wanted = request.method() == &Method::ResourcesSubscribe;
        let changed = session.state().subscribe(uri.clone(), wanted);
        if changed {
            self.subscribe(session).await;
        }
        let answer = self.answer(session, request).await;
        let accepted = answer.as_ref().is_ok_and(|answer| answer.result().is_ok());
        if changed && !accepted {
            session.state().subscribe(uri, !wanted);
            self.subscribe(session).await;
        }
        Ok(SessionResponse::Text(answer?.bytes()))
    }

    /// Forwards a request, and returns the response of the server.
    async fn answer(&self, session: &Arc<Session>, request: Request) -> Result<Response, Error> {
        let call = self.call(session, request);
        let reply = self.inner.clone().oneshot(call).await?;
        let response = reply::into_response(reply, MAX_ANSWER).await;
        response.map_err(|error| Error::Other(error.into()))
    }
}

/// Maximum size of an answer, in bytes; results are empty.
const MAX_ANSWER: usize = 1024 * 1024;
