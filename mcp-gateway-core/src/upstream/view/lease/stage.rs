//! Stages of a call on an exclusive connection.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};

use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::reply::{Event, Events};
use crate::upstream::conversation::{Conversation, SendError};
use crate::{Call, Reply};

/// Stage of a call on an exclusive connection.
pub(super) enum Stage {
    /// The request is being sent, or the head of the reply is pending.
    Sending(BoxFuture<'static, Result<Reply, SendError>>),
    /// Messages of the reply are arriving.
    Receiving(Events),
    /// The response has arrived; earlier messages may still follow.
    Settling(BoxFuture<'static, Result<Event, UpstreamError>>),
    /// The response or an error has been returned.
    Ended,
}

/// One step of a call.
pub(super) enum Step {
    /// A message outside of the response.
    Aside(Option<Event>),
    /// Start of the reply.
    Replied(Result<Reply, SendError>),
    /// A message of the reply, or its error.
    Received(Result<Event, UpstreamError>),
    /// The response, after the delay.
    Settled(Result<Event, UpstreamError>),
}

impl Stage {
    /// Starts to send a call.
    pub(super) fn sending(conversation: Arc<dyn Conversation>, call: Arc<Call<Prepared>>) -> Self {
        Self::Sending(async move { conversation.send(&call).await }.boxed())
    }

    /// Waits for the next step.
    pub(super) async fn step(&mut self) -> Option<Step> {
        match self {
            Self::Sending(reply) => Some(Step::Replied(reply.await)),
            Self::Receiving(events) => {
                let item = events.next().await.unwrap_or(Err(UpstreamError::Closed));
                Some(Step::Received(item))
            }
            Self::Settling(answer) => Some(Step::Settled(answer.await)),
            Self::Ended => None,
        }
    }
}
