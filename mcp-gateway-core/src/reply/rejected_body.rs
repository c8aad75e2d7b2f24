//! Bodies that are not one JSON-RPC response.

use bytes::Bytes;

use crate::BoxError;
use crate::jsonrpc::{Message, ScanError};
use crate::transport::{EventStream, HttpBody};

/// A body that [`JsonBody::buffer`](super::JsonBody::buffer) has rejected, with the reason.
#[derive(Debug)]
pub(crate) struct RejectedBody {
    /// Reason.
    error: BoxError,
    /// First frame and the rest, if the first frame was rejected.
    read: Option<(Bytes, HttpBody)>,
}

impl RejectedBody {
    /// Creates a body whose first frame was rejected.
    pub(super) fn at_first(error: BoxError, first: Bytes, rest: HttpBody) -> Self {
        let read = Some((first, rest));
        Self { error, read }
    }

    /// Returns the reason.
    pub(crate) fn into_error(self) -> BoxError {
        self.error
    }

    /// Returns the messages of a body with one message per line, which begins with a notification.
    ///
    /// Some servers write what belongs into an event stream so, as they would to a pipe. Only a
    /// body whose first line arrives at once is recognized.
    ///
    /// # Errors
    ///
    /// The reason of the rejection for any other body.
    pub(crate) fn into_lines(self, limit: usize) -> Result<EventStream, BoxError> {
        let Some((first, rest)) = self.read else {
            return Err(self.error);
        };
        let line = first.iter().position(|byte| *byte == b'\n');
        let message = line.map(|end| Message::parse(first.slice(..end)));
        match message {
            Some(Ok(Message::Notification(_))) => Ok(EventStream::of_lines(first, rest, limit)),
            _ => Err(self.error),
        }
    }
}

impl From<BoxError> for RejectedBody {
    fn from(error: BoxError) -> Self {
        Self { error, read: None }
    }
}

impl From<ScanError> for RejectedBody {
    fn from(error: ScanError) -> Self {
        BoxError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::JsonBody;
    use super::*;
    use crate::jsonrpc::{Id, Scanner};

    const PROGRESS: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#;
    const RESPONSE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

    async fn lines(text: &str) -> Result<Vec<String>, BoxError> {
        let id = Id::from(1);
        let body = HttpBody::full(text.to_owned());
        let rejected = JsonBody::buffer(body, Scanner::new(id.clone(), &id)).await;
        let mut events = rejected.err().unwrap().into_lines(1024)?;
        let mut found = Vec::new();
        while let Some(event) = events.next().await {
            let event = event?;
            if event.is_message() {
                found.push(String::from_utf8(event.data.to_vec()).unwrap());
            }
        }
        Ok(found)
    }

    #[tokio::test]
    async fn lines_that_begin_with_a_notification_are_messages() {
        for end in ["", "\n", "\r\n", "\n\n"] {
            let text = format!("{PROGRESS}\n{RESPONSE}{end}");
            assert_eq!(lines(&text).await.unwrap(), [PROGRESS, RESPONSE], "{end:?}");
        }
    }

    #[tokio::test]
    async fn other_documents_stay_rejected() {
        let two = format!("{RESPONSE}\n{RESPONSE}\n");
        for text in [PROGRESS, "{}\n", "not JSON\n", &two] {
            assert!(lines(text).await.is_err(), "{text}");
        }
    }
}
