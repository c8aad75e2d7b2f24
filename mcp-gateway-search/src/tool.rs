//! Texts of a tool.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;
use serde_json::Value;

use crate::text;

/// Part of a tool in which a word occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Field {
    /// Name.
    Name,
    /// Title.
    Title,
    /// First sentence of the description.
    Summary,
    /// Rest of the description.
    Description,
    /// Name of an argument.
    Argument,
    /// Description or allowed value of an argument.
    ArgumentText,
}

impl Field {
    /// All fields, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Name,
        Self::Title,
        Self::Summary,
        Self::Description,
        Self::Argument,
        Self::ArgumentText,
    ];

    /// Returns the name of the field.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Title => "title",
            Self::Summary => "summary",
            Self::Description => "description",
            Self::Argument => "argument",
            Self::ArgumentText => "text of an argument",
        }
    }
}

/// Definition of a tool, as far as it is searched.
#[derive(Clone, Copy, Debug)]
pub struct Tool<'t> {
    pub(crate) name: &'t str,
    title: Option<&'t str>,
    description: &'t str,
    schema: Option<&'t Value>,
}

impl<'t> Tool<'t> {
    /// Returns a tool without a title, a description and arguments.
    #[must_use]
    pub const fn new(name: &'t str) -> Self {
        Self {
            name,
            title: None,
            description: "",
            schema: None,
        }
    }

    /// Sets the title.
    #[must_use]
    pub const fn title(mut self, title: &'t str) -> Self {
        self.title = Some(title);
        self
    }

    /// Sets the description.
    #[must_use]
    pub const fn description(mut self, description: &'t str) -> Self {
        self.description = description;
        self
    }

    /// Sets the JSON Schema of the arguments.
    #[must_use]
    pub const fn input_schema(mut self, schema: &'t Value) -> Self {
        self.schema = Some(schema);
        self
    }

    /// Returns a hash of the texts.
    pub(crate) fn digest(&self) -> u64 {
        let mut hasher = FixedState::default().build_hasher();
        self.each_text(|field, text| (field as u8, text).hash(&mut hasher));
        hasher.finish()
    }

    /// Returns the texts from which its meaning is taken, and the weight of each: what names it, what
    /// summarizes it, and the rest.
    pub(crate) fn meaning(&self) -> [(f32, String); 3] {
        let mut texts = [
            (1.0, String::new()),
            (1.0, String::new()),
            (0.3, String::new()),
        ];
        self.each_text(|field, text| {
            let place = match field {
                Field::Name | Field::Title => 0,
                Field::Summary => 1,
                Field::Description | Field::Argument => 2,
                Field::ArgumentText => return,
            };
            let (_, words) = &mut texts[place];
            if words.len() < LONGEST_MEANING {
                words.push_str(&text::plain(text));
                words.push(' ');
            }
        });
        texts
    }

    /// Calls `each` with the texts of the tool.
    pub(crate) fn each_text(&self, mut each: impl FnMut(Field, &str)) {
        each(Field::Name, self.name);
        if let Some(title) = self.title {
            each(Field::Title, title);
        }
        let (summary, rest) = self.description.split_at(end_of_summary(self.description));
        each(Field::Summary, summary);
        each(Field::Description, rest);
        if let Some(schema) = self.schema {
            each_argument_text(schema, 0, &mut each);
        }
    }
}

/// Longest summary in bytes, where the description has no sentences.
const LONGEST_SUMMARY: usize = 240;

/// Bytes of a text beyond which nothing is read for its meaning.
const LONGEST_MEANING: usize = 1000;

/// Depth up to which a schema is read.
const DEEPEST: usize = 6;

/// Returns the end of the first sentence or paragraph.
fn end_of_summary(description: &str) -> usize {
    let text = description.trim_start();
    let start = description.len() - text.len();
    let mut before = '\0';
    for (at, character) in text.char_indices() {
        let ended = match character {
            '\n' => before == '\n' || before == '.' || before == ':',
            ' ' => matches!(before, '.' | '!' | '?') && at > 12,
            _ => matches!(before, '。' | '！' | '？'),
        };
        if ended || at >= LONGEST_SUMMARY {
            return start + at;
        }
        before = character;
    }
    description.len()
}

/// Reports names, descriptions and allowed values of arguments.
fn each_argument_text(schema: &Value, depth: usize, each: &mut impl FnMut(Field, &str)) {
    let Some(members) = schema.as_object().filter(|_| depth < DEEPEST) else {
        return;
    };
    if depth > 0 {
        for text in ["title", "description"] {
            if let Some(text) = members.get(text).and_then(Value::as_str) {
                each(Field::ArgumentText, text);
            }
        }
    }
    for value in members
        .get("enum")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let Some(text) = value.as_str() {
            each(Field::ArgumentText, text);
        }
    }
    for (name, schema) in members
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        // Those of nested objects tell less about the purpose.
        each(
            if depth == 0 {
                Field::Argument
            } else {
                Field::ArgumentText
            },
            name,
        );
        each_argument_text(schema, depth + 1, each);
    }
    if let Some(items) = members.get("items") {
        each_argument_text(items, depth + 1, each);
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        for schema in members
            .get(choice)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            each_argument_text(schema, depth + 1, each);
        }
    }
}
