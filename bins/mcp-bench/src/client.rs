//! A client: one connection, and in the legacy era a session.

use std::sync::Arc;

use crate::endpoint::Endpoint;
use crate::era::Era;
use crate::failure::Failure;
use crate::http1::Connection;
use crate::response;
use crate::session::Session;
use crate::wire::{Call, Prepared, first_id, legacy, modern};

/// Number of bytes in each direction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    /// Bytes sent.
    pub(crate) sent: u64,
    /// Bytes received.
    pub(crate) received: u64,
}

/// Client that repeats the same call.
#[derive(Debug)]
pub(crate) struct LoadClient {
    endpoint: Arc<Endpoint>,
    connection: Option<Connection>,
    session: Option<Session>,
    prepared: Prepared,
    next_id: u64,
    body: Vec<u8>,
}

impl LoadClient {
    /// Connects the client `index`, which makes `call`.
    ///
    /// A legacy client opens a session, unless it is to use `shared`.
    ///
    /// # Errors
    ///
    /// Fails when the server accepts no connection or no session.
    pub(crate) async fn open(
        endpoint: &Arc<Endpoint>,
        era: Era,
        call: &Call,
        index: usize,
        shared: Option<&Session>,
    ) -> Result<Self, Failure> {
        let mut connection = endpoint.connect().await?;
        let mut session = None;
        let prepared = match (era, shared) {
            (Era::Modern, _) => modern::call(endpoint, call),
            (Era::Legacy, Some(shared)) => legacy::call(endpoint, shared, call),
            (Era::Legacy, None) => {
                let own = Session::open(&mut connection, endpoint).await?;
                legacy::call(endpoint, session.insert(own), call)
            }
        };
        Ok(Self {
            endpoint: Arc::clone(endpoint),
            connection: Some(connection),
            session,
            prepared,
            next_id: first_id(index) + 1,
            body: Vec::new(),
        })
    }

    /// Makes one call.
    ///
    /// # Errors
    ///
    /// Fails when the call does.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped takes its connection along; the next one makes a new connection.
    pub(crate) async fn call(&mut self) -> Result<Traffic, Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.endpoint.connect().await?,
        };
        let id = self.next_id;
        self.next_id += 1;
        let request = self.prepared.with_id(id);
        let head = connection.exchange(request, &mut self.body).await?;
        let traffic = Traffic {
            sent: request.len() as u64,
            received: connection.take_received(),
        };
        if head.keep_alive {
            self.connection = Some(connection);
        }
        response::check(&head, &self.body, self.prepared.id())?;
        Ok(traffic)
    }

    /// Returns `true` if the next call can be sent without a new connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Ends the client's own session.
    ///
    /// # Errors
    ///
    /// Fails when the server does not end it.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        let Some(session) = self.session else {
            return Ok(());
        };
        let mut connection = match self.connection {
            Some(connection) => connection,
            None => self.endpoint.connect().await?,
        };
        session.close(&mut connection, &self.endpoint).await
    }
}
