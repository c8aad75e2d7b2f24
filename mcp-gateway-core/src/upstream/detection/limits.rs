//! Time for the answers of a detection.

use super::{Detection, Limit, Memory};
use crate::upstream::UpstreamProtocol;

impl Detection {
    /// Returns the limit of a request, which is shorter if it is a `guess`.
    pub(super) fn probe_limit(&self, guess: bool) -> Limit {
        match self.limit() {
            Limit::Share if guess => Limit::Probe,
            limit => limit,
        }
    }

    /// Returns the limit of a step: a share of the time while there is an alternative.
    ///
    /// If the start of a program is not observed, the first step after an earlier detection may take
    /// all of the time: the program may be slow.
    pub(super) fn limit(&self) -> Limit {
        let tries = [&self.discover, &self.initialize, &self.sse];
        let is_first = tries.iter().map(|attempt| attempt.tries()).sum::<u8>() == 1;
        let unobserved = self.is_stdio() && !self.plan.observes_start;
        if is_first && unobserved && self.plan.memory != Memory::default() {
            return Limit::Rest;
        }
        let tries = |protocol| self.order.contains(&protocol);
        let alternative = tries(UpstreamProtocol::Modern) && self.discover.is_untried()
            || tries(UpstreamProtocol::Legacy)
                && (self.initialize.is_untried() || self.initialize.is_unclean())
            || tries(UpstreamProtocol::Sse) && self.sse.is_untried();
        match alternative {
            true => Limit::Share,
            false => Limit::Rest,
        }
    }
}
