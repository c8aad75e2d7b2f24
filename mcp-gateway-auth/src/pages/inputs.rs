//! The page on which values for a server are supplied.

use askama::Template;

/// Form with the inputs of a server.
#[derive(Template)]
#[template(path = "inputs.html")]
pub(crate) struct InputsPage<'a> {
    /// Name of the server.
    pub(crate) server: &'a str,
    /// Owner of the connection, as the form names it.
    pub(crate) owner: &'a str,
    /// Sentence that tells whose calls are made with the values.
    pub(crate) lead: &'a str,
    /// Segment of paths.
    pub(crate) path: &'a str,
    pub(crate) csrf: &'a str,
    /// Proof of what the values are sent to.
    pub(crate) recipient: &'a str,
    pub(crate) fields: &'a [InputField<'a>],
    /// Reason for which the values are not stored.
    pub(crate) problem: Option<&'a str>,
    /// Set if the values may be stored without a test.
    pub(crate) can_skip: bool,
}

/// Field of an input.
pub(crate) struct InputField<'a> {
    /// Name in the form.
    pub(crate) name: String,
    pub(crate) label: &'a str,
    pub(crate) description: Option<&'a str>,
    pub(crate) is_secret: bool,
    pub(crate) is_required: bool,
    /// Value to begin with; never a secret.
    pub(crate) value: &'a str,
    pub(crate) placeholder: Option<&'a str>,
    pub(crate) choices: &'a [String],
    pub(crate) error: Option<String>,
}
