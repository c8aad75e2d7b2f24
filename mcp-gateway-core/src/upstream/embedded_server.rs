//! Servers of this process that receive calls with their callers.

use std::fmt;

use async_trait::async_trait;

use super::DiscoverResult;
use crate::Call;
use crate::call::Prepared;
use crate::jsonrpc::ErrorObject;

/// An MCP server of the modern era that is code of this process, and receives each call with its
/// authenticated [caller](Call::caller).
///
/// The caller is part of the call, and never of its messages: nothing that a client writes can
/// change it. Such a server may therefore decide by the [principal](Call::principal).
///
/// The gateway translates for clients of the legacy era: a result `input_required` becomes requests
/// to the client, whose answers arrive as `inputResponses` of the repeated call.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use mcp_gateway_core::Call;
/// use mcp_gateway_core::call::Prepared;
/// use mcp_gateway_core::jsonrpc::ErrorObject;
/// use mcp_gateway_core::runtime::Embedded;
/// use mcp_gateway_core::upstream::{DiscoverResult, EmbeddedServer, UpstreamServer};
///
/// /// Tells callers their names.
/// #[derive(Debug)]
/// struct Whoami(DiscoverResult);
///
/// #[async_trait]
/// impl EmbeddedServer for Whoami {
///     fn info(&self) -> DiscoverResult {
///         self.0.clone()
///     }
///
///     async fn call(&self, call: &Call<Prepared>) -> Result<String, ErrorObject> {
///         let name = call.principal().subject();
///         let content = serde_json::json!([{ "type": "text", "text": name }]);
///         Ok(serde_json::json!({ "resultType": "complete", "content": content }).to_string())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let info = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#;
/// let whoami = Whoami(DiscoverResult::from_discover(info)?);
/// let server = UpstreamServer::builder("whoami", Embedded::new(Arc::new(whoami))).build();
/// assert_eq!(server.connections(), 0);
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait EmbeddedServer: fmt::Debug + Send + Sync + 'static {
    /// Returns the self-description of the server, whose version is the latest.
    fn info(&self) -> DiscoverResult;

    /// Answers a request: the list of a kind, or the call of a feature. Returns the JSON text of the
    /// result.
    ///
    /// The request is as the client has sent it: the name that the server uses is in the
    /// [target](Call::target).
    ///
    /// # Errors
    ///
    /// [`ErrorObject`] of a request that has no result.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the client disconnects or cancels the call, at any `.await`.
    async fn call(&self, call: &Call<Prepared>) -> Result<String, ErrorObject>;
}
