//! Calls that the policy permits: their attempts, and the approval that they have used.

use super::{Attempts, Call, Permitted, Routed};
use crate::approval::Verdict;

impl Call<Routed> {
    /// Sets the counter of the attempts of the call.
    pub(crate) fn with_attempts(mut self, attempts: Attempts) -> Self {
        self.stage.attempts = attempts;
        self
    }
}

impl Call<Permitted> {
    /// Returns the counter of the attempts of the call.
    #[must_use]
    pub fn attempts(&self) -> &Attempts {
        &self.stage.attempts
    }

    /// Makes the use of an approval of the call final: it is not restored any more.
    ///
    /// For a layer that sends a call again which may have reached its server.
    pub fn spend_approval(&self) {
        if let Some(Verdict::Approved(pass)) = self.extensions().get() {
            pass.spend();
        }
    }

    /// Restores the approval of the call, if it has used one.
    ///
    /// For a layer that rejects a call before anything is sent: the caller can make it later without
    /// another approval. The code that calls it vouches for that.
    pub fn restore_approval(&self) {
        if let Some(Verdict::Approved(pass)) = self.extensions().get() {
            pass.restore();
        }
    }
}
