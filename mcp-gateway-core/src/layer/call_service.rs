//! Bounds of a service that layers call again.

use tower_service::Service;

use crate::{Call, Error, Reply};

/// Service of calls, which a layer clones for a call that is sent again.
pub(super) trait CallService:
    Service<Call, Response = Reply, Error = Error, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> CallService for S where
    S: Service<Call, Response = Reply, Error = Error, Future: Send> + Clone + Send + Sync + 'static
{
}
