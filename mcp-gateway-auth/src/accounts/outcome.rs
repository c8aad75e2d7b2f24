//! Outcomes of refreshes.

use super::AccountChange;
use super::account::{ConnectedAccount, EndReason};
use crate::client::TokenSet;

/// Result of a request to the token endpoint.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Ended(EndReason),
    /// No new tokens; set if the response was lost.
    Failed(bool),
    /// New tokens, and the time at which they were issued.
    Refreshed(TokenSet, u64),
}

impl Outcome {
    /// Returns `account` after the outcome.
    pub(super) fn apply(&self, account: ConnectedAccount) -> ConnectedAccount {
        match self {
            Self::Ended(reason) => account.ended(*reason),
            Self::Failed(is_lost) => account.unchanged(*is_lost),
            Self::Refreshed(tokens, issued) => account.refreshed(tokens.clone(), *issued),
        }
    }

    /// Returns the change to report of the account `next`, to which the outcome has been applied.
    pub(super) fn change(&self, next: &ConnectedAccount) -> Option<AccountChange> {
        match self {
            Self::Refreshed(..) => Some(AccountChange::Refreshed),
            Self::Ended(_) => next.end().map(AccountChange::Ended),
            Self::Failed(_) => None,
        }
    }
}
