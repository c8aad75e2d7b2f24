//! Stages of a call.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::Attempts;
use crate::Credential;
use crate::protocol::header::ParamHeaders;
use crate::route::Target;
use crate::trace::TraceContext;

/// Stage of a call whose target is known.
#[derive(Clone, Debug)]
pub struct Routed {
    pub(crate) target: Target,
    pub(crate) attempts: Attempts,
}

/// Stage of a call that the policy permits.
#[derive(Clone, Debug)]
pub struct Permitted {
    pub(crate) target: Target,
    pub(crate) attempts: Attempts,
}

/// Stage of a call that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) target: Target,
    pub(crate) credential: Credential,
    pub(crate) param_headers: ParamHeaders,
    /// Server that the credential is for; found by its name if `None`.
    pub(crate) server: Option<ServerHandle>,
    /// Context of the span that the server receives.
    pub(crate) outgoing: Option<TraceContext>,
}

/// Server of a prepared call: the very one whose resolver has chosen the credential.
///
/// Its type is erased, because the modules of servers depend on that of calls.
#[derive(Clone)]
pub(crate) struct ServerHandle(Arc<dyn Any + Send + Sync>);

impl Routed {
    /// Creates the stage of a call to `target`.
    pub(crate) fn new(target: Target) -> Self {
        let attempts = Attempts::default();
        Self { target, attempts }
    }
}

impl Prepared {
    /// Creates the stage of a call that an embedder sends directly, bypassing the layers.
    ///
    /// The code that calls it vouches for the permission of the caller and for the credential.
    #[must_use]
    pub fn trusted(target: Target, credential: Credential) -> Self {
        Self {
            target,
            credential,
            param_headers: ParamHeaders::new(),
            server: None,
            outgoing: None,
        }
    }

    /// Sets the server that the credential is for.
    pub(crate) fn with_server(self, server: Option<ServerHandle>) -> Self {
        Self { server, ..self }
    }
}

impl ServerHandle {
    /// Creates the handle of `server`.
    pub(crate) fn new<T: Any + Send + Sync>(server: Arc<T>) -> Self {
        Self(server)
    }

    /// Returns the server, if it is of the type `T`.
    pub(crate) fn into_server<T: Any + Send + Sync>(self) -> Option<Arc<T>> {
        self.0.downcast().ok()
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").finish_non_exhaustive()
    }
}

/// A stage at which the target is known. Sealed.
#[diagnostic::on_unimplemented(
    message = "the target of a `Call<{Self}>` is not known yet",
    note = "calls have a target after `Dispatch`: add the layer with `on_routed`"
)]
pub trait HasTarget: sealed::Sealed {
    /// Returns the target of the call.
    fn target(&self) -> &Target;
}

macro_rules! has_target {
    ($($stage:ty)*) => {
        $(
            impl HasTarget for $stage {
                fn target(&self) -> &Target {
                    &self.target
                }
            }

            impl sealed::Sealed for $stage {}
        )*
    };
}

has_target!(Routed Permitted Prepared);

mod sealed {
    #[expect(unnameable_types, reason = "seals HasTarget")]
    pub trait Sealed {}
}
