//! Sharing of upstream sessions between callers.

/// Sharing of upstream sessions and processes between callers.
///
/// Sessions of legacy servers and processes can hold state, such as a browser with open pages. The
/// policy decides which callers share that state.
///
/// Regardless of the policy, a legacy client to which servers may send requests gets exclusive
/// sessions on legacy servers, because such servers could not address it otherwise.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum SessionPolicy {
    /// Calls of one principal share a session, in all sessions of its clients.
    PerPrincipal,
    /// Each session of a client has a session of its own. Modern clients, which have no sessions,
    /// have one per principal.
    PerSession,
    /// All callers with the same credential for the server share a session.
    ///
    /// Suited to servers that keep no state between calls.
    #[default]
    Shared,
}
