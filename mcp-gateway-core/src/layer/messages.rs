//! Replies as streams of messages, for layers that send others before the response.

use bytes::Bytes;
use futures_util::stream;

use crate::error::UpstreamError;
use crate::jsonrpc::Message;
use crate::reply::{self, ReplyEvent, ReplyStream};
use crate::{Call, Error, Problem, Reply};

/// Returns the messages of a reply to `call`.
pub(super) fn of_result(call: &Call, result: Result<Reply, Error>) -> ReplyStream {
    match result {
        Ok(Reply::Events(events)) => events,
        Ok(json) => {
            let response = async { reply::response(json).await.map(ReplyEvent::Response) };
            ReplyStream::new(stream::once(response))
        }
        Err(error) => {
            let era = call.client().era();
            let request = call.request();
            let problem = Problem::from(&error).in_era(era);
            of_response(&problem.to_answer(Some(request.id()), Some(request.method()), era))
        }
    }
}

/// Returns the messages of a reply that is the response with the JSON text `response`.
pub(super) fn of_response(response: &Bytes) -> ReplyStream {
    let response = match Message::parse(response.clone()) {
        Ok(Message::Response(response)) => Ok(ReplyEvent::Response(response)),
        Ok(_) => Err(UpstreamError::invalid("expected a response")),
        Err(error) => Err(error.into()),
    };
    ReplyStream::new(stream::iter([response]))
}
