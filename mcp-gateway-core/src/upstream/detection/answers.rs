//! Answers of a server during a detection.

use std::fmt;

use super::step::{Cause, Rejection, Request};
use crate::error::UpstreamError;
use crate::jsonrpc::code;

/// Failed requests of a detection, in their order.
///
/// Displayed as `server/discover: status 500; initialize: no answer`.
#[derive(Clone, Debug, Default)]
pub(in crate::upstream) struct Answers(Vec<(Request, Option<Rejection>)>);

impl Answers {
    /// Records the failure of a request, replacing the record of its silence.
    pub(super) fn record(&mut self, request: Request, rejection: Rejection) {
        let silent =
            |(other, known): &(Request, Option<Rejection>)| *other == request && known.is_none();
        self.0.retain(|answer| !silent(answer));
        self.0.push((request, Some(rejection)));
    }

    /// Records that a request was not answered in time.
    pub(super) fn record_silence(&mut self, request: Request) {
        self.0.push((request, None));
    }

    /// Returns `true` if the server has accepted all requests.
    pub(in crate::upstream) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the most significant error; a timeout if there is none.
    ///
    /// A rejected credential and a busy server outweigh all others. The error of a server that is
    /// known to be modern outweighs that of `initialize`, which outweighs the rest.
    pub(super) fn into_error(self) -> UpstreamError {
        let known = self
            .0
            .into_iter()
            .filter_map(|(request, rejection)| Some((request, rejection?)));
        // The last one of equal weight.
        known
            .max_by_key(|(request, rejection)| weight(*request, &rejection.cause))
            .map_or(UpstreamError::Timeout, |(_, rejection)| rejection.error)
    }
}

/// Returns the significance of a failure.
fn weight(request: Request, cause: &Cause) -> u8 {
    match (request, cause) {
        (_, cause) if cause.concerns_all() => 5,
        (_, Cause::Unreachable) => 4,
        (Request::Discover, Cause::Unsupported { .. } | Cause::Incomplete) => 3,
        (
            Request::Discover,
            Cause::Error {
                code: code::UNSUPPORTED_VERSION,
            },
        ) => 3,
        (Request::Initialize | Request::InitializeSse, _) => 2,
        (Request::Discover, _) => 1,
        (Request::EventStream | Request::Initialized, _) => 0,
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (request, rejection)) in self.0.iter().enumerate() {
            let separator = if at > 0 { "; " } else { "" };
            let answer = rejection.as_ref().map_or("no answer", |r| &*r.answer);
            write!(f, "{separator}{request}: {answer}")?;
        }
        Ok(())
    }
}
