//! Markdown tables that are readable as plain text.

use std::fmt;

/// Alignment of a column.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Align {
    /// Alignment of text.
    Left,
    /// Alignment of numbers.
    Right,
}

/// Table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates an empty table.
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Appends a row, which has a cell for each column.
    pub(crate) fn push(&mut self, cells: Vec<String>) {
        self.rows.push(
            cells
                .into_iter()
                .map(|cell| cell.replace('|', "\\|"))
                .collect(),
        );
    }

    /// Returns the width of the column `index`.
    fn width(&self, index: usize) -> usize {
        let cells = self
            .rows
            .iter()
            .filter_map(|row| row.get(index))
            .map(|cell| cell.as_str());
        let title = self.columns[index].0;
        cells
            .chain([title])
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|index| self.width(index))
            .collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &[&str]| {
            for ((cell, (_, align)), &width) in cells.iter().zip(&self.columns).zip(&widths) {
                match align {
                    Align::Left => write!(f, "| {cell:<width$} ")?,
                    Align::Right => write!(f, "| {cell:>width$} ")?,
                }
            }
            writeln!(f, "|")
        };
        line(
            f,
            &self
                .columns
                .iter()
                .map(|(title, _)| *title)
                .collect::<Vec<_>>(),
        )?;
        for ((_, align), &width) in self.columns.iter().zip(&widths) {
            match align {
                Align::Left => write!(f, "|:{:-<width$}-", "")?,
                Align::Right => write!(f, "|-{:-<width$}:", "")?,
            }
        }
        writeln!(f, "|")?;
        for row in &self.rows {
            line(f, &row.iter().map(String::as_str).collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_is_markdown() {
        let mut table = Table::new(&[("path", Align::Left), ("calls/s", Align::Right)]);
        table.push(vec!["direct".to_owned(), "1".to_owned()]);
        table.push(vec!["a|b".to_owned(), "12345678".to_owned()]);
        let expected = "| path   |  calls/s |\n\
                        |:-------|---------:|\n\
                        | direct |        1 |\n\
                        | a\\|b   | 12345678 |\n";
        assert_eq!(table.to_string(), expected);
    }
}
