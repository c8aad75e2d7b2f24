//! The built-in server `platform`, whose tools administer the platform.
//!
//! A gateway has it only if its servers or assignments name it: it is not among *all servers* of a
//! gateway, because whoever adds an untrusted server to that gateway would put its texts beside tools
//! that change the platform.

use std::sync::Arc;

use mcp_gateway_admin::{AdminApi, PlatformTools};
use mcp_gateway_auth::Keyring;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::runtime::Embedded;

use crate::error::PlatformError;
use crate::reload::foreign::Foreign;
use crate::reload::generations::Admission;
use crate::servers::Builtins;
use crate::spec::PLATFORM_TOOLS;

/// Adds the server to `builtins`, and returns it.
///
/// # Errors
///
/// [`PlatformError::Servers`] if its self-description is invalid.
pub(crate) fn add(builtins: &mut Builtins) -> Result<PlatformTools, PlatformError> {
    let tools = PlatformTools::with_admission(rejection);
    let tools = tools.map_err(|error| PlatformError::Servers(std::io::Error::other(error)))?;
    let backend = Arc::new(Embedded::new(Arc::new(tools.clone())));
    builtins.insert(PLATFORM_TOOLS.into(), backend);
    Ok(tools)
}

/// Links `tools` to the API that they call, and to the keys that replicas share.
pub(crate) fn link(tools: &PlatformTools, api: &AdminApi, keyring: Option<&Keyring>) {
    let keys = keyring.map(|keyring| keyring.derive("confirmations", |key| *key));
    if let Some(key) = keys.and_then(|keys| keys.into_iter().next()) {
        tools.set_key(&key);
    }
    tools.set_api(api.clone().local());
}

/// Returns the reason for which `principal` is rejected: the API accepts neither callers without
/// credentials nor those of other issuers, and roles that these claim are not those of users here.
fn rejection(principal: &Principal) -> Option<&'static str> {
    let is_anonymous = principal
        .extension::<Admission>()
        .is_some_and(|admission| admission.is_anonymous);
    if is_anonymous {
        return Some(ANONYMOUS);
    }
    principal.extension::<Foreign>().map(|_| FOREIGN)
}

/// Rejection of callers without credentials.
const ANONYMOUS: &str = "The tools of this server act on behalf of a user, and the caller has not \
    logged in (status 401). Ask the user to log in to the gateway, and call again.";

/// Rejection of callers of other issuers.
const FOREIGN: &str = "The tools of this server accept users of the gateway only, and the token of \
    the caller comes from another issuer (status 401). Ask the user to log in to the gateway itself.";

#[cfg(test)]
mod tests {
    use mcp_gateway_auth::StaticTokens;
    use mcp_gateway_auth::token::TokenVerifier as _;
    use mcp_gateway_core::auth::AllowAnonymous;

    use super::*;
    use crate::reload::foreign::ForeignVerifier;

    #[tokio::test]
    async fn r19_callers_whom_the_api_rejects_are_rejected() {
        let admission = |is_anonymous| Admission {
            generation: 1,
            is_anonymous,
        };
        let known = Principal::new("alice").with_role("admin");
        let verifier = StaticTokens::new().with_token("r8Yw2QkV", known);
        let own = verifier.verify_token("r8Yw2QkV").await.unwrap().unwrap();
        let own = own.principal().clone().with_extension(admission(false));
        assert_eq!(rejection(&own), None);
        let foreign = ForeignVerifier(verifier);
        let foreign = foreign.verify_token("r8Yw2QkV").await.unwrap().unwrap();
        assert_eq!(rejection(foreign.principal()), Some(FOREIGN));
        let anonymous = AllowAnonymous::principal().with_extension(admission(true));
        assert_eq!(rejection(&anonymous), Some(ANONYMOUS));
    }
}
