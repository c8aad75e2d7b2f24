//! Event streams to clients.

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, stream};

use super::response;
use crate::Drain;
use crate::auth::AuthenticationWatch;
use crate::error::UpstreamError;
use crate::json::object_json;
use crate::jsonrpc::{Id, Notification, Response};
use crate::list_changes::ChangedList;
use crate::protocol::meta;
use crate::reply::{ReplyEvent, ReplyStream};
use crate::session::{LogReader, StreamId};
use crate::sse;

/// Returns the events of a reply to a modern client; the last one is always a response.
///
/// The reply ends with an error if the credential of its request is revoked.
pub(crate) fn modern(
    events: ReplyStream,
    id: Id,
    watch: AuthenticationWatch,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(Some((events, id, watch)), |state| async move {
        let (mut events, id, mut watch) = state?;
        loop {
            let event = tokio::select! {
                // The watch begins only if the server makes the client wait.
                biased;
                event = events.next() => event,
                () = watch.revoked() => {
                    return Some((written(None, &response::revoked_message(&id)), None));
                }
            };
            let (text, goes_on) = match event {
                Some(Ok(ReplyEvent::Notification(notification))) => {
                    if is_unsolicited(&notification) {
                        continue;
                    }
                    (notification.bytes(), true)
                }
                Some(Ok(ReplyEvent::Response(response))) => (response.bytes(), false),
                Some(Ok(ReplyEvent::Request(request))) => {
                    response::reject_server_request(&request).await;
                    continue;
                }
                Some(Err(error)) => (response::failure_message(&events, error, &id), false),
                None => (
                    response::failure_message(&events, UpstreamError::Closed, &id),
                    false,
                ),
            };
            let rest = goes_on.then_some((events, id, watch));
            return Some((written(None, &text), rest));
        }
    })
}

/// Returns the events of a subscription, each tagged with its ID.
///
/// It ends gracefully with the authentication of its request, so that the client subscribes again
/// with its current credential.
pub(super) fn subscription(
    events: ReplyStream,
    id: Id,
    drain: Drain,
    watch: AuthenticationWatch,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(Some((events, id, drain, watch)), |state| async move {
        let (mut events, id, drain, mut watch) = state?;
        loop {
            let event = tokio::select! {
                biased;
                _ = watch.ended() => None,
                () = drain.started() => None,
                event = events.next() => event,
            };
            match event {
                Some(Ok(ReplyEvent::Notification(notification))) => {
                    let tagged = tagged(&notification, &id);
                    let rest = Some((events, id, drain, watch));
                    return Some((written(None, &tagged), rest));
                }
                Some(Ok(ReplyEvent::Request(request))) => {
                    response::reject_server_request(&request).await
                }
                Some(Ok(ReplyEvent::Response(response))) => {
                    return Some((written(None, &end_of(&response, &id)), None));
                }
                Some(Err(error)) => {
                    let failed = response::failure_message(&events, error, &id);
                    return Some((written(None, &failed), None));
                }
                None => return Some((written(None, &completed(&id)), None)),
            }
        }
    })
}

/// Returns `true` if the notification does not belong to the reply of a request.
///
/// Modern clients receive changes of lists by their subscriptions, which have their own pace.
pub(super) fn is_unsolicited(notification: &Notification) -> bool {
    ChangedList::of(notification.method()).is_some()
}

/// Returns the message that ends the subscription `id` as its only server did with `response`.
pub(super) fn end_of(response: &Response, id: &Id) -> Bytes {
    match response.result() {
        Ok(_) => completed(id),
        Err(_) => response.with_id(id).bytes(),
    }
}

/// Returns the message that ends the subscription `id` gracefully.
///
/// "... it SHOULD respond with a completion result before closing the stream."
fn completed(id: &Id) -> Bytes {
    let tag = object_json(&[(meta::SUBSCRIPTION_ID, id.to_token().into())]);
    let result = object_json(&[("resultType", "\"complete\"".into()), ("_meta", tag.into())]);
    Response::new(id, &result).bytes()
}

/// Tags a notification with the subscription `id`.
pub(super) fn tagged(notification: &Notification, id: &Id) -> Bytes {
    notification
        .with_meta(meta::SUBSCRIPTION_ID, Some(&id.to_token()))
        .bytes()
}

/// Returns the events of one stream of a session, each with an event ID for resumption.
pub(super) fn of_session(
    reader: LogReader,
    id: StreamId,
    drain: Drain,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold((reader, drain), move |(mut reader, drain)| async move {
        let event = tokio::select! {
            event = reader.next() => event,
            // The stream of a request ends by itself; the standalone stream does not.
            () = drain.started(), if id == STANDALONE => None,
        };
        let (number, text) = event?;
        Some((
            written(Some(&format!("{id}-{number}")), &text),
            (reader, drain),
        ))
    })
}

/// Parses an event ID of a session into the stream and the number of the event.
pub(super) fn event_id(text: &str) -> Option<(StreamId, u64)> {
    let (stream, number) = text.split_once('-')?;
    Some((stream.parse().ok()?, number.parse().ok()?))
}

/// Serializes an event.
fn written(id: Option<&str>, text: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(text.len() + 32);
    sse::write_event(&mut event, id, text);
    event.into()
}

/// Number of the stream of messages outside of any request.
pub(super) const STANDALONE: StreamId = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Method;

    #[test]
    fn notifications_say_to_which_subscription_they_belong() {
        let tag = |params: Option<&str>| {
            let notification = Notification::new(&Method::ToolsListChanged, params);
            String::from_utf8(tagged(&notification, &Id::from("s")).to_vec()).unwrap()
        };
        let expected = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}"#;
        assert_eq!(tag(None), expected);
        let other = r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":7}}"#;
        assert_eq!(tag(Some(other)), expected);
        assert!(tag(Some(r#"{"uri":"a:b","_meta":{"x":1}}"#)).ends_with(
            r#""params":{"uri":"a:b","_meta":{"x":1,"io.modelcontextprotocol/subscriptionId":"s"}}}"#
        ));
    }

    #[test]
    fn event_ids_read_back() {
        assert_eq!(event_id("3-14"), Some((3, 14)));
        for text in ["", "3", "3-", "-1", "a-b", "3-1-4"] {
            assert_eq!(event_id(text), None, "{text}");
        }
    }
}
