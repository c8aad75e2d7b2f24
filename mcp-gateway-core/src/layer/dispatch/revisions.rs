//! Lists by one revision of the policy.

use std::time::Duration;

use tokio::time;

use super::{RoutedService, Shared};
use crate::catalog::ListKind;
use crate::{Call, Error, Reply};

impl Shared {
    /// Returns one page of the list `kind`. It is requested again if the policy changes meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::RateLimited`] if the policy changes all the time.
    pub(super) async fn list<S: RoutedService>(
        &self,
        kind: ListKind,
        inner: S,
        call: &Call,
    ) -> Result<Reply, Error> {
        for _ in 0..MAX_ATTEMPTS {
            let revision = self.policy.revision();
            let page = self.page_of(kind, inner.clone(), call).await;
            if revision.is_some() && self.policy.revision() == revision {
                return page;
            }
            time::sleep(PAUSE).await;
        }
        let retry_after = Duration::from_secs(1);
        Err(Error::RateLimited { retry_after })
    }
}

/// Maximum number of attempts.
const MAX_ATTEMPTS: u32 = 20;

/// Pause before another attempt. Changes take milliseconds.
const PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tower::{Layer, ServiceExt, service_fn};

    use super::*;
    use crate::auth::Principal;
    use crate::call::Permitted;
    use crate::jsonrpc::{Id, Request};
    use crate::layer::authorize::AuthorizeLayer;
    use crate::layer::dispatch::DispatchLayer;
    use crate::policy::{Decision, Policy, PolicyRequest};
    use crate::protocol::{Capabilities, Method, ProtocolVersion};
    use crate::route::{Feature, PrefixRouter};
    use crate::{Caller, ClientInfo, reply};

    /// Policy that is replaced during the first list: what its server has is hidden afterwards.
    #[derive(Debug, Default)]
    struct Replaced(AtomicU64);

    impl Policy for Replaced {
        fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
            let is_hidden = self.0.load(Ordering::Relaxed) < 2;
            match &request.target().feature {
                Feature::Tool(_) if is_hidden => Decision::deny("hidden"),
                _ => Decision::Allow,
            }
        }

        fn revision(&self) -> Option<u64> {
            // Odd while it is replaced.
            let revision = self.0.load(Ordering::Relaxed);
            revision.is_multiple_of(2).then_some(revision)
        }
    }

    #[tokio::test]
    async fn category_overtaken_a_list_during_a_change_is_requested_again() {
        let policy = Arc::new(Replaced::default());
        let router = Arc::new(PrefixRouter::by_name(["a"]).unwrap());
        let dispatch = DispatchLayer::new(router, Arc::clone(&policy) as _);
        let changing = Arc::clone(&policy);
        let lists = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lists);
        let inner = service_fn(move |call: Call<Permitted>| {
            // The first server is replaced by the third one, whose tools are not hidden.
            let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
            changing.0.store(number.min(2), Ordering::Relaxed);
            let tools = format!(r#"{{"tools":[{{"name":"of-{number}","inputSchema":{{}}}}]}}"#);
            std::future::ready(Ok::<_, Error>(Reply::result(call.request().id(), &tools)))
        });
        let service = dispatch.layer(AuthorizeLayer::new(policy).layer(inner));
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
        let request = Request::new(&Id::from(1), &Method::ToolsList, "{}");
        let reply = service
            .oneshot(Call::trusted(request, caller))
            .await
            .unwrap();
        let response = reply::response(reply).await.unwrap();
        let listed = response.result().unwrap();
        assert!(
            listed.contains("of-3") && !listed.contains("of-1"),
            "{listed}"
        );
        assert_eq!(lists.load(Ordering::Relaxed), 3);
    }
}
