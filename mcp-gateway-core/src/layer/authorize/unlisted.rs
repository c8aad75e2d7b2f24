//! Calls whose decision depends on the catalog entry of a tool that the gateway has not listed yet.
//!
//! A client may have listed the tool elsewhere: at another replica, or before a restart.

use tower::ServiceExt as _;
use tower_service::Service;

use super::{Shared, denied_error, permitted};
use crate::call::{Permitted, Routed};
use crate::layer::dispatch::lists::{list_request, parsed};
use crate::policy::{Decision, PolicyRequest};
use crate::protocol::ListKind;
use crate::route::Feature;
use crate::{Call, Error, Reply};

impl Shared {
    /// Returns `true` if a list of the server may change the decision about `call`.
    pub(super) fn lacks_entry(&self, call: &Call<Routed>) -> bool {
        let is_tool = matches!(call.target().feature, Feature::Tool(_));
        let request = PolicyRequest::call(call).with_pool(&self.pool);
        is_tool && self.policy.lacks_entry(&request)
    }

    /// Lists the tools of the server, decides about `call`, and sends it to `inner`.
    ///
    /// # Errors
    ///
    /// That of the list, such as a missing account, because it is also that of the call.
    pub(super) async fn list_and_decide<S>(
        &self,
        inner: S,
        call: Call<Routed>,
    ) -> Result<Reply, Error>
    where
        S: Service<Call<Permitted>, Response = Reply, Error = Error> + Clone,
    {
        match self.list(inner.clone(), &call).await {
            // The server has no tools.
            Ok(()) | Err(Error::Route(_)) => {}
            Err(error) => return Err(error),
        }
        let decision = self.decide(&call);
        if matches!(decision, Decision::Deny { .. }) && self.lacks_entry(&call) {
            // The reason would tell such a name from that of a hidden tool.
            return Err(denied_error(&call).into());
        }
        self.permit(&call, decision)?;
        inner.oneshot(permitted(call)).await
    }

    /// Requests the tools of the server of `call`, unless the policy hides them. The server keeps
    /// them.
    async fn list<S>(&self, inner: S, call: &Call<Routed>) -> Result<(), Error>
    where
        S: Service<Call<Permitted>, Response = Reply, Error = Error>,
    {
        let server = &call.target().server;
        let request = list_request(ListKind::Tools, call);
        let stage = Routed::to_server(server, request.method());
        let list = call.for_request(request, stage);
        if self.decide(&list) != Decision::Allow {
            return Ok(());
        }
        let answer = inner.oneshot(permitted(list)).await;
        parsed(answer, server, ListKind::Tools).await.map(drop)
    }
}
