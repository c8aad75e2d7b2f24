//! The page of a message without a link.

use askama::Template;

/// Page with a message for a user who continues elsewhere.
#[derive(Template)]
#[template(path = "notice.html")]
pub(crate) struct NoticePage<'a> {
    pub(crate) title: &'a str,
    pub(crate) message: &'a str,
}
