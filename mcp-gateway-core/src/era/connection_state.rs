//! Request state of a call that waits until its user has connected an account.
//!
//! The call is not parked: nothing has been sent to a server. Any replica resumes it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::request_state::{MAX_ROUNDS, RequestState, open_content, seal_content};
use crate::Call;
use crate::error::RequestError;
use crate::seal::{SealError, Sealer};

/// Content of the `requestState` of a call that waits until its user has connected an account.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct ConnectionState {
    /// Binding to the principal, the gateway, the server and the request.
    #[serde(rename = "c")]
    request: RequestState,
    /// Number of retries that have waited in vain.
    #[serde(rename = "n")]
    rounds: u32,
}

impl ConnectionState {
    /// Creates the content for `call`, which lacks a connection of `server`.
    pub(crate) fn new(call: &Call, server: &str, lifetime: Duration) -> Self {
        Self {
            request: RequestState::before_routing(call, server, lifetime.as_secs()),
            rounds: 0,
        }
    }

    /// Returns the content of the `requestState` of `call`; `None` if it has none, or that of
    /// somebody else, such as its server.
    ///
    /// One that has expired is returned, too: nobody else knows it.
    ///
    /// # Errors
    ///
    /// [`RequestError::InvalidParams`] if it belongs to another request.
    pub(crate) fn open(call: &Call, sealer: &Sealer) -> Result<Option<Self>, RequestError> {
        open_content(call, (sealer, PURPOSE), |state: &Self| &state.request)
    }

    /// Encrypts the content and returns it as text.
    ///
    /// # Errors
    ///
    /// [`SealError`] if the system provides no randomness.
    pub(crate) fn seal(&self, sealer: &Sealer) -> Result<String, SealError> {
        seal_content(self, (sealer, PURPOSE))
    }

    /// Returns the content for the next retry; `None` if clients do not retry any more.
    pub(crate) fn next(self) -> Option<Self> {
        let rounds = self.rounds + 1;
        (rounds <= MAX_ROUNDS).then_some(Self { rounds, ..self })
    }

    /// Returns the server whose connection is missing.
    pub(crate) fn server(&self) -> &str {
        self.request.server()
    }

    /// Returns `true` if the user has not been waited for.
    pub(crate) fn is_first(&self) -> bool {
        self.rounds == 0
    }

    /// Returns the time that is left for the user.
    pub(crate) fn remaining(&self) -> Duration {
        self.request.remaining()
    }
}

/// Purpose to which the cipher binds the text.
const PURPOSE: &str = "connection-state";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::auth::Principal;
    use crate::jsonrpc::{Id, Request};
    use crate::protocol::{Capabilities, Method, ProtocolVersion};
    use crate::{Caller, ClientInfo};

    fn call(user: &str, gateway: &str, params: &str) -> Call {
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Caller::new(Principal::new(user), gateway, client);
        let request = Request::new(&Id::from(1), &Method::ToolsCall, params);
        Call::trusted(request, Arc::new(caller))
    }

    #[test]
    fn category_waiting_call_has_a_state_for_its_own_request() {
        let sealer = Sealer::random().unwrap();
        let first = call("ada", "main", r#"{"name":"a","arguments":{"x":1}}"#);
        let state = ConnectionState::new(&first, "notes", Duration::from_secs(60));
        let sealed = state.seal(&sealer).unwrap();
        let open = |user: &str, gateway: &str, name: &str, x: u8| {
            let params =
                format!(r#"{{"name":"{name}","arguments":{{"x":{x}}},"requestState":"{sealed}"}}"#);
            ConnectionState::open(&call(user, gateway, &params), &sealer)
        };
        let opened = open("ada", "main", "a", 1).unwrap().unwrap();
        assert_eq!((opened.server(), opened.is_first()), ("notes", true));
        assert!(opened.remaining() > Duration::ZERO);
        for (user, gateway, name, x) in [
            ("bob", "main", "a", 1),
            ("ada", "other", "a", 1),
            ("ada", "main", "b", 1),
            ("ada", "main", "a", 2),
        ] {
            assert!(
                open(user, gateway, name, x).is_err(),
                "{user} {gateway} {name} {x}"
            );
        }
        let foreign = call(
            "ada",
            "main",
            r#"{"name":"a","requestState":"of a server"}"#,
        );
        assert!(ConnectionState::open(&foreign, &sealer).unwrap().is_none());
        assert!(ConnectionState::open(&first, &sealer).unwrap().is_none());
    }

    #[test]
    fn retries_end_before_clients_give_up() {
        let call = call("ada", "main", "{}");
        let mut state = ConnectionState::new(&call, "notes", Duration::ZERO);
        assert_eq!(state.remaining(), Duration::ZERO);
        let mut rounds = 0;
        while let Some(next) = state.next() {
            (state, rounds) = (next, rounds + 1);
        }
        // The first result counts as well.
        assert!(rounds < 10, "{rounds}");
    }
}
