//! Charges of a call: counts that it has been added to.

use std::sync::Arc;

use mcp_gateway_core::upstream::UpstreamError;
use mcp_gateway_core::{Error, Reply};
use smallvec::SmallVec;

use crate::in_flight::Flight;
use crate::limit::Rate;
use crate::quota::Share;
use crate::rate::Bucket;
use crate::window::Span;

/// Counts that a call has been added to.
///
/// Dropping them ends the call in flight, and lets the other counts stand.
#[derive(Debug, Default)]
pub(crate) struct Charges(SmallVec<[Charge; 2]>);

#[derive(Debug)]
pub(crate) enum Charge {
    /// A call in flight.
    Flight(Flight),
    /// A call of a quota, in a window.
    Quota(Arc<Share>, Span),
    /// A call of a rate.
    Rate(Arc<Bucket>, Rate),
}

impl Charges {
    pub(crate) fn push(&mut self, charge: Charge) {
        self.0.push(charge);
    }

    /// Gives all calls back.
    pub(crate) fn give_back(self) {
        for charge in self.0 {
            match charge {
                Charge::Flight(flight) => drop(flight),
                Charge::Quota(share, span) => share.give_back(span),
                Charge::Rate(bucket, rate) => bucket.give_back(&rate),
            }
        }
    }

    /// Settles the charges of a call with its result: a call that has reached no server does not
    /// count, and one that has a reply is in flight until the reply ends.
    pub(crate) fn settle(mut self, result: &mut Result<Reply, Error>) {
        match result {
            Ok(reply) => {
                self.0.retain(|charge| matches!(charge, Charge::Flight(_)));
                if !self.0.is_empty() {
                    reply.on_complete(move |_| drop(self));
                }
            }
            Err(error) if is_unsent(error) => self.give_back(),
            Err(_) => {}
        }
    }
}

/// Returns `true` if no server has received the call that failed with `error`.
pub(crate) fn is_unsent(error: &Error) -> bool {
    match error {
        Error::Credential { .. } => true,
        Error::Upstream { source, .. } => matches!(
            source,
            UpstreamError::Connect(_)
                | UpstreamError::NotRunning { .. }
                | UpstreamError::UnknownServer
                | UpstreamError::Unavailable { .. }
        ),
        _ => false,
    }
}
