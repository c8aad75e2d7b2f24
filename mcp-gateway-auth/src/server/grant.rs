//! What a person has granted to a client, from the code that is offered to the last refresh token.
//!
//! ```text
//!               redeem                        refresh
//!   Offered ─────────────> Active(generation) ───────> Active(generation + 1)
//!                             │   │
//!      the code, used again ──┘   └── an old refresh token, after the grace
//!                  └──────> Revoked <──────┘
//! ```
//!
//! A grant is one document. Each step is a function of what was read, and is written only if nobody
//! has written in the meantime, so that of many who try at once exactly one succeeds.

use serde::{Deserialize, Serialize};

use super::Scopes;
use super::pkce::Challenge;

/// What a person has granted to a client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Grant {
    pub(super) client: String,
    /// The identifier of the person.
    pub(super) person: String,
    pub(super) scopes: Scopes,
    /// The audiences that tokens may be for.
    pub(super) resources: Vec<String>,
    /// When the person has logged in.
    pub(super) authenticated_at: u64,
    pub(super) created: u64,
    pub(super) offer: Offer,
    pub(super) state: State,
}

/// What whoever redeems the code has to match.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Offer {
    pub(super) challenge: Challenge,
    pub(super) redirect_uri: String,
    /// Whether the client has sent the address, and so has to send it again.
    pub(super) redirect_was_sent: bool,
    pub(super) expires: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// The code has been redeemed.
    Active {
        /// Which refresh token is the present one.
        generation: u32,
        /// When it was issued.
        rotated: u64,
    },
    /// There is a code.
    Offered,
    /// Nothing of it is good any more.
    Revoked,
}

/// What a client presents to redeem a code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redemption<'a> {
    pub(super) client: &'a str,
    pub(super) redirect_uri: Option<&'a str>,
    pub(super) verifier: &'a str,
}

/// What comes of presenting a code or a refresh token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// The grant is to be written in this state, and tokens of it are issued.
    Advance(State),
    /// Tokens are issued once more for a client that may not have got them; nothing is written.
    Repeat {
        /// The refresh token that the client may not have got.
        generation: u32,
    },
    /// It is no good; nothing is written.
    Refuse,
    /// Somebody has what only the client should have: the grant is to be revoked.
    Revoke,
}

/// For how long refresh tokens are good.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefreshLimits {
    pub(super) idle: u64,
    pub(super) absolute: u64,
    pub(super) grace: u64,
}

impl Grant {
    /// What comes of `redemption`, at the time `now`.
    pub(super) fn redeem(&self, redemption: &Redemption<'_>, now: u64) -> Step {
        let Offer {
            challenge,
            redirect_uri,
            redirect_was_sent,
            expires,
        } = &self.offer;
        let same_place = match redemption.redirect_uri {
            Some(sent) => sent == redirect_uri,
            None => !redirect_was_sent,
        };
        let is_right = redemption.client == self.client
            && same_place
            && challenge.is_met_by(redemption.verifier);
        match self.state {
            // Whoever knows the code but not the rest must not be able to revoke anything.
            _ if !is_right => Step::Refuse,
            State::Offered if now >= *expires => Step::Refuse,
            State::Offered => Step::Advance(State::Active {
                generation: 0,
                rotated: now,
            }),
            State::Active { .. } => Step::Revoke,
            State::Revoked => Step::Refuse,
        }
    }

    /// What comes of the refresh token of `generation`, presented by `client` at the time `now`.
    pub(super) fn refresh(
        &self,
        client: &str,
        generation: u32,
        limits: RefreshLimits,
        now: u64,
    ) -> Step {
        let State::Active {
            generation: current,
            rotated,
        } = self.state
        else {
            return Step::Refuse;
        };
        if client != self.client || now >= self.expires(limits) || generation > current {
            return Step::Refuse;
        }
        match current - generation {
            0 => Step::Advance(State::Active {
                generation: current.saturating_add(1),
                rotated: now,
            }),
            // The answer may have been lost on its way, or several processes share the token.
            1 if now < rotated.saturating_add(limits.grace) => Step::Repeat {
                generation: current,
            },
            _ => Step::Revoke,
        }
    }

    /// When the grant is over, unless it is used before.
    pub(super) fn expires(&self, limits: RefreshLimits) -> u64 {
        match self.state {
            State::Active { rotated, .. } => rotated
                .saturating_add(limits.idle)
                .min(self.created.saturating_add(limits.absolute)),
            State::Offered => self.offer.expires,
            State::Revoked => self.created.saturating_add(limits.absolute),
        }
    }
}

#[cfg(test)]
mod tests;
