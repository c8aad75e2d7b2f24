//! The state machine of a grant, from the authorization code to the last refresh token.
//!
//! ```text
//!               redeem                        refresh
//!   CodeIssued ──────────> Active(generation) ───────> Active(generation + 1)
//!                             │   │
//!             code replayed ──┘   └── old refresh token replayed, after the grace period
//!                  └──────> Revoked <──────┘
//! ```
//!
//! A grant is one document. Each transition is a pure function of the stored state, and is written
//! only if the document has not changed in the meantime. Of concurrent attempts, exactly one
//! succeeds.
//!
//! Replays revoke the grant (RFC 6749, section 4.1.2; RFC 9700, section 4.14.2): either the client
//! or the attacker has presented a stolen token, and the server cannot distinguish them.

pub(super) mod consents;
pub(super) mod grants;
pub(super) mod pkce;

use serde::{Deserialize, Serialize};

use self::consents::ConsentStore;
use self::grants::GrantStore;
use self::pkce::CodeChallenge;
use super::Scopes;
use super::settings::RefreshLimits;
use crate::AuthServerError;

/// Consents of users, and the grants that follow from them. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Grants {
    pub(super) consents: ConsentStore,
    pub(super) store: GrantStore,
}

impl Grants {
    /// Revokes the consent of `user` for `client`, with all tokens of the client.
    ///
    /// # Errors
    ///
    /// If the store is unavailable. Some grants may have been revoked already; the call may be
    /// repeated.
    pub(super) async fn revoke(&self, user: &str, client: &str) -> Result<(), AuthServerError> {
        self.consents.remove(user, client).await?;
        self.store.revoke_all(user, client).await
    }

    /// Revokes all consents and grants of `user`.
    ///
    /// # Errors
    ///
    /// If the store is unavailable. Some may have been revoked already; the call may be repeated.
    pub(super) async fn revoke_user(&self, user: &str) -> Result<(), AuthServerError> {
        loop {
            let page = self.consents.list(user).await?;
            if page.is_empty() {
                return self.store.revoke_user(user).await;
            }
            for consent in page {
                self.consents.remove(user, &consent.client).await?;
            }
        }
    }
}

/// The authorization of a client by a user. Times are in seconds since the Unix epoch.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Grant {
    pub(super) client: String,
    /// User ID.
    pub(super) user: String,
    pub(super) scopes: Scopes,
    /// Permitted audiences of tokens.
    pub(super) resources: Vec<String>,
    /// Time of the user's login.
    pub(super) authenticated_at: u64,
    pub(super) created: u64,
    /// Thumbprint of the key to which its refresh tokens are bound.
    #[serde(default)]
    pub(super) key: Option<String>,
    pub(super) code: AuthorizationCode,
    pub(super) state: GrantState,
}

/// The parameters that the redemption of the code must match.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct AuthorizationCode {
    pub(super) challenge: CodeChallenge,
    pub(super) redirect_uri: String,
    /// `true` if the authorization request contained `redirect_uri`, which the token request must
    /// then repeat.
    pub(super) redirect_uri_required: bool,
    /// Thumbprint of the key whose possession the token request must prove.
    #[serde(default)]
    pub(super) key: Option<String>,
    pub(super) expires: u64,
}

/// The state of a grant.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GrantState {
    /// The code has been redeemed.
    Active {
        /// Number of the current refresh token.
        generation: u32,
        /// Time of issue of the current refresh token.
        rotated: u64,
    },
    /// The code has been issued.
    CodeIssued,
    /// All codes and tokens are revoked.
    Revoked,
}

/// The token request for a code (RFC 6749, section 4.1.3).
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenRequest<'a> {
    pub(super) client: &'a str,
    pub(super) redirect_uri: Option<&'a str>,
    pub(super) verifier: &'a str,
    /// Thumbprint of the key whose possession it proves.
    pub(super) key: Option<&'a str>,
    /// Set if the refresh tokens are bound to that key.
    pub(super) binds_refresh_tokens: bool,
}

/// The transition that a presented code or refresh token causes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transition {
    /// Write this state, and issue tokens.
    Advance(GrantState),
    /// Issue tokens again to a client that may not have received them. Nothing is written.
    Reissue {
        /// Number of the refresh token that the client may not have received.
        generation: u32,
    },
    /// Reject the request. Nothing is written.
    Reject,
    /// Revoke the grant, because a token was replayed.
    Revoke,
}

impl Grant {
    /// Returns the transition for a code at the time `now`.
    pub(super) fn redeem(&self, redemption: &TokenRequest<'_>, now: u64) -> Transition {
        let AuthorizationCode {
            challenge,
            redirect_uri,
            redirect_uri_required: redirect_was_sent,
            key,
            expires,
        } = &self.code;
        let same_place = match redemption.redirect_uri {
            Some(sent) => sent == redirect_uri,
            None => !redirect_was_sent,
        };
        let is_right = redemption.client == self.client
            && same_place
            && has_key(key.as_deref(), redemption.key)
            && challenge.matches(redemption.verifier);
        match self.state {
            // Without client, redirect URI and verifier, a stolen code must not suffice to revoke
            // the grant.
            _ if !is_right => Transition::Reject,
            GrantState::CodeIssued if now >= *expires => Transition::Reject,
            GrantState::CodeIssued => Transition::Advance(GrantState::Active {
                generation: 0,
                rotated: now,
            }),
            GrantState::Active { .. } => Transition::Revoke,
            GrantState::Revoked => Transition::Reject,
        }
    }

    /// Returns the transition for the refresh token `generation`, presented at the time `now` by
    /// `client` with a proof of `key`.
    pub(super) fn refresh(
        &self,
        (client, key): (&str, Option<&str>),
        generation: u32,
        limits: RefreshLimits,
        now: u64,
    ) -> Transition {
        let GrantState::Active {
            generation: current,
            rotated,
        } = self.state
        else {
            return Transition::Reject;
        };
        // Without the key, a stolen token must not suffice to revoke the grant.
        let is_right = client == self.client && has_key(self.key.as_deref(), key);
        if !is_right || now >= self.expires(limits) || generation > current {
            return Transition::Reject;
        }
        match current - generation {
            0 => Transition::Advance(GrantState::Active {
                generation: current.saturating_add(1),
                rotated: now,
            }),
            // The response may have been lost, or several processes share the token.
            1 if now < rotated.saturating_add(limits.grace) => Transition::Reissue {
                generation: current,
            },
            _ => Transition::Revoke,
        }
    }

    /// Returns the expiration time of the grant if it is not used again.
    pub(super) fn expires(&self, limits: RefreshLimits) -> u64 {
        match self.state {
            GrantState::Active { rotated, .. } => rotated
                .saturating_add(limits.idle)
                .min(self.created.saturating_add(limits.absolute)),
            GrantState::CodeIssued => self.code.expires,
            GrantState::Revoked => self.created.saturating_add(limits.absolute),
        }
    }
}

/// Returns `true` if the key `proven` is the one that is required, if there is one.
fn has_key(required: Option<&str>, proven: Option<&str>) -> bool {
    required.is_none_or(|required| proven == Some(required))
}

#[cfg(test)]
mod tests;
