//! Key `servers[].inputs`: values that each owner of a connection supplies.
//!
//! | Key | Type |
//! |---|---|
//! | `name` | letters, digits, `-`, `_`, `.` and `:`; required |
//! | `title`, `description`, `placeholder` | string |
//! | `secret`, `required` | boolean; both true by default |
//! | `default` | string; not for secrets |
//! | `choices` | non-empty list of strings; not for secrets |
//! | `format` | `string`, `number`, `boolean` or `filepath` |
//!
//! Texts refer to an input as `${input:NAME}`: the values of request headers, the URL of a server, and
//! the arguments and variables of a program.

use mcp_gateway_platform::spec::{
    Input, InputFormat, Process, Template, UrlTemplate, input_of, placeholders,
};

use crate::document::{Field, FromField, suggestion};

impl FromField for Input {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let name = table.required("name", |field| field.parse("the name of an input", name));
        let mut input = Self::new(name.unwrap_or_default());
        input.title = table.get("title");
        input.description = table.get("description");
        input.placeholder = table.get("placeholder");
        input.is_secret = table.get("secret").unwrap_or(true);
        input.is_required = table.get("required").unwrap_or(true);
        input.choices = table.get_with("choices", choices).unwrap_or_default();
        let format = table.get_with("format", |field| field.choice(&FORMATS));
        input.format = format.unwrap_or_default();
        if let Some(field) = table.field("default") {
            input.default = default(&field, &input);
        }
        if input.is_secret
            && let Some(field) = field.get("default").or_else(|| field.get("choices"))
        {
            field.error("a secret has none; set secret: false for a value that everybody may know");
        }
        table.finish();
        (!input.name.is_empty()).then_some(input)
    }
}

/// Parses the name of an input: up to [`MAX_NAME`] letters, digits, `-`, `_`, `.` and `:`.
///
/// It is part of a reference, which ends with `}`, and of the name of a form field.
fn name(text: &str) -> Result<String, String> {
    let is_name_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    match !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(is_name_char) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "expected letters, digits, '-', '_', '.' and ':', up to {MAX_NAME} characters"
        )),
    }
}

/// Reads a non-empty list of choices.
fn choices(field: &Field<'_>) -> Option<Vec<String>> {
    let choices: Vec<String> = field.read()?;
    if choices.is_empty() {
        field.error("at least one choice is required");
    }
    Some(choices)
}

/// Reads the default of `input`.
///
/// It must be valid for the input, because an empty field of the form stands for it.
fn default(field: &Field<'_>, input: &Input) -> Option<String> {
    let default: String = field.read()?;
    if let Err(violation) = input.check(&default) {
        field.error(violation.to_string());
    }
    Some(default)
}

/// Records errors of references.
///
/// Each of `references` must be the name of one of `inputs`: without a definition, nobody could
/// supply a value, and the text would be sent as it is.
pub(super) fn check_references<'t>(
    inputs: &[Input],
    references: impl Iterator<Item = &'t str>,
    field: &Field<'_>,
) {
    let names: Vec<&str> = inputs.iter().map(|input| &*input.name).collect();
    for name in references.filter(|name| !names.contains(name)) {
        field.error(match names.is_empty() {
            true => format!("unknown input {name:?}; define it in inputs of the server"),
            false => format!("unknown input {name:?}; {}", suggestion(name, &names)),
        });
    }
}

/// Records errors of references in texts of a program that have no caller, and warns of secrets that
/// other users of the machine can see.
pub(super) fn check_program(inputs: &[Input], process: &Process, server: &Field<'_>) {
    let Some(field) = server.get("process") else {
        return;
    };
    let refers = |text: &str| placeholders(text).any(|name| input_of(name).is_some());
    let isolation = process.isolation.iter();
    let mut cleanup = isolation.flat_map(|isolation| &isolation.cleanup);
    if let Some(field) = field.get("cleanup")
        && cleanup.any(|text| refers(text))
    {
        field.error("inputs have no values here, because it may run after a restart");
    }
    let args = process.args.iter().flat_map(|text| placeholders(text));
    let mut args = args.filter_map(input_of);
    let is_secret = |name: &str| {
        let mut inputs = inputs.iter();
        inputs.any(|input| *input.name == *name && input.is_secret)
    };
    if let Some(field) = field.get("args")
        && args.any(is_secret)
    {
        field.warning("other users of the machine can see secrets in arguments; use env");
    }
}

/// Records the parts of the URL `template` that `inputs` become.
///
/// Without a value there would be no URL, so that each needs one. A value is checked for its part when
/// it is supplied, and once more when a view connects; the default is checked here.
pub(super) fn bind_url(inputs: &mut [Input], template: &UrlTemplate, field: &Field<'_>) {
    for (name, part) in template.values() {
        for input in inputs.iter_mut().filter(|input| *input.name == *name) {
            input.url_part = input.url_part.max(Some(part));
            let checked = input.default.as_deref().map(|default| input.check(default));
            match checked {
                Some(Err(violation)) => field.error(format!("default of {name:?}: {violation}")),
                None if !input.is_required => field.error(format!(
                    "the input {name:?} is part of remote.url, and must be required or have a default"
                )),
                Some(Ok(())) | None => {}
            }
        }
    }
}

/// Records errors of repeated names.
pub(super) fn check_names(inputs: &[Input], field: &Field<'_>) {
    for (at, input) in inputs.iter().enumerate() {
        if inputs[..at].iter().any(|other| other.name == input.name) {
            field.error(format!("duplicate input {:?}", input.name));
        }
    }
}

/// Returns the template of a setting `{ value: TEXT }` that refers to inputs.
pub(super) fn template(field: &Field<'_>) -> Option<Template> {
    let template = Template::parse(field.peek("value")?);
    let has_references = template.references().next().is_some();
    has_references.then_some(template)
}

/// Values of `format`.
const FORMATS: [(&str, InputFormat); 4] = [
    ("string", InputFormat::String),
    ("number", InputFormat::Number),
    ("boolean", InputFormat::Boolean),
    ("filepath", InputFormat::Filepath),
];

/// Maximum length of a name in characters, as long as those of the registry.
const MAX_NAME: usize = 128;
