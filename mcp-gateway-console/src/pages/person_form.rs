//! Forms that add and change people.

use axum::extract::Path;
use http::Method;
use serde_json::{Value, json};

use super::{Answer, Selection, again, done, with_done};
use crate::failure::Failure;
use crate::form::{Fields, Submission};
use crate::json::Members as _;
use crate::path::{page as page_path, resource, with_query};
use crate::role::Role;
use crate::view::{Block, Button, Cell, Choice, Field, Form, Kind, Page, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/people";
const NEW: &str = "/console/people/new";

/// `GET /console/people/new`.
pub(crate) async fn show_new(visit: Visit) -> Answer {
    match visit.role {
        Role::Admin => Ok(visit.show(&new_page(new_form(&Fields::default())))),
        _ => Err(Failure::NotFound),
    }
}

/// `POST /console/people/new`: the generated password is shown once.
pub(crate) async fn create(sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let mut body = json!({
        "name": fields.text("name"),
        "role": fields.text("role"),
        "teams": fields.items("teams"),
        "administeredTeams": fields.items("administeredTeams"),
    });
    if !fields.raw("password").is_empty() {
        body["password"] = fields.raw("password").into();
    }
    match visit
        .caller
        .change(Method::POST, "/api/v1/users", body, "")
        .await
    {
        Ok(found) => {
            let id = found.value.text("/user/id");
            let path = page_path(&["people", id]);
            let Some(password) = found.value.some_text("/password") else {
                return Ok(done(&path, "added"));
            };
            let page = Page::new(found.value.text("/user/name"))
                .below(LIST, "People")
                .note("Added.", Tone::Good)
                .with(Block::Secret("Password".to_owned(), password.to_owned()))
                .link(path, "Account");
            Ok(visit.show(&page))
        }
        Err(failure) => again(&visit, failure, new_form(&fields), new_page),
    }
}

/// `GET /console/people/{id}`.
pub(crate) async fn show(visit: Visit, Path(id): Path<String>, selection: Selection) -> Answer {
    let page = detail(&visit, &id).await?;
    Ok(visit.show(&with_done(page, &selection)))
}

/// `POST /console/people/{id}`.
pub(crate) async fn update(Path(id): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let (person, _) = find(&visit, &id).await?;
    let version = fields.text("version");
    let mut body = json!({
        "role": fields.text("role"),
        "teams": fields.items("teams"),
        "administeredTeams": fields.items("administeredTeams"),
        "disabled": fields.is_checked("disabled"),
    });
    if !fields.raw("password").is_empty() {
        body["password"] = fields.raw("password").into();
    }
    match visit
        .caller
        .change(Method::PATCH, &resource(&["users", &id]), body, version)
        .await
    {
        Ok(_) => Ok(done(&page_path(&["people", &id]), "saved")),
        Err(failure) => {
            let mut changed = person.clone();
            changed["role"] = fields.text("role").into();
            changed["teams"] = fields.items("teams").into();
            changed["administeredTeams"] = fields.items("administeredTeams").into();
            changed["disabled"] = fields.is_checked("disabled").into();
            let form = edit_form(&changed).hide("version", version);
            again(&visit, failure, form, |form| page(&person, version, form))
        }
    }
}

/// Returns the page of the person `id`.
pub(super) async fn detail(visit: &Visit, id: &str) -> Result<Page, Failure> {
    let (person, version) = find(visit, id).await?;
    let form = edit_form(&person).hide("version", &version);
    Ok(page(&person, &version, form))
}

/// Returns the person `id`, and their version.
async fn find(visit: &Visit, id: &str) -> Result<(Value, String), Failure> {
    let found = visit.caller.get(&resource(&["users", id])).await?;
    Ok((found.value, found.version))
}

fn page(person: &Value, version: &str, form: Form) -> Page {
    let id = person.text("/id");
    let mut facts = vec![
        ("Identifier", Cell::code(id)),
        ("Login name", Cell::text(person.text("/username"))),
        ("E-mail", Cell::text(person.text("/email"))),
        ("Created", Cell::time(person.number("/created"))),
    ];
    for identity in person.list("/identities") {
        let (issuer, subject) = (identity.text("/issuer"), identity.text("/subject"));
        facts.push(("Identity", Cell::code(format!("{subject} at {issuer}"))));
    }
    let question = "All sessions, tokens and accounts at servers of this person end.";
    let delete = Button::new(page_path(&["people", id, "delete"]), "Delete").danger(question);
    let delete = delete.with_field("version", version);
    Page::new(person.text("/name"))
        .below(LIST, "People")
        .link(with_query("/console/audit", &[("subject", id)]), "Calls")
        .link(
            with_query("/console/tokens/new", &[("user", id)]),
            "New token",
        )
        .with(Block::Facts(facts))
        .with(Block::Form(form))
        .with(Block::Buttons(Cell::Buttons(vec![delete])))
}

fn new_page(form: Form) -> Page {
    Page::new("Add a local account")
        .below(LIST, "People")
        .lead("For a login with a name and a password.")
        .with(Block::Form(form.cancel(LIST)))
}

fn new_form(fields: &Fields) -> Form {
    let form = Form::new(NEW, "Add account")
        .with(
            Field::new("name", "Login name", Kind::Text)
                .value(fields.raw("name"))
                .required(),
        )
        .with(
            Field::new("password", "Password", Kind::Secret)
                .hint("Leave it empty to have one generated, which is shown once."),
        );
    let role = fields.some("role").unwrap_or("member");
    common(
        form,
        role,
        fields.raw("teams"),
        fields.raw("administeredTeams"),
    )
}

fn edit_form(person: &Value) -> Form {
    let form = Form::new(page_path(&["people", person.text("/id")]), "Save");
    let (teams, administered) = (person.joined("/teams"), person.joined("/administeredTeams"));
    let form = common(form, person.text("/role"), &teams, &administered);
    let form = match person.some_text("/username") {
        Some(_) => form.with(
            Field::new("password", "New password", Kind::Secret)
                .hint("It ends all sessions of the account. Leave it empty to keep the password."),
        ),
        None => form,
    };
    let disabled = if person.is("/disabled") { "on" } else { "" };
    form.with(
        Field::new("disabled", "Disabled", Kind::Check)
            .value(disabled)
            .hint("It ends all sessions, and revokes clients and tokens for good."),
    )
}

/// Adds the fields of the role and the teams.
fn common(form: Form, role: &str, teams: &str, administered: &str) -> Form {
    let roles = vec![
        Choice::new("member", "Member: uses the gateway"),
        Choice::new("admin", "Administrator"),
    ];
    form.with(Field::new("role", "Role", Kind::Radio(roles)).value(role))
        .with(
            Field::new("teams", "Teams", Kind::Text)
                .value(teams)
                .hint("Names with commas; those that have one in quotation marks. An identity provider may set them again at each login."),
        )
        .with(
            Field::new("administeredTeams", "Administers", Kind::Text)
                .value(administered)
                .hint("Of these teams, those whose connections and gateways the person manages."),
        )
}
