//! Protocol eras and their detection.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::failure::Failure;
use crate::response;
use crate::wire::{Call, first_id, modern};

/// Protocol era.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Era {
    /// Sessions opened by a handshake, up to 2025-11-25.
    Legacy,
    /// Self-contained requests, from 2026-07-28 on.
    Modern,
}

impl Era {
    /// Returns the name, as written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }

    /// Detects the era of `endpoint`; the modern era is preferred.
    ///
    /// # Errors
    ///
    /// Fails when there is no answer, or one that only a modern server would give to a mistake.
    pub(crate) async fn detect(endpoint: &Endpoint) -> Result<Self, Failure> {
        let mut body = Vec::new();
        let mut request = modern::call(endpoint, &Call::bare(modern::DISCOVER));
        let mut connection = endpoint.connect().await?;
        let head = connection
            .exchange(request.with_id(first_id(0)), &mut body)
            .await?;
        match response::check(&head, &body, request.id()) {
            Ok(()) => Ok(Self::Modern),
            Err(
                failure @ Failure::Status {
                    status: 401 | 403, ..
                },
            ) => Err(failure),
            Err(failure) => match failure {
                // Modern error codes that say the request was wrong, not that it came too early.
                Failure::Rpc {
                    code: -32021 | -32020,
                    ..
                } => Err(failure),
                _ => Ok(Self::Legacy),
            },
        }
    }
}
