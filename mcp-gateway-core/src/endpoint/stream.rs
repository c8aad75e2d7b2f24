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
use crate::list_changes::ReplyListChanges;
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
    let changes = ReplyListChanges::default();
    stream::unfold(Some((events, id, watch, changes)), |state| async move {
        let (mut events, id, mut watch, mut changes) = state?;
        let last = loop {
            let event = tokio::select! {
                // The watch begins only if the server makes the client wait.
                biased;
                event = events.next() => event,
                () = watch.revoked() => break response::revoked_message(&id),
            };
            match event {
                Some(Ok(ReplyEvent::Notification(notification))) => {
                    if let Some(notification) = changes.admit(notification) {
                        let text = written(None, &notification.bytes());
                        return Some((text, Some((events, id, watch, changes))));
                    }
                }
                Some(Ok(ReplyEvent::Request(request))) => {
                    response::reject_server_request(&request).await;
                }
                Some(Ok(ReplyEvent::Response(response))) => break response.bytes(),
                Some(Err(error)) => break response::failure_message(&events, error, &id),
                None => break response::failure_message(&events, UpstreamError::Closed, &id),
            }
        };
        Some((ended(&mut changes, &last), None))
    })
}

/// Serializes the last event of a reply, after the changes that have been held back.
fn ended(changes: &mut ReplyListChanges, last: &[u8]) -> Bytes {
    let mut events = Vec::with_capacity(last.len() + 32);
    while let Some(due) = changes.take_any() {
        sse::write_event(&mut events, None, &due.bytes());
    }
    sse::write_event(&mut events, None, last);
    events.into()
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

    /// Messages of a reply to a modern client, as text.
    async fn reply(messages: &[&Notification]) -> String {
        let response = Response::new(&Id::from(1), "{}");
        let messages = messages
            .iter()
            .map(|it| ReplyEvent::Notification((*it).clone()));
        let messages = messages.chain([ReplyEvent::Response(response)]).map(Ok);
        let events = ReplyStream::new(stream::iter(messages.collect::<Vec<_>>()));
        let texts: Vec<_> = modern(events, Id::from(1), AuthenticationWatch::default())
            .collect()
            .await;
        String::from_utf8(texts.concat()).unwrap()
    }

    #[tokio::test]
    async fn a_change_of_a_list_belongs_to_the_reply_that_it_came_with() {
        let tools = Notification::new(&Method::ToolsListChanged, None);
        let prompts = Notification::new(&Method::PromptsListChanged, None);
        let text = reply(&[&tools, &prompts]).await;
        let (tools, rest) = text.split_once("prompts/list_changed").unwrap();
        assert!(tools.contains("tools/list_changed"), "{text}");
        assert!(rest.contains(r#""result":{}"#), "{text}");
    }

    #[tokio::test]
    async fn a_storm_in_a_reply_is_its_first_and_last_change() {
        let changed = |number: usize| {
            let params = format!("{{\"n\":{number}}}");
            Notification::new(&Method::ToolsListChanged, Some(&params))
        };
        let storm: Vec<_> = (0..100).map(changed).collect();
        let text = reply(&storm.iter().collect::<Vec<_>>()).await;
        assert_eq!(text.matches("list_changed").count(), 2, "{text}");
        let (first, rest) = text.split_once(r#"{"n":0}"#).unwrap();
        assert!(!first.contains("result"), "{text}");
        let (_, end) = rest.split_once(r#"{"n":99}"#).unwrap();
        assert!(end.contains(r#""result":{}"#), "{text}");
    }

    #[test]
    fn event_ids_read_back() {
        assert_eq!(event_id("3-14"), Some((3, 14)));
        for text in ["", "3", "3-", "-1", "a-b", "3-1-4"] {
            assert_eq!(event_id(text), None, "{text}");
        }
    }
}
