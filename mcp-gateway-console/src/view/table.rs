//! Tables with pages and filters.

use super::{Cell, Field};

/// Table of objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// Name of the table.
    pub(crate) label: String,
    pub(crate) columns: Vec<&'static str>,
    pub(crate) rows: Vec<Row>,
    /// Text in place of an empty table.
    pub(crate) empty: String,
    pub(crate) pager: Option<Pager>,
    /// Set if the script reloads the table.
    pub(crate) is_live: bool,
}

/// Row, whose first cell names the object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) cells: Vec<Cell>,
}

/// Links to other pages of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pager {
    pub(crate) first: Option<String>,
    pub(crate) next: Option<String>,
}

/// Form that selects objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) action: String,
    pub(crate) fields: Vec<Field>,
    /// Label of the button.
    pub(crate) submit: &'static str,
    /// Path without a selection, if there is one.
    pub(crate) clear: Option<String>,
}

impl Table {
    pub(crate) fn new(label: impl Into<String>, columns: &[&'static str]) -> Self {
        Self {
            label: label.into(),
            columns: columns.to_vec(),
            empty: "Nothing here yet.".to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(Row { cells });
    }

    pub(crate) fn live(mut self) -> Self {
        self.is_live = true;
        self
    }

    pub(crate) fn or_empty(mut self, text: impl Into<String>) -> Self {
        self.empty = text.into();
        self
    }

    /// Returns the cells of `row` with the names of their columns.
    pub(crate) fn named<'a>(
        &'a self,
        row: &'a Row,
    ) -> impl Iterator<Item = (&'static str, &'a Cell)> {
        self.columns.iter().copied().zip(&row.cells)
    }
}
