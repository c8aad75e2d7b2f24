//! JSON text, validated, indexed and edited in place.
//!
//! Messages stay text on their way through the gateway: members are found by their spans and
//! replaced by edits, so that numbers, the order of members and unknown extensions arrive as they
//! were sent. A parsed value is created only where its content is interpreted.
//!
//! Foundation of [`jsonrpc`](crate::jsonrpc) and of everything that rewrites a part of a message.
//! No other module of the crate is used here.

mod canonical;
mod edits;
mod fields;
mod plain;
mod rfc8785;
mod tree;
mod visit;
mod walk_error;
mod walker;
mod write;

pub(crate) use self::canonical::canonical;
pub(crate) use self::edits::Edits;
pub(crate) use self::fields::{Fields, FieldsError, string, unescape};
pub(crate) use self::rfc8785::CanonicalJson;
pub(crate) use self::tree::{Tree, TreeObject};
pub(crate) use self::visit::{each_item, each_member};
pub(crate) use self::walk_error::WalkErrorKind;
pub(crate) use self::walker::{MAX_DEPTH, Member, MemberKey, Walker};
pub(crate) use self::write::{object_json, string_json};
