//! Surroundings of a page, and its template.

use askama::Template;

use super::{Block, Cell, Field, Kind, Page, Tone};
use crate::assets;
use crate::guides::Step;

/// Surroundings of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shell {
    /// Name of the person; empty on pages before a sign-in.
    pub(crate) person: String,
    pub(crate) role: &'static str,
    pub(crate) groups: Vec<NavGroup>,
    /// CSRF token of the session.
    pub(crate) csrf: String,
    /// Set if the person can sign out here, and not on the account page.
    pub(crate) signs_out: bool,
}

/// Group of links.
#[derive(Clone, Debug)]
pub(crate) struct NavGroup {
    pub(crate) label: &'static str,
    pub(crate) links: Vec<NavLink>,
}

/// Link to a page.
#[derive(Clone, Debug)]
pub(crate) struct NavLink {
    pub(crate) href: &'static str,
    pub(crate) text: &'static str,
    pub(crate) is_current: bool,
}

/// Whole page.
#[derive(Template)]
#[template(path = "page.html")]
pub(crate) struct Document<'a> {
    pub(crate) shell: &'a Shell,
    pub(crate) page: &'a Page,
}

/// Blocks of a page, or of a section that opens.
#[derive(Template)]
#[template(path = "blocks.html")]
pub(crate) struct Blocks<'a> {
    pub(crate) blocks: &'a [Block],
    pub(crate) csrf: &'a str,
}

/// Value of a table or of a fact.
#[derive(Template)]
#[template(path = "cell.html")]
struct CellView<'a> {
    cell: &'a Cell,
    csrf: &'a str,
}

/// Field of a form.
#[derive(Template)]
#[template(path = "field.html")]
struct FieldView<'a> {
    field: &'a Field,
}
