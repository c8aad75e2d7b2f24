//! Content of a page.

use super::{Cell, Filter, Form, Link, Table, Tone};
use crate::guides::Step;

/// Page, without what surrounds it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Page {
    pub(crate) title: String,
    /// Pages above it.
    pub(crate) crumbs: Vec<Link>,
    /// Sentence below the title.
    pub(crate) lead: String,
    /// State beside the title.
    pub(crate) badges: Vec<Cell>,
    /// Links beside the title.
    pub(crate) links: Vec<Link>,
    pub(crate) blocks: Vec<Block>,
}

/// Part of a page.
#[derive(Clone, Debug)]
pub(crate) enum Block {
    Heading(String),
    Note(String, Tone),
    Cards(Vec<Card>),
    Facts(Vec<(&'static str, Cell)>),
    Filter(Filter),
    Table(Table),
    Form(Form),
    Chart(Chart),
    /// Text that keeps its lines, with a name.
    Code(String, String),
    /// Text that is shown once, with a name.
    Secret(String, String),
    /// Lines of a difference.
    Difference(Vec<String>),
    Buttons(Cell),
    Steps(Vec<Step>),
    /// Sections that open, of which none is open at first.
    Details(String, Vec<Self>),
    /// Link that another program opens.
    Launch(Link),
}

/// Figure with a name.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub(crate) label: &'static str,
    pub(crate) figure: String,
    pub(crate) note: String,
    pub(crate) tone: Tone,
    pub(crate) href: Option<String>,
}

/// Numbers over time, as bars.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    /// Description for people who do not see it.
    pub(crate) label: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) bars: Vec<Bar>,
}

/// Bar of a chart, in a field of 100 by 100 for each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bar {
    pub(crate) x: usize,
    pub(crate) good: u64,
    pub(crate) bad: u64,
}

impl Page {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    pub(crate) fn below(mut self, href: impl Into<String>, text: impl Into<String>) -> Self {
        self.crumbs.push(Link::new(href, text));
        self
    }

    pub(crate) fn lead(mut self, text: impl Into<String>) -> Self {
        self.lead = text.into();
        self
    }

    pub(crate) fn link(mut self, href: impl Into<String>, text: impl Into<String>) -> Self {
        self.links.push(Link::new(href, text));
        self
    }

    pub(crate) fn badge(mut self, cell: Cell) -> Self {
        self.badges.push(cell);
        self
    }

    pub(crate) fn with(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    pub(crate) fn heading(self, text: impl Into<String>) -> Self {
        self.with(Block::Heading(text.into()))
    }

    pub(crate) fn note(self, text: impl Into<String>, tone: Tone) -> Self {
        self.with(Block::Note(text.into(), tone))
    }
}

impl Chart {
    /// Creates a chart of numbers of good and bad events, oldest first.
    pub(crate) fn new(label: String, (from, to): (String, String), counts: &[(u64, u64)]) -> Self {
        let most = counts.iter().map(|(good, bad)| good + bad).max();
        let most = most.unwrap_or_default().max(1);
        let bars = counts.iter().enumerate().map(|(index, (good, bad))| Bar {
            x: index * 10,
            good: good * 100 / most,
            bad: bad * 100 / most,
        });
        Self {
            label,
            from,
            to,
            bars: bars.collect(),
        }
    }

    /// Returns the width of the field.
    pub(crate) fn width(&self) -> usize {
        self.bars.len() * 10
    }
}

impl Bar {
    /// Returns the distances of the parts from the top.
    pub(crate) fn top(&self) -> u64 {
        100_u64.saturating_sub(self.good + self.bad)
    }

    pub(crate) fn middle(&self) -> u64 {
        100_u64.saturating_sub(self.good)
    }
}
