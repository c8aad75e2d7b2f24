//! Forms and their fields.

/// Form that changes something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    /// Path to which it is sent.
    pub(crate) action: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) hidden: Vec<(String, String)>,
    /// Label of the button.
    pub(crate) submit: String,
    /// Path to return to without a change.
    pub(crate) cancel: Option<String>,
    /// Errors of the form as a whole.
    pub(crate) errors: Vec<String>,
    pub(crate) is_danger: bool,
}

/// Field of a form.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) hint: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) value: String,
    pub(crate) is_required: bool,
    pub(crate) error: Option<String>,
    /// Paths of the violations of the API that concern the field; its name if empty.
    pub(crate) paths: Vec<String>,
    /// Mark of the identifier, if there is another field of the same name on the page.
    pub(crate) mark: &'static str,
}

/// Control of a field.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Heading of the fields that follow, with a description.
    Heading,
    Text,
    Secret,
    Date,
    /// Text of several lines.
    Area,
    /// JSON or code of several lines.
    Code,
    Check,
    Select(Vec<Choice>),
    Radio(Vec<Choice>),
    /// Use of a server by a gateway: whether, which tools, and with which connection.
    Assignment(Assignment),
    /// Connections that the fields of assignments suggest; it shows nothing.
    Connections(Vec<String>),
}

/// Tools of a server that a gateway has, and the connection with which they are called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assignment {
    /// Tools with commas; all if empty.
    pub(crate) tools: String,
    pub(crate) connection: String,
}

/// Choice of a selection.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
}

impl Choice {
    pub(crate) fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
        }
    }

    /// Creates choices whose labels are their values.
    pub(crate) fn plain(values: &[&str]) -> Vec<Self> {
        let choice = |value: &&str| Self::new(*value, *value);
        values.iter().map(choice).collect()
    }
}

impl Field {
    pub(crate) fn new(name: impl Into<String>, label: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            label: label.into(),
            hint: None,
            kind,
            value: String::new(),
            is_required: false,
            error: None,
            paths: Vec::new(),
            mark: "f",
        }
    }

    pub(crate) fn heading(label: &str, text: &str) -> Self {
        Self::new("", label, Kind::Heading).hint(text)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into()).filter(|hint: &String| !hint.is_empty());
        self
    }

    pub(crate) fn value(mut self, value: impl Into<String>) -> Self {
        self.value = value.into();
        self
    }

    pub(crate) fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    pub(crate) fn at(mut self, path: &str) -> Self {
        self.paths.push(path.to_owned());
        self
    }

    pub(crate) fn marked(mut self, mark: &'static str) -> Self {
        self.mark = mark;
        self
    }

    /// Returns the identifier of the control.
    pub(crate) fn id(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        format!(
            "{}-{}",
            self.mark,
            self.name.chars().map(plain).collect::<String>()
        )
    }

    /// Returns `true` if the field has no control.
    pub(crate) fn is_heading(&self) -> bool {
        matches!(self.kind, Kind::Heading | Kind::Connections(_))
    }

    /// Returns `true` if the field has several controls.
    pub(crate) fn is_group(&self) -> bool {
        matches!(self.kind, Kind::Radio(_) | Kind::Assignment(_))
    }

    /// Returns the identifiers of the texts that describe the control.
    pub(crate) fn described_by(&self) -> String {
        let mut ids = Vec::new();
        if self.error.is_some() {
            ids.push(format!("{}-e", self.id()));
        }
        if self.hint.is_some() {
            ids.push(format!("{}-h", self.id()));
        }
        ids.join(" ")
    }

    /// Returns `true` if the violation at `path` concerns the field.
    fn concerns(&self, path: &str) -> bool {
        let is_below = |own: &str| {
            let rest = path.strip_prefix(own);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', '/']))
        };
        match &*self.paths {
            [] => !self.name.is_empty() && is_below(&self.name),
            paths => paths.iter().any(|own| is_below(own)),
        }
    }
}

impl Form {
    pub(crate) fn new(action: impl Into<String>, submit: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            submit: submit.into(),
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    pub(crate) fn hide(mut self, name: &str, value: impl Into<String>) -> Self {
        self.hidden.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn cancel(mut self, href: impl Into<String>) -> Self {
        self.cancel = Some(href.into());
        self
    }

    /// Puts each of `violations`, which are paths and messages, at its field, and the others above
    /// the form.
    pub(crate) fn violated(mut self, violations: &[(String, String)]) -> Self {
        for (path, message) in violations {
            let field = self.fields.iter_mut().find(|field| field.concerns(path));
            match field {
                Some(field) => {
                    let exact = field.name == *path || field.paths.contains(path);
                    let text = match exact {
                        true => message.clone(),
                        false => format!("{path}: {message}"),
                    };
                    match &mut field.error {
                        Some(error) => {
                            error.push_str("; ");
                            error.push_str(&text);
                        }
                        error => *error = Some(text),
                    }
                }
                None if path.is_empty() => self.errors.push(message.clone()),
                None => self.errors.push(format!("{path}: {message}")),
            }
        }
        self
    }

    /// Returns the number of fields with errors.
    pub(crate) fn wrong(&self) -> usize {
        let wrong = self.fields.iter().filter(|field| field.error.is_some());
        wrong.count()
    }
}
