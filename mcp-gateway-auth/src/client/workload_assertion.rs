//! Assertions that a platform issues to its workloads.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use mcp_gateway_core::auth::Assertion;
use tokio::task::spawn_blocking;

use super::ClientError;
use crate::jose::MAX_TOKEN;

/// JWT by which a platform identifies a workload, such as the projected service account token of a
/// pod in Kubernetes.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::client::{ServiceClient, WorkloadAssertion};
///
/// let token = WorkloadAssertion::file("/var/run/secrets/tokens/gateway");
/// // It authenticates the client, or is the grant for which the server issues a token.
/// let client = ServiceClient::with_assertion("gateway", token.clone());
/// let federated = ServiceClient::with_assertion_grant("gateway", token);
/// assert_eq!(client.id(), federated.id());
/// ```
#[derive(Clone, Debug)]
#[doc(alias("workload identity", "service account"))]
pub struct WorkloadAssertion(Source);

#[derive(Clone, Debug)]
enum Source {
    File(Arc<Path>),
    Fixed(Assertion),
}

impl WorkloadAssertion {
    /// Reads the assertion from the file at `path` for each request, because the platform replaces
    /// it before it expires.
    #[must_use]
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self(Source::File(path.as_ref().into()))
    }

    /// Uses `assertion`, such as the value of an environment variable.
    #[must_use]
    pub fn fixed(assertion: Assertion) -> Self {
        Self(Source::Fixed(assertion))
    }

    /// Returns the current assertion.
    ///
    /// # Errors
    ///
    /// [`ClientError::Assertion`] if the file cannot be read, or holds no token.
    pub(super) async fn current(&self) -> Result<Assertion, ClientError> {
        let path = match &self.0 {
            Source::Fixed(assertion) => return Ok(assertion.clone()),
            Source::File(path) => Arc::clone(path),
        };
        let name = path.display().to_string();
        let read = spawn_blocking(move || read(&path)).await;
        let read = read.map_err(io::Error::other).flatten();
        read.map_err(|source| ClientError::Assertion { path: name, source })
    }
}

/// Reads the token in the file at `path`.
fn read(path: &Path) -> io::Result<Assertion> {
    let mut text = String::new();
    let limit = u64::try_from(MAX_TOKEN).unwrap_or(u64::MAX);
    File::open(path)?.take(limit).read_to_string(&mut text)?;
    match text.trim() {
        "" => Err(io::Error::new(io::ErrorKind::InvalidData, "empty file")),
        token => Ok(Assertion::new(token)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replaced_file_is_read_again() {
        let folder = std::env::temp_dir().join(format!("mcp-gateway-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("token");
        let assertion = WorkloadAssertion::file(path.as_path());
        assert!(assertion.current().await.is_err());
        for token in ["one", "two"] {
            std::fs::write(&path, format!("{token}\n")).unwrap();
            assert_eq!(assertion.current().await.unwrap().expose(), token);
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(assertion.current().await.is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
