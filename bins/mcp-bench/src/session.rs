//! Sessions of the legacy era.

use serde::Deserialize;

use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::http1::{Connection, Head};
use crate::response;
pub(crate) use crate::wire::legacy::Session;
use crate::wire::{first_id, legacy};

/// Relevant parts of the response to `initialize`.
#[derive(Deserialize)]
struct Initialized {
    result: InitializeResult,
}

/// Result of `initialize`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InitializeResult {
    protocol_version: String,
}

impl Session {
    /// Opens a session.
    ///
    /// # Errors
    ///
    /// Fails when the server refuses either step of the handshake.
    pub(crate) async fn open(
        connection: &mut Connection,
        endpoint: &Endpoint,
    ) -> Result<Self, Failure> {
        let mut body = Vec::new();
        let mut request = legacy::initialize(endpoint);
        let head = connection
            .exchange(request.with_id(first_id(0)), &mut body)
            .await?;
        response::check(&head, &body, request.id())?;
        let session = Self {
            version: version(&head, &body)?,
            id: head.session,
        };
        let request = legacy::initialized(endpoint, &session);
        let head = connection.exchange(&request, &mut body).await?;
        if head.status / 100 != 2 {
            return Err(Failure::status(head.status, &body));
        }
        Ok(session)
    }

    /// Ends the session, if the server has assigned an ID.
    ///
    /// # Errors
    ///
    /// Fails when the server neither ends the session nor says that clients cannot.
    pub(crate) async fn close(
        &self,
        connection: &mut Connection,
        endpoint: &Endpoint,
    ) -> Result<(), Failure> {
        if self.id.is_none() {
            return Ok(());
        }
        let mut body = Vec::new();
        let head = connection
            .exchange(&legacy::end(endpoint, self), &mut body)
            .await?;
        match head.status {
            200..=299 | 405 => Ok(()),
            status => Err(Failure::status(status, &body)),
        }
    }
}

/// Returns the protocol version in the response to `initialize`.
fn version(head: &Head, body: &[u8]) -> Result<String, Failure> {
    let parse = |message: &[u8]| serde_json::from_slice::<Initialized>(message).ok();
    let found = if head.event_stream {
        response::Events::new(body).find_map(|event| parse(&event))
    } else {
        parse(body)
    };
    found
        .map(|message| message.result.protocol_version)
        .ok_or(Failure::NoResponse)
}
