//! Exchanges of one caller.

use std::time::Duration;

use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::credential::CredentialError;
use mcp_gateway_core::error_chain;
use tokio::time::Instant;

use super::failure::{ExchangeFailure, IdentityFailure};
use super::{SubjectToken, TokenExchange};
use crate::client::ClientError;
use crate::client::backoff::Backoff;
use crate::client::token_slot::{IssuedToken, TokenRequests};

/// Exchanges of one identity.
#[derive(Default)]
pub(super) struct CallerState {
    denial: Option<Denial>,
    backoff: Backoff,
    /// Last failure.
    failure: String,
    /// Code of the failure, if the next exchange would fail alike.
    code: Option<String>,
}

/// Identity that was not exchanged.
struct Denial {
    failure: IdentityFailure,
    since: Instant,
}

/// Exchanges of one caller.
pub(super) struct CallerExchange<'a> {
    pub(super) all: &'a TokenExchange,
    pub(super) principal: &'a Principal,
    /// Name of the server.
    pub(super) server: &'a str,
    pub(super) subject: &'a SubjectToken,
}

impl CallerExchange<'_> {
    /// Rejects an exchange that has failed just now.
    fn check(&self, state: &CallerState) -> Result<(), CredentialError> {
        let denial = state.denial.as_ref();
        if let Some(denial) = denial.filter(|denial| denial.since.elapsed() < DENIED) {
            let failure = denial.failure.clone();
            return Err(self.all.identity_required(self.principal, failure));
        }
        match state.backoff.remaining() {
            Some(remaining) => {
                let (failure, code) = (state.failure.clone(), state.code.clone());
                let suspended = ClientError::Suspended {
                    remaining,
                    failure,
                    code,
                };
                Err(suspended.into())
            }
            None => Ok(()),
        }
    }

    /// Records a failure, and returns its error.
    fn failed(&self, state: &mut CallerState, failure: ExchangeFailure) -> CredentialError {
        match failure {
            ExchangeFailure::Identity(failure) => {
                let (issuer, cause) = (&*failure.issuer, failure.cause);
                let error = &*failure.response;
                tracing::info!(issuer, %cause, error, "identity not exchanged");
                state.denial = Some(Denial {
                    failure: failure.clone(),
                    since: Instant::now(),
                });
                self.all.identity_required(self.principal, failure)
            }
            ExchangeFailure::Other(error) => {
                let (issuer, text) = (self.all.issuer.as_str(), error_chain(&error));
                tracing::warn!(issuer, error = text, "identity not exchanged");
                if let ClientError::Token(_) = error {
                    state.backoff.record_failure();
                    state.failure = text;
                    state.code = error.final_code().map(str::to_owned);
                }
                error.into()
            }
        }
    }
}

impl TokenRequests<CallerState> for CallerExchange<'_> {
    async fn request(
        &self,
        state: &mut CallerState,
        is_rejected: bool,
    ) -> Result<IssuedToken, CredentialError> {
        self.check(state)?;
        let exchanged = self.all.exchanged(self.subject, is_rejected).await;
        let issued = exchanged.and_then(|tokens| {
            let owner = (self.principal, self.server);
            let issued = self.all.credential(owner, tokens);
            issued.map_err(ExchangeFailure::Other)
        });
        match issued {
            Ok(token) => {
                *state = CallerState::default();
                Ok(token)
            }
            Err(failure) => Err(self.failed(state, failure)),
        }
    }
}

/// Time during which an identity that was not exchanged is not presented again.
const DENIED: Duration = Duration::from_secs(60);
