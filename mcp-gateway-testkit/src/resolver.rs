//! Contract of [`CredentialResolver`].

use mcp_gateway_core::credential::CredentialResolver;
use mcp_gateway_core::route::Target;
use mcp_gateway_core::{Caller, Credential};

use crate::cancel::poll_once;

/// Checks `resolver` with `calls`, for which it has credentials.
///
/// 1. A resolution that is dropped leaves the resolver usable.
/// 2. The account of a call is the same each time.
/// 3. Calls of one account to one server present the same: they may share a session.
/// 4. `Debug` and the account show no header that is presented.
pub async fn contract(resolver: &dyn CredentialResolver, calls: &[(Caller, Target)]) {
    let mut resolved = Vec::new();
    for (caller, target) in calls {
        poll_once(resolver.resolve(caller, target)).await;
        let credential = resolve(resolver, caller, target).await;
        let again = resolve(resolver, caller, target).await;
        assert_eq!(credential.account(), again.account(), "the same each time");
        shows_no_secret(&credential);
        resolved.push((&target.server, credential));
    }
    for (server, one) in &resolved {
        for (other_server, other) in &resolved {
            if server == other_server && one.account() == other.account() {
                let account = one.account();
                assert_eq!(one.headers(), other.headers(), "{account:?} at {server}");
            }
        }
    }
}

async fn resolve(
    resolver: &dyn CredentialResolver,
    caller: &Caller,
    target: &Target,
) -> Credential {
    match resolver.resolve(caller, target).await {
        Ok(credential) => credential,
        Err(error) => panic!("no credential for {target:?}: {error}"),
    }
}

fn shows_no_secret(credential: &Credential) {
    let shown = format!("{credential:?} {}", credential.account());
    for (name, value) in credential.headers() {
        let secret = String::from_utf8_lossy(value.as_bytes());
        assert!(!shown.contains(&*secret), "{name} is shown");
    }
}
