//! Destinations of calls of tools.

use super::fan_out::missing_name;
use super::{Destination, RoutedService, Shared};
use crate::catalog::ListKind;
use crate::error::{NameKind, RouteError};
use crate::jsonrpc::Request;
use crate::route::{Feature, ResolvedName, Target};
use crate::{Call, Error, Reply};

impl Shared {
    /// Returns the destination of a call of a tool.
    pub(super) fn tool_target(&self, request: &Request) -> Destination {
        let Some(name) = request.name() else {
            return Destination::rejected(missing_name(request));
        };
        match self.router.resolve_tool(&name) {
            Some(ResolvedName { server, name }) if self.is_of_an_app(&server, &name) => {
                Destination::Servers
            }
            Some(ResolvedName { server, name }) => {
                Destination::Server(Target::new(server, Feature::Tool(name.into())))
            }
            None if self.router.is_pending(&name) => Destination::Unlisted,
            None if self.may_be_of_an_app() => Destination::Servers,
            None => Destination::rejected(RouteError::unknown_name(NameKind::Tool, &name)),
        }
    }

    /// Exposes the tools of all servers, and returns the server of a call of a tool.
    pub(super) async fn listed_target<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
    ) -> Result<Target, Error> {
        for (server, listing) in self.listings(ListKind::Tools, inner, call).await? {
            for entry in listing.entries() {
                let _ = self.router.expose_tool(&server, entry.name());
            }
        }
        match self.tool_target(call.request()) {
            Destination::Server(target) => Ok(target),
            Destination::Refused(error) => Err(*error),
            Destination::Servers | Destination::Unlisted => {
                let name = call.request().name().unwrap_or_default();
                Err(RouteError::unknown_name(NameKind::Tool, &name).into())
            }
        }
    }

    /// Forwards a call of a tool whose name resolves once tools were listed.
    pub(super) async fn call_unlisted<S: RoutedService>(
        &self,
        inner: S,
        call: Call,
    ) -> Result<Reply, Error> {
        let target = match self.listed_target(&inner, &call).await {
            Err(Error::Route(_)) if self.may_be_of_an_app() => {
                return self.app_call(inner, call).await;
            }
            target => target?,
        };
        self.call_target(inner, call, target).await
    }
}
