//! Bodies that are not one JSON-RPC response.

use bytes::Bytes;
use http_body_util::BodyExt;

use super::json::LOOK_AHEAD;
use crate::BoxError;
use crate::jsonrpc::{Message, ScanError};
use crate::transport::{EventStream, HttpBody};

/// A body that [`JsonBody::buffer`](super::JsonBody::buffer) has rejected, with the reason.
#[derive(Debug)]
pub(crate) struct RejectedBody {
    /// Reason.
    error: BoxError,
    /// Pieces that have been read and the rest, if it could begin with a notification.
    read: Option<(Vec<Bytes>, HttpBody)>,
}

impl RejectedBody {
    /// Creates a body that was rejected with the last of the pieces that have been `read`.
    ///
    /// Identifiers in the pieces before may be those of the caller: a notification has none.
    pub(super) fn at(error: ScanError, read: Vec<Bytes>, rest: HttpBody) -> Self {
        let read = (error == ScanError::NotAResponse).then_some((read, rest));
        let error = error.into();
        Self { error, read }
    }

    /// Returns the reason.
    pub(crate) fn into_error(self) -> BoxError {
        self.error
    }

    /// Returns the messages of a body with one message per line, which begins with a notification.
    ///
    /// Some servers write what belongs into an event stream so, as they would to a pipe. Waits for
    /// the end of the first line, which is at most [`LOOK_AHEAD`] bytes long.
    ///
    /// # Errors
    ///
    /// The reason of the rejection for any other body.
    pub(crate) async fn into_lines(self, limit: usize) -> Result<EventStream, BoxError> {
        let Some((read, mut rest)) = self.read else {
            return Err(self.error);
        };
        let mut text = read.concat();
        let mut searched = 0;
        let end = loop {
            if let Some(end) = memchr::memchr(b'\n', &text[searched..]) {
                break searched + end;
            }
            searched = text.len();
            let frame = match searched <= LOOK_AHEAD {
                true => rest.frame().await,
                false => None,
            };
            let Some(Ok(frame)) = frame else {
                return Err(self.error);
            };
            if let Ok(data) = frame.into_data() {
                text.extend_from_slice(&data);
            }
        };
        let text = Bytes::from(text);
        match Message::parse(text.slice(..end)) {
            Ok(Message::Notification(_)) => Ok(EventStream::of_lines(text, rest, limit)),
            _ => Err(self.error),
        }
    }
}

impl From<BoxError> for RejectedBody {
    fn from(error: BoxError) -> Self {
        Self { error, read: None }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::super::JsonBody;
    use super::*;
    use crate::jsonrpc::{Id, Scanner};

    const PROGRESS: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
    const RESPONSE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

    /// Returns the messages of a body that arrives in `pieces`.
    async fn lines(pieces: Vec<Bytes>) -> Result<Vec<String>, BoxError> {
        let id = Id::from(1);
        let frames = pieces
            .into_iter()
            .map(|it| Ok::<_, BoxError>(Frame::data(it)));
        let body = HttpBody::new(StreamBody::new(stream::iter(frames)));
        let rejected = JsonBody::buffer(body, Scanner::new(id.clone(), &Id::from("a"))).await;
        let mut events = rejected.err().unwrap().into_lines(1024).await?;
        let mut found = Vec::new();
        while let Some(event) = events.next().await {
            let event = event?;
            if event.is_message() {
                found.push(String::from_utf8(event.data.to_vec()).unwrap());
            }
        }
        Ok(found)
    }

    /// Divides `text` into pieces of `size` bytes.
    fn cut(text: &str, size: usize) -> Vec<Bytes> {
        text.as_bytes()
            .chunks(size)
            .map(Bytes::copy_from_slice)
            .collect()
    }

    #[tokio::test]
    async fn lines_that_begin_with_a_notification_are_messages_however_they_arrive() {
        for end in ["", "\n", "\r\n", "\n\n"] {
            let text = format!("{PROGRESS}\n{RESPONSE}{end}");
            for size in 1..=text.len() {
                let found = lines(cut(&text, size)).await.unwrap();
                assert_eq!(found, [PROGRESS, RESPONSE], "{end:?} {size}");
            }
        }
    }

    #[tokio::test]
    async fn other_documents_stay_rejected() {
        let two = format!("{RESPONSE}\n{RESPONSE}\n");
        let unknown = PROGRESS.replace("{", r#"{"id":null,"#);
        let unknown = format!("{unknown}\n{RESPONSE}\n");
        for text in [PROGRESS, "{}\n", "not JSON\n", &two, &unknown] {
            for size in [text.len(), 7, 1] {
                assert!(lines(cut(text, size)).await.is_err(), "{text} {size}");
            }
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_not_awaited_forever() {
        let head = PROGRESS.replace('}', ",\"params\":{\"text\":\"");
        let endless = stream::iter([head]).chain(stream::repeat("x".repeat(1024)));
        let frames = endless.map(|text| Ok::<_, BoxError>(Frame::data(Bytes::from(text))));
        let body = HttpBody::new(StreamBody::new(frames));
        let id = Id::from(1);
        let rejected = JsonBody::buffer(body, Scanner::new(id.clone(), &id)).await;
        assert!(rejected.err().unwrap().into_lines(1024).await.is_err());
    }
}
