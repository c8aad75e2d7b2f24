//! Bearer tokens in a file that somebody else replaces.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use http::request::Parts;
use mcp_gateway_auth::StaticTokens;
use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal};

/// Verifier of the tokens in a file, one per line.
///
/// The file is read again every two seconds. With two tokens in it, callers can be moved from one
/// to the other while neither is refused.
pub(crate) struct TokenFile {
    path: PathBuf,
    owner: Principal,
    tokens: RwLock<Arc<StaticTokens>>,
}

impl TokenFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    ///
    /// Fails if there is no token in it.
    pub(crate) fn open(path: PathBuf, owner: Principal) -> anyhow::Result<Self> {
        let tokens = read(&path, &owner)?;
        Ok(Self {
            path,
            owner,
            tokens: RwLock::new(Arc::new(tokens)),
        })
    }

    /// Reads the file again and again. The last tokens stay while it cannot be read.
    pub(crate) async fn follow(&self) {
        let mut failed = false;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let (path, owner) = (self.path.clone(), self.owner.clone());
            let reading = tokio::task::spawn_blocking(move || read(&path, &owner));
            let tokens = reading.await.map_err(io::Error::from);
            match tokens.map_err(Into::into).flatten() {
                Ok(tokens) => {
                    failed = false;
                    let mut current = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
                    *current = Arc::new(tokens);
                }
                Err(error) if !failed => {
                    failed = true;
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "token file not read, last tokens kept"
                    );
                }
                Err(_) => {}
            }
        }
    }
}

#[async_trait]
impl AuthVerifier for TokenFile {
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
        let tokens = {
            let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&tokens)
        };
        tokens.verify(request).await
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn read(path: &Path, owner: &Principal) -> anyhow::Result<StaticTokens> {
    let context = || format!("token file {}", path.display());
    let text = std::fs::read_to_string(path).with_context(context)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let tokens: Vec<_> = lines.collect();
    ensure!(!tokens.is_empty(), "{} contains no token", context());
    let tokens = tokens.into_iter();
    Ok(tokens.fold(StaticTokens::new(), |known, token| {
        known.with_token(token, owner.clone())
    }))
}

/// Interval between two readings.
const INTERVAL: Duration = Duration::from_secs(2);
