/// Why a call has no target.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// No server of the gateway has such a method.
    #[error("unknown method {method:?}")]
    UnknownMethod {
        /// The method that the client used.
        method: Box<str>,
    },
    /// No server of the gateway has what the client named, or the client may not know of it.
    #[error("unknown {kind} {name:?}")]
    UnknownName {
        /// `tool`, `prompt`, `resource` or `task`.
        kind: &'static str,
        /// The name that the client used.
        name: Box<str>,
    },
}
