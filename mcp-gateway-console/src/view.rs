//! Pages as data: blocks, tables, forms, and the one template that renders them.
//!
//! Handlers never write markup. All text reaches a page through the template, which escapes it.

mod block;
mod cell;
mod field;
mod shell;
mod shown;
mod table;

pub(crate) use self::block::{Block, Card, Chart, Page};
pub(crate) use self::cell::{Button, Cell, Link, Tone};
pub(crate) use self::field::{Assignment, Choice, Field, Form, Kind};
pub(crate) use self::shell::{Document, NavGroup, NavLink, Shell};
pub(crate) use self::shown::shown;
pub(crate) use self::table::{Filter, Pager, Table};
