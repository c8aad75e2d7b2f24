//! Attributes of a call, read as rules need them.

use std::cell::OnceCell;
use std::time::SystemTime;

use mcp_gateway_core::catalog::CatalogEntry;
use mcp_gateway_core::policy::PolicyRequest;
use mcp_gateway_core::route::Feature;
use time::OffsetDateTime;

use crate::condition::{EvaluationError, Fact, Facts, Value};
use crate::hint::Hint;

/// Attributes of a call or list entry.
pub(crate) struct Attributes<'a> {
    gateway: &'a str,
    request: &'a PolicyRequest<'a>,
    now: SystemTime,
    is_untrusted: Option<&'a dyn Fn() -> bool>,
    hints: OnceCell<Option<Hints>>,
}

/// Annotations of a listed tool.
#[derive(Clone, Copy)]
struct Hints {
    read_only: bool,
    destructive: bool,
    idempotent: bool,
    open_world: bool,
}

impl<'a> Attributes<'a> {
    /// Returns the attributes of a request at a gateway at the time `now`.
    pub(crate) fn new(
        (gateway, request): (&'a str, &'a PolicyRequest<'a>),
        now: SystemTime,
    ) -> Self {
        Self {
            gateway,
            request,
            now,
            is_untrusted: None,
            hints: OnceCell::new(),
        }
    }

    /// Sets the function that returns `true` if the context is untrusted. Default: it is trusted.
    pub(crate) fn in_context(mut self, is_untrusted: Option<&'a dyn Fn() -> bool>) -> Self {
        self.is_untrusted = is_untrusted;
        self
    }

    /// Returns `true` if the context is untrusted.
    pub(crate) fn is_untrusted(&self) -> bool {
        self.is_untrusted.is_some_and(|is_untrusted| is_untrusted())
    }

    /// Returns the annotation `hint`, or its default.
    ///
    /// # Errors
    ///
    /// [`EvaluationError::Unlisted`] if the tool is in no list that the gateway has.
    pub(crate) fn hint(&self, hint: Hint) -> Result<bool, EvaluationError> {
        let read = || self.request.entry().map(|entry| Hints::of(&entry));
        let hints = self.hints.get_or_init(read);
        let hints = hints.as_ref().ok_or(EvaluationError::Unlisted)?;
        Ok(match hint {
            Hint::Destructive => hints.destructive,
            Hint::Idempotent => hints.idempotent,
            Hint::OpenWorld => hints.open_world,
            Hint::ReadOnly => hints.read_only,
        })
    }
}

impl Hints {
    fn of(entry: &CatalogEntry) -> Self {
        let declared = |hint: Hint| entry.hint(hint.as_str());
        let read_only = declared(Hint::ReadOnly).unwrap_or(false);
        Self {
            read_only,
            destructive: declared(Hint::Destructive).unwrap_or(!read_only),
            idempotent: declared(Hint::Idempotent).unwrap_or(false),
            open_world: declared(Hint::OpenWorld).unwrap_or(true),
        }
    }
}

/// Returns the value of a text that may be absent.
fn text(text: Option<&str>) -> Result<Value<'_>, EvaluationError> {
    text.map(Value::text).ok_or(EvaluationError::Absent)
}

impl Facts for Attributes<'_> {
    fn fact(&self, fact: Fact) -> Result<Value<'_>, EvaluationError> {
        let caller = self.request.caller();
        let principal = caller.principal();
        match fact {
            Fact::CallerSubject => Ok(Value::text(principal.subject())),
            Fact::CallerName => text(principal.name()),
            Fact::CallerClient => text(principal.client()),
            Fact::CallerTeams => Ok(Value::texts(principal.teams())),
            Fact::CallerRoles => Ok(Value::texts(principal.roles())),
            Fact::CallerScopes => Ok(Value::texts(principal.scopes())),
            Fact::ToolServer => Ok(Value::text(&self.request.target().server)),
            Fact::ToolName => match &self.request.target().feature {
                Feature::Tool(name) => Ok(Value::text(name)),
                _ => Err(EvaluationError::Absent),
            },
            Fact::ToolReadOnly => self.hint(Hint::ReadOnly).map(Value::Bool),
            Fact::ToolDestructive => self.hint(Hint::Destructive).map(Value::Bool),
            Fact::ToolIdempotent => self.hint(Hint::Idempotent).map(Value::Bool),
            Fact::ToolOpenWorld => self.hint(Hint::OpenWorld).map(Value::Bool),
            Fact::ContextGateway => Ok(Value::text(self.gateway)),
            Fact::ContextProtocolVersion => Ok(Value::text(caller.client().version().as_str())),
            Fact::ContextUntrusted => Ok(Value::Bool(self.is_untrusted())),
            Fact::ResultText
            | Fact::ResultStructuredContent
            | Fact::ResultIsError
            | Fact::ResultSize => Err(EvaluationError::Absent),
            Fact::ContextTime => Ok(Value::Timestamp(OffsetDateTime::from(self.now))),
        }
    }

    fn arguments(&self) -> Option<&str> {
        self.request.arguments()
    }
}
