//! The built-in MCP server: tools that administer the gateway.
//!
//! Each tool is one or several requests to the [`LocalApi`] on behalf of the caller of the tool, so
//! that what a role may do by tool is what it may do by API. The [caller](Call::caller) comes from
//! the authentication of the call, and from nothing that the client has written.
//!
//! | part | task |
//! |---|---|
//! | `table` | the tools with their descriptions |
//! | `definition` | schemas, of the document of the API where it has them |
//! | `run` | requests of a tool |
//! | `confirmation` | consent of the user to a change |
//! | `codes` | codes of changes, for clients that cannot ask |
//! | `answer` | results and errors, written for models |

mod answer;
mod arguments;
mod codes;
mod confirmation;
mod definition;
mod kind;
mod request;
mod run;
mod table;

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use mcp_gateway_core::Call;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Prepared;
use mcp_gateway_core::jsonrpc::{ErrorObject, code};
use mcp_gateway_core::protocol::Method;
use mcp_gateway_core::upstream::{DiscoverResult, EmbeddedServer, UpstreamError};
use serde_json::{Value, json};

use self::answer::Answer;
use self::arguments::Arguments;
use self::codes::Codes;
use self::confirmation::{Confirmation, Consent};
use self::run::Acting;
use self::table::Tool;
use crate::LocalApi;

/// MCP server whose tools administer the gateway on behalf of their callers. Cheap to clone.
///
/// It is created before the API that it calls, because servers are created before what administers
/// them. Until the API is [set](Self::set_api), calls fail.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_admin::{AdminApi, PlatformTools};
/// use mcp_gateway_auth::StaticTokens;
/// use mcp_gateway_core::runtime::Embedded;
/// use mcp_gateway_core::upstream::UpstreamServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tools = PlatformTools::new()?;
/// let server = UpstreamServer::builder("platform", Embedded::new(Arc::new(tools.clone()))).build();
/// tools.set_api(AdminApi::new(Arc::new(StaticTokens::new())).local());
/// assert_eq!(&**server.name(), "platform");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PlatformTools(Arc<Shared>);

/// Parts that clones share.
struct Shared {
    info: DiscoverResult,
    api: OnceLock<LocalApi>,
    /// Codes with which callers confirm changes.
    codes: Codes,
    /// Rule by which callers are rejected, besides that of the API.
    admission: Admission,
}

/// Function that returns the reason for which a caller is rejected.
type Admission = Box<dyn Fn(&Principal) -> Option<&'static str> + Send + Sync>;

impl PlatformTools {
    /// Creates the server, which accepts all callers that the API accepts.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if its self-description is invalid, or the system has no randomness.
    pub fn new() -> Result<Self, UpstreamError> {
        Self::with_admission(|_| None)
    }

    /// Creates the server, which rejects the callers for whom `admission` returns a reason.
    ///
    /// The API accepts only some kinds of tokens, and a gateway others: `admission` decides about the
    /// latter.
    ///
    /// # Errors
    ///
    /// That of [`new`](Self::new).
    pub fn with_admission(
        admission: impl Fn(&Principal) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Result<Self, UpstreamError> {
        Ok(Self(Arc::new(Shared {
            info: DiscoverResult::from_discover(&info().to_string())?,
            codes: Codes::new().map_err(|_| UpstreamError::connect("no random numbers"))?,
            api: OnceLock::new(),
            admission: Box::new(admission),
        })))
    }

    /// Sets the key of the codes with which callers confirm changes. Replicas share it, so that a code of one
    /// is accepted by another; without it, each has a random one. Only the first one counts.
    pub fn set_key(&self, key: &[u8; 32]) {
        self.0.codes.set_key(key);
    }

    /// Sets the API. Only the first one counts.
    pub fn set_api(&self, api: LocalApi) {
        let _ = self.0.api.set(api);
    }

    /// Returns the definitions of the tools, as a client receives them.
    #[must_use]
    pub fn definitions() -> &'static [Value] {
        definition::all()
    }

    /// Calls a tool.
    async fn call_tool(&self, call: &Call<Prepared>) -> Result<Value, ErrorObject> {
        // The request has the name that the client sees.
        let name = call.target().feature.name().unwrap_or_default();
        let tool = Tool::find(name).ok_or_else(|| {
            ErrorObject::new(code::INVALID_PARAMS, format!("Unknown tool: {name}"))
        })?;
        let mut arguments = match Arguments::read(call.request().param("arguments"), tool) {
            Ok(arguments) => arguments,
            Err(answer) => return Ok(answer.into_result()),
        };
        let mut principal = call.principal().clone();
        if let Some(confirmation) =
            Confirmation::required(tool, &mut arguments, principal.subject())
        {
            match confirmation.consent(call, &self.0.codes) {
                Consent::Given => {}
                Consent::Missing(result) => return Ok(result),
            }
            // The question may have taken a while.
            match call.caller().authenticate_again().await {
                Ok(Some(now)) => principal = now,
                Ok(None) => {}
                Err(_) => return Ok(Answer::error(UNAUTHENTICATED).into_result()),
            }
        }
        if let Some(reason) = (self.0.admission)(&principal) {
            return Ok(Answer::error(reason).into_result());
        }
        let Some(api) = self.0.api.get() else {
            return Ok(Answer::error(STARTING).into_result());
        };
        let acting = Acting { api, principal };
        Ok(run::run(&acting, tool, arguments).await.into_result())
    }
}

#[async_trait]
impl EmbeddedServer for PlatformTools {
    fn info(&self) -> DiscoverResult {
        self.0.info.clone()
    }

    async fn call(&self, call: &Call<Prepared>) -> Result<String, ErrorObject> {
        let result = match call.request().method() {
            Method::ToolsList => list(),
            Method::ToolsCall => self.call_tool(call).await?,
            method => {
                let message = format!("Method not found: {}", method.as_str());
                return Err(ErrorObject::new(code::METHOD_NOT_FOUND, message));
            }
        };
        Ok(result.to_string())
    }
}

impl fmt::Debug for PlatformTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlatformTools").finish_non_exhaustive()
    }
}

/// Returns the result of `tools/list`. All callers see the same tools.
fn list() -> Value {
    json!({
        "resultType": "complete",
        "tools": definition::all(),
        "ttlMs": LIFETIME,
        "cacheScope": "public",
    })
}

/// Returns the self-description of the server.
fn info() -> Value {
    json!({
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "platform", "version": env!("CARGO_PKG_VERSION") },
        "instructions": INSTRUCTIONS,
    })
}

/// Instructions for models.
const INSTRUCTIONS: &str = "Administration of this MCP gateway on behalf of the user. Call whoami \
    first: it tells the role of the user and what that role may do. Find objects with \
    search_objects or list_objects, read one with get_object before you change it. Every change \
    needs the consent of the user.";

/// Lifetime of the list of tools in milliseconds: it changes with the program only.
const LIFETIME: u64 = 300_000;

/// Error after the end of the credential.
const UNAUTHENTICATED: &str = "The login of the user has ended in the meantime, and nothing was \
    changed. Ask the user to log in again, and repeat the call.";

/// Error before the API is there.
const STARTING: &str = "The gateway is starting. Repeat the call in a second.";

#[cfg(test)]
mod tests;
