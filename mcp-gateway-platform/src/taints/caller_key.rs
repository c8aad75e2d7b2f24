//! Keys of callers and their contexts, under which taints are stored.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use mcp_gateway_core::Caller;

/// Context of the taint of a caller as a whole.
pub(super) const EVERYTHING: &str = "all";

/// Principal, client and gateway of a caller, and the context of its call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct CallerKey {
    /// Principal, client and gateway.
    pub(super) owner: Box<str>,
    /// Session, conversation, or [`EVERYTHING`] for a call that names neither.
    pub(super) context: Box<str>,
}

impl CallerKey {
    /// Returns the key of `caller`.
    pub(super) fn of(caller: &Caller) -> Self {
        let (principal, client) = (caller.principal(), caller.client());
        let owner = [
            caller.gateway(),
            principal.subject(),
            principal.client().unwrap_or_default(),
        ];
        let context = match (client.session(), client.conversation()) {
            (Some(session), _) => format!("s{}", hash(&[session.key()])).into(),
            (None, Some(name)) => format!("c{}", hash(&[name])).into(),
            (None, None) => EVERYTHING.into(),
        };
        let owner = hash(&owner).into();
        Self { owner, context }
    }

    /// Returns `true` if a taint of `context` concerns the call.
    ///
    /// A call that names no context may belong to any of its caller.
    pub(super) fn is_covered_by(&self, context: &str) -> bool {
        context == EVERYTHING || *self.context == *EVERYTHING || *self.context == *context
    }

    /// Returns the identifier of the document of a taint.
    pub(super) fn id(&self) -> String {
        format!("{}-{}", self.owner, self.context)
    }

    /// Returns the kind of the context.
    pub(super) fn kind(&self) -> &'static str {
        match self.context.as_bytes().first() {
            Some(b's') => "session",
            Some(b'c') => "conversation",
            _ => "caller",
        }
    }
}

/// Returns a digest of `parts`, in hexadecimal.
fn hash(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        // The length keeps different parts apart.
        let _ = write!(text, "{}:{part}", part.len());
    }
    let mut hex = String::new();
    for byte in &digest(&SHA256, text.as_bytes()).as_ref()[..16] {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    use mcp_gateway_core::ClientInfo;
    use mcp_gateway_core::auth::Principal;
    use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};

    use super::*;

    fn key(subject: &str, conversation: Option<&str>) -> CallerKey {
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let client = client.with_conversation(conversation.map(Into::into));
        CallerKey::of(&Caller::new(Principal::new(subject), "main", client))
    }

    #[test]
    fn a_caller_cannot_leave_a_conversation_by_silence() {
        let (one, other, none) = (key("a", Some("1")), key("a", Some("2")), key("a", None));
        assert_eq!(one.owner, none.owner);
        assert!(one.is_covered_by(&one.context) && !other.is_covered_by(&one.context));
        assert!(none.is_covered_by(&one.context));
        assert!(
            one.is_covered_by(&none.context),
            "a taint without a name is of all"
        );
        assert_ne!(key("b", None).owner, none.owner);
        assert_eq!((one.kind(), none.kind()), ("conversation", "caller"));
    }
}
