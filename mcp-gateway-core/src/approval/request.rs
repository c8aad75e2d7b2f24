//! Requests for an approval.

use std::fmt;
use std::sync::Arc;

use super::arguments::{Arguments, sha256};
use super::{ApprovalError, ApprovalTerms, Approvers};

/// Request to approve one call.
///
/// Its [key](Self::key) identifies the call: an approval permits the calls with the same key, and no
/// other ones.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_core::approval::{ApprovalError, ApprovalRequest, ApprovalSubject, ApprovalTerms};
///
/// let subject = ApprovalSubject::new("alice", "main").with_tool("files", "delete");
/// let terms = Arc::new(ApprovalTerms::default());
/// let request = |arguments| {
///     ApprovalRequest::new(subject.clone(), arguments, "deletion", Arc::clone(&terms))
/// };
/// let asked = request(r#"{"path": "a", "token": "t0p"}"#)?;
/// assert_eq!(&*asked.arguments, r#"{"path":"a","token":"***"}"#);
/// assert_eq!(asked.key(), request(r#"{"token":"t0p","path":"a"}"#)?.key());
/// assert_ne!(asked.key(), request(r#"{"token":"t0p","path":"b"}"#)?.key());
/// # Ok::<(), ApprovalError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct ApprovalRequest {
    /// Caller, gateway and tool.
    pub subject: ApprovalSubject,
    /// Digest of the arguments, in URL-safe Base64.
    pub digest: Arc<str>,
    /// JSON text of the arguments for the approver: secrets are masked, and a long text is cut, so
    /// that it may be no valid JSON.
    pub arguments: Arc<str>,
    /// Rule that requires the approval, for the approver and the log.
    pub rule: Arc<str>,
    /// Terms of the approval.
    pub terms: Arc<ApprovalTerms>,
    key: ApprovalKey,
}

/// Caller, gateway and tool of a call that requires approval.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ApprovalSubject {
    /// Identifier of the principal.
    pub principal: Arc<str>,
    /// Display name of the principal, for the approver.
    pub name: Option<Arc<str>>,
    /// OAuth client through which the principal acts.
    pub client: Option<Arc<str>>,
    /// Name of the gateway.
    pub gateway: Arc<str>,
    /// Name of the server.
    pub server: Arc<str>,
    /// Name of the tool at its server.
    pub tool: Arc<str>,
}

/// Identifier of a call that may be approved: a digest of all that an approval is bound to.
///
/// These are the principal, the OAuth client, the gateway, the server, the tool, the arguments, the
/// rule, its terms and the version of the rules.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ApprovalKey(Arc<str>);

impl ApprovalRequest {
    /// Creates a request for a call with the JSON text `arguments`, because of `rule`.
    ///
    /// # Errors
    ///
    /// [`ApprovalError::Ambiguous`] if two readers could read different arguments.
    pub fn new(
        subject: ApprovalSubject,
        arguments: &str,
        rule: impl Into<Arc<str>>,
        terms: Arc<ApprovalTerms>,
    ) -> Result<Self, ApprovalError> {
        let arguments = Arguments::parse(arguments)?;
        let digest = arguments.digest()?;
        let rule = rule.into();
        let key = ApprovalKey::of(&subject, &digest, &rule, &terms);
        Ok(Self {
            subject,
            digest: digest.into(),
            arguments: arguments.shown().into(),
            rule,
            terms,
            key,
        })
    }

    /// Returns the identifier of the call.
    #[must_use]
    pub fn key(&self) -> &ApprovalKey {
        &self.key
    }
}

impl ApprovalSubject {
    /// Creates a subject without a tool.
    #[must_use]
    pub fn new(principal: impl Into<Arc<str>>, gateway: impl Into<Arc<str>>) -> Self {
        Self {
            principal: principal.into(),
            name: None,
            client: None,
            gateway: gateway.into(),
            server: "".into(),
            tool: "".into(),
        }
    }

    /// Sets the server and its tool.
    #[must_use]
    pub fn with_tool(self, server: impl Into<Arc<str>>, tool: impl Into<Arc<str>>) -> Self {
        let (server, tool) = (server.into(), tool.into());
        Self {
            server,
            tool,
            ..self
        }
    }

    /// Sets the display name of the principal.
    #[must_use]
    pub fn with_name(self, name: Option<&str>) -> Self {
        let name = name.map(Into::into);
        Self { name, ..self }
    }

    /// Sets the OAuth client through which the principal acts.
    #[must_use]
    pub fn with_client(self, client: Option<&str>) -> Self {
        let client = client.map(Into::into);
        Self { client, ..self }
    }
}

impl ApprovalKey {
    fn of(subject: &ApprovalSubject, digest: &str, rule: &str, terms: &ApprovalTerms) -> Self {
        let approvers = match terms.approvers() {
            Approvers::Caller => None,
            Approvers::Others { roles, teams } => Some([texts(roles), texts(teams)]),
        };
        let bound = serde_json::json!([
            "approval/1",
            &*subject.principal,
            subject.client.as_deref(),
            &*subject.gateway,
            &*subject.server,
            &*subject.tool,
            digest,
            rule,
            terms.version().map(|version| &**version),
            approvers,
            terms.valid_for().map(|time| time.as_secs()),
        ]);
        Self(sha256(&bound.to_string()).into())
    }

    /// Creates the key that [`as_str`](Self::as_str) has returned.
    #[must_use]
    pub fn from_text(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the key as text: Base64 that is valid in URLs.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn texts(texts: &[Arc<str>]) -> Vec<&str> {
    texts.iter().map(|text| &**text).collect()
}

impl fmt::Debug for ApprovalRequest {
    /// Omits the arguments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApprovalRequest")
            .field("subject", &self.subject)
            .field("rule", &self.rule)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}
