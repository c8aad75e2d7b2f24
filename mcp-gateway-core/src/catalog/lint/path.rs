//! Position in a definition.

use std::fmt;

/// Position of a value in a definition, such as `inputSchema.properties.a`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
}

/// Last step of a path.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

impl<'a> Path<'a> {
    /// Creates the path of a member of the definition.
    pub(super) fn of(key: &'a str) -> Self {
        let step = Step::Key(key);
        Self { parent: None, step }
    }

    /// Returns the path of the member `key`.
    pub(super) fn key(&'a self, key: &'a str) -> Self {
        let parent = Some(self);
        let step = Step::Key(key);
        Self { parent, step }
    }

    /// Returns the path of the item at `index`.
    pub(super) fn item(&'a self, index: usize) -> Self {
        let parent = Some(self);
        let step = Step::Item(index);
        Self { parent, step }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match (self.step, self.parent) {
            (Step::Item(index), _) => write!(f, "[{index}]"),
            (Step::Key(key), Some(_)) => write!(f, ".{key}"),
            (Step::Key(key), None) => f.write_str(key),
        }
    }
}
