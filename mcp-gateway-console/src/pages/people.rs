//! People: list and removal.

use axum::extract::Path;
use http::Method;

use super::{Answer, Selection, done, person_form, rejected, with_done};
use crate::form::Submission;
use crate::json::Members as _;
use crate::path::{page as page_path, resource};
use crate::view::{Block, Cell, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/people";

/// `GET /console/people`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let query = [("after", selection.after())];
    let listed = visit.caller.list("/api/v1/users", &query).await?;
    let columns = ["Name", "Login", "Role", "Teams", "State", "Created"];
    let mut table =
        Table::new("People", &columns).or_empty(listed.absent.as_deref().unwrap_or("Nobody yet."));
    for person in &listed.items {
        let login = person
            .some_text("/username")
            .or_else(|| person.some_text("/email"));
        let login = login.or_else(|| person.some_text("/identities/0/login"));
        table.row(vec![
            Cell::link(
                page_path(&["people", person.text("/id")]),
                person.text("/name"),
            ),
            Cell::text(login.unwrap_or_default()),
            Cell::text(person.text("/role")),
            Cell::text(person.joined("/teams")),
            match person.is("/disabled") {
                true => Cell::badge("disabled", Tone::Bad),
                false => Cell::badge("active", Tone::Good),
            },
            Cell::time(person.number("/created")),
        ]);
    }
    table.pager = Some(selection.pager(LIST, &[], &listed));
    let page = Page::new("People")
        .lead("Those who have logged in with an identity provider, and local accounts.")
        .link("/console/people/new", "Add a local account");
    Ok(visit.show(&with_done(page, &selection).with(Block::Table(table))))
}

/// `POST /console/people/{id}/delete`.
pub(crate) async fn delete(Path(id): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let version = fields.text("version");
    match visit
        .caller
        .act(Method::DELETE, &resource(&["users", &id]), version)
        .await
    {
        Ok(_) => Ok(done(LIST, "deleted")),
        Err(failure) => {
            let page = person_form::detail(&visit, &id).await?;
            rejected(&visit, failure, page)
        }
    }
}
