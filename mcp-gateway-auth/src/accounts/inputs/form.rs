//! Form of the inputs of a server.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use url::form_urlencoded::byte_serialize;

use super::{Input, InputServer, InputViolation, ProbeError};
use crate::accounts::Owner;
use crate::pages::{InputField, InputsPage, page};

/// Submitted form: names and values of its fields.
pub(in crate::accounts) struct Submission(Vec<(String, String)>);

/// Form to show.
#[derive(Default)]
pub(in crate::accounts) struct InputForm {
    /// Fields that were submitted before; secrets are not shown again.
    submission: Option<Submission>,
    violations: Vec<(Arc<str>, InputViolation)>,
    /// Failed test of the values.
    failure: Option<ProbeError>,
    /// Set if the values were entered for another recipient.
    is_outdated: bool,
}

impl Submission {
    /// Accepts the fields of a form.
    pub(in crate::accounts) fn new(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// Returns the value of the field `name`.
    pub(in crate::accounts) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    /// Returns `true` if the values shall be stored without a test.
    pub(in crate::accounts) fn is_untested(&self) -> bool {
        self.get("untested").is_some()
    }

    /// Returns the entered value of an input.
    fn entered(&self, input: &str) -> Option<&str> {
        let mut fields = self.0.iter();
        fields.find_map(|(name, value)| {
            (name.strip_prefix(PREFIX)? == input).then_some(value.as_str())
        })
    }

    /// Returns the entered values by the names of their inputs.
    pub(in crate::accounts) fn values(&self) -> BTreeMap<String, String> {
        let fields = self.0.iter();
        let values = fields.filter_map(|(name, value)| {
            let name = name.strip_prefix(PREFIX)?;
            Some((name.to_owned(), value.clone()))
        });
        values.collect()
    }
}

impl InputForm {
    /// Creates the form for invalid values.
    pub(in crate::accounts) fn invalid(
        submission: Submission,
        violations: Vec<(Arc<str>, InputViolation)>,
    ) -> Self {
        Self {
            submission: Some(submission),
            violations,
            ..Self::default()
        }
    }

    /// Creates the form for values of `submission` that have failed a test.
    pub(in crate::accounts) fn failed(submission: Submission, failure: ProbeError) -> Self {
        Self {
            submission: Some(submission),
            failure: Some(failure),
            ..Self::default()
        }
    }

    /// Creates the form for a `submission` of a form that was shown before the server has changed.
    pub(in crate::accounts) fn outdated(submission: Submission) -> Self {
        Self {
            submission: Some(submission),
            is_outdated: true,
            ..Self::default()
        }
    }

    /// Returns the page with the form for the connection of `owner` at `server`, and the hidden
    /// fields `csrf` and `recipient`.
    pub(in crate::accounts) fn page(
        &self,
        server: &InputServer,
        owner: &Owner,
        (csrf, recipient): (&str, &str),
    ) -> Response {
        let path: String = byte_serialize(server.name().as_bytes()).collect();
        let inputs = server.inputs().iter();
        let fields: Vec<_> = inputs.map(|input| self.field(input)).collect();
        let problem = self.problem();
        let can_skip = matches!(self.failure, Some(ProbeError::Unreachable(_)));
        let shown = InputsPage {
            server: server.name(),
            owner: &owner.to_string(),
            lead: &lead(owner),
            path: &path,
            csrf,
            recipient,
            fields: &fields,
            problem: problem.as_deref(),
            can_skip,
        };
        page(self.status(), &shown, None)
    }

    /// Returns the reason for which the values are not stored.
    fn problem(&self) -> Option<String> {
        match self.is_outdated {
            true => Some(OUTDATED.to_owned()),
            false => self.failure.as_ref().map(ToString::to_string),
        }
    }

    fn status(&self) -> StatusCode {
        match (&self.failure, self.violations.is_empty()) {
            _ if self.is_outdated => StatusCode::CONFLICT,
            (Some(_), _) => StatusCode::BAD_GATEWAY,
            (None, false) => StatusCode::UNPROCESSABLE_ENTITY,
            (None, true) => StatusCode::OK,
        }
    }

    /// Returns the field of `input`.
    fn field<'a>(&'a self, input: &'a Input) -> InputField<'a> {
        let mut violations = self.violations.iter();
        let violation = violations.find(|(name, _)| *name == input.name);
        let submission = self.submission.as_ref();
        let entered = submission.and_then(|submission| submission.entered(&input.name));
        InputField {
            name: format!("{PREFIX}{}", input.name),
            label: input.label(),
            description: input.description.as_deref(),
            is_secret: input.is_secret,
            is_required: input.is_required && input.default.is_none(),
            value: entered
                .or(input.default.as_deref())
                .filter(|_| !input.is_secret)
                .unwrap_or_default(),
            placeholder: input.placeholder.as_deref(),
            choices: &input.choices,
            error: violation.map(|(_, violation)| violation.to_string()),
        }
    }
}

/// Returns the sentence that tells whose calls are made with the values.
fn lead(owner: &Owner) -> String {
    match owner {
        Owner::User(_) => {
            "Your calls are made with what you enter here, and those of nobody else.".to_owned()
        }
        Owner::Team(team) => format!(
            "Calls of members of the team {team} who have no connection of their own are made with \
             what you enter here."
        ),
        Owner::Organization => "Calls of everybody who has no connection of a closer owner are \
                                made with what you enter here."
            .to_owned(),
    }
}

/// Sentence for values that were entered for another recipient.
const OUTDATED: &str = "The server has changed since this page was opened. Nothing was stored or \
                        sent. Ask your administrator if you did not expect this, or enter the \
                        values again.";

/// Prefix of the names of fields, apart from those of the form itself.
const PREFIX: &str = "input.";
