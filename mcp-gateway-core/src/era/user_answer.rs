//! Answers of users to questions of the gateway itself.

use super::request_state::INPUT_RESPONSES;
use crate::json::Fields;
use crate::jsonrpc::{Request, Response};

/// Answer of a client to `elicitation/create`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum UserAnswer {
    /// The user accepts.
    Accepted,
    /// The user does not.
    Declined,
    /// The client cannot ask its user.
    Failed,
    /// The client has not answered.
    Missing,
}

impl UserAnswer {
    /// Returns the answer to the question `key` in the retry `request` of a modern client.
    ///
    /// `accepts` decides about the JSON text of an `ElicitResult`.
    pub(super) fn of_retry(request: &Request, key: &str, accepts: fn(&str) -> bool) -> Self {
        let responses = request.param(INPUT_RESPONSES).unwrap_or("{}");
        let fields = Fields::parse(responses, 0..responses.len()).unwrap_or_default();
        let result = fields.raw(responses, key);
        result.map_or(Self::Missing, |result| Self::of_result(result, accepts))
    }

    /// Returns the answer in the `response` of a legacy client.
    pub(super) fn of_response(response: &Response, accepts: fn(&str) -> bool) -> Self {
        let result = response.result();
        result.map_or(Self::Failed, |result| Self::of_result(result, accepts))
    }

    fn of_result(result: &str, accepts: fn(&str) -> bool) -> Self {
        match accepts(result) {
            true => Self::Accepted,
            false => Self::Declined,
        }
    }
}
