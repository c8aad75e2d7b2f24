//! Stages of a call on an exclusive connection.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};

use super::super::View;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::reply::{ReplyEvent, ReplyStream};
use crate::route::Feature;
use crate::upstream::client_span;
use crate::upstream::connection::{SendError, UpstreamConnection};
use crate::{Call, Reply};

/// Stage of a call on an exclusive connection.
pub(super) enum ExchangeStage {
    /// The request is being sent, or the head of the reply is pending.
    Sending(BoxFuture<'static, Result<Reply, SendError>>),
    /// Messages of the reply are arriving.
    Receiving(ReplyStream),
    /// The response has arrived; earlier messages may still follow.
    Settling(BoxFuture<'static, Result<ReplyEvent, UpstreamError>>),
    /// The response or an error has been returned.
    Ended,
}

/// One step of a call.
pub(super) enum ExchangeStep {
    /// A message outside of the response.
    Aside(Option<ReplyEvent>),
    /// Start of the reply.
    Replied(Result<Reply, SendError>),
    /// A message of the reply, or its error.
    Received(Result<ReplyEvent, UpstreamError>),
    /// The response, after the delay.
    Settled(Result<ReplyEvent, UpstreamError>),
}

impl ExchangeStage {
    /// Starts to send a call.
    pub(super) fn sending(
        connection: Arc<dyn UpstreamConnection>,
        call: Arc<Call<Prepared>>,
        view: Arc<View>,
    ) -> Self {
        let sent = async move {
            let listed = |feature: &Feature| view.lists(feature);
            client_span::send(&*connection, &call, listed).await
        };
        Self::Sending(sent.boxed())
    }

    /// Waits for the next step.
    pub(super) async fn step(&mut self) -> Option<ExchangeStep> {
        match self {
            Self::Sending(reply) => Some(ExchangeStep::Replied(reply.await)),
            Self::Receiving(events) => {
                let item = events.next().await.unwrap_or(Err(UpstreamError::Closed));
                Some(ExchangeStep::Received(item))
            }
            Self::Settling(answer) => Some(ExchangeStep::Settled(answer.await)),
            Self::Ended => None,
        }
    }
}
