//! Values in tables and lists of facts.

use crate::time;

/// Value of a table or of a fact.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// Nothing.
    Empty,
    /// Text.
    Text(String),
    /// Identifier or pattern, in a fixed-width font.
    Code(String),
    /// Link to another page.
    Link(Link),
    /// State in one word.
    Badge(String, Tone),
    /// Seconds since the Unix epoch.
    Time(u64),
    /// Use of an amount.
    Meter { used: u64, amount: u64 },
    /// Small forms.
    Buttons(Vec<Button>),
}

/// Meaning of a state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tone {
    /// As intended.
    Good,
    /// To be looked at.
    Warn,
    /// Broken or rejected.
    Bad,
    /// None of these.
    Plain,
}

/// Link to a page of the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) href: String,
    pub(crate) text: String,
}

/// Form that is one button.
#[derive(Clone, Debug)]
pub(crate) struct Button {
    /// Path to which it is sent.
    pub(crate) action: String,
    pub(crate) label: String,
    /// Object for assistive technology, where the label alone is not unique.
    pub(crate) object: String,
    pub(crate) fields: Vec<(String, String)>,
    /// Question that is asked first.
    pub(crate) question: Option<String>,
    pub(crate) is_danger: bool,
}

impl Cell {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        match text.is_empty() {
            true => Self::Empty,
            false => Self::Text(text),
        }
    }

    pub(crate) fn code(text: impl Into<String>) -> Self {
        let text = text.into();
        match text.is_empty() {
            true => Self::Empty,
            false => Self::Code(text),
        }
    }

    pub(crate) fn link(href: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Link(Link::new(href, text))
    }

    /// Returns the time; empty for 0.
    pub(crate) fn time(seconds: u64) -> Self {
        match seconds {
            0 => Self::Empty,
            seconds => Self::Time(seconds),
        }
    }

    pub(crate) fn badge(text: impl Into<String>, tone: Tone) -> Self {
        Self::Badge(text.into(), tone)
    }

    pub(crate) fn number(number: u64) -> Self {
        Self::Text(number.to_string())
    }

    /// Returns `true` if `text` has a word that must be broken in a narrow column.
    pub(crate) fn is_long(text: &str) -> bool {
        let mut words = text.split_whitespace();
        words.any(|word| word.chars().count() > 24)
    }

    /// Returns the share of `used` in `amount`, in percent.
    pub(crate) fn percent(used: &u64, amount: &u64) -> u64 {
        match amount {
            0 => 100,
            amount => (used.saturating_mul(100) / amount).min(100),
        }
    }

    pub(crate) fn shown_time(seconds: &u64) -> String {
        time::shown(*seconds)
    }

    pub(crate) fn machine_time(seconds: &u64) -> String {
        time::machine(*seconds)
    }
}

impl Tone {
    /// Returns the class of the style sheet.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }
}

impl Link {
    pub(crate) fn new(href: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            href: href.into(),
            text: text.into(),
        }
    }
}

impl Button {
    pub(crate) fn new(action: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            label: label.into(),
            object: String::new(),
            fields: Vec::new(),
            question: None,
            is_danger: false,
        }
    }

    /// Asks `question` first, because the change cannot be undone.
    pub(crate) fn danger(mut self, question: impl Into<String>) -> Self {
        (self.question, self.is_danger) = (Some(question.into()), true);
        self
    }

    pub(crate) fn with_field(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn of(mut self, object: impl Into<String>) -> Self {
        self.object = object.into();
        self
    }
}
