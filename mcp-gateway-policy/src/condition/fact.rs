//! Variables of conditions, except for the arguments.

use super::error::EvaluationError;
use super::types::Type;
use super::value::Value;

/// Field of a variable.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Fact {
    CallerSubject,
    CallerName,
    CallerClient,
    CallerTeams,
    CallerRoles,
    CallerScopes,
    ToolServer,
    ToolName,
    ToolReadOnly,
    ToolDestructive,
    ToolIdempotent,
    ToolOpenWorld,
    ContextGateway,
    ContextProtocolVersion,
    ContextTime,
    ContextUntrusted,
    ResultText,
    ResultStructuredContent,
    ResultIsError,
    ResultSize,
}

/// Values of the variables of a call.
pub(crate) trait Facts {
    /// Returns the value of `fact`.
    fn fact(&self, fact: Fact) -> Result<Value<'_>, EvaluationError>;

    /// Returns the JSON text of the arguments; `None` without arguments.
    fn arguments(&self) -> Option<&str>;
}

/// Variable of conditions about results alone.
pub(super) const RESULT: &str = "result";

/// Variable with fields, name of the field, and its fact.
const FACTS: [(&str, &str, Fact); 20] = [
    ("caller", "subject", Fact::CallerSubject),
    ("caller", "name", Fact::CallerName),
    ("caller", "client", Fact::CallerClient),
    ("caller", "teams", Fact::CallerTeams),
    ("caller", "roles", Fact::CallerRoles),
    ("caller", "scopes", Fact::CallerScopes),
    ("tool", "server", Fact::ToolServer),
    ("tool", "name", Fact::ToolName),
    ("tool", "readOnly", Fact::ToolReadOnly),
    ("tool", "destructive", Fact::ToolDestructive),
    ("tool", "idempotent", Fact::ToolIdempotent),
    ("tool", "openWorld", Fact::ToolOpenWorld),
    ("context", "gateway", Fact::ContextGateway),
    ("context", "protocolVersion", Fact::ContextProtocolVersion),
    ("context", "time", Fact::ContextTime),
    ("context", "untrusted", Fact::ContextUntrusted),
    (RESULT, "text", Fact::ResultText),
    (RESULT, "structuredContent", Fact::ResultStructuredContent),
    (RESULT, "isError", Fact::ResultIsError),
    (RESULT, "size", Fact::ResultSize),
];

impl Fact {
    /// Returns the fact that is the field `field` of `variable`.
    pub(super) fn find(variable: &str, field: &str) -> Option<Self> {
        let mut facts = FACTS.iter();
        let found = facts.find(|(owner, name, _)| (*owner, *name) == (variable, field));
        found.map(|(_, _, fact)| *fact)
    }

    /// Returns the names of the fields of `variable`, for a message; `None` if it has none.
    pub(super) fn fields(variable: &str) -> Option<String> {
        let fields = FACTS.iter().filter(|(owner, _, _)| *owner == variable);
        let names: Vec<_> = fields.map(|(_, name, _)| *name).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Returns the type of the value.
    pub(super) fn value_type(self) -> Type {
        match self {
            Self::CallerTeams | Self::CallerRoles | Self::CallerScopes => Type::list(Type::String),
            Self::ToolReadOnly
            | Self::ToolDestructive
            | Self::ToolIdempotent
            | Self::ToolOpenWorld
            | Self::ContextUntrusted
            | Self::ResultIsError => Type::Bool,
            Self::ResultSize => Type::Int,
            Self::ResultStructuredContent => Type::Dynamic,
            Self::ContextTime => Type::Timestamp,
            Self::CallerSubject
            | Self::CallerName
            | Self::CallerClient
            | Self::ToolServer
            | Self::ToolName
            | Self::ContextGateway
            | Self::ContextProtocolVersion
            | Self::ResultText => Type::String,
        }
    }

    /// Returns `true` if the value differs between callers.
    pub(crate) fn is_of_caller(self) -> bool {
        matches!(
            self,
            Self::CallerSubject
                | Self::CallerName
                | Self::CallerClient
                | Self::CallerTeams
                | Self::CallerRoles
                | Self::CallerScopes
                | Self::ContextProtocolVersion
                | Self::ContextUntrusted
        )
    }

    /// Returns `true` if the value is an annotation, which only a listed tool has.
    pub(crate) fn is_annotation(self) -> bool {
        matches!(
            self,
            Self::ToolReadOnly | Self::ToolDestructive | Self::ToolIdempotent | Self::ToolOpenWorld
        )
    }
}
