//! Approvals of calls: those that wait for the person, and their decisions.

use axum::extract::Path;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Selection, done, with_done};
use crate::failure::Failure;
use crate::form::Submission;
use crate::json::Members as _;
use crate::path::{page as page_path, resource};
use crate::view::{Block, Cell, Choice, Field, Form, Kind, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/approvals";

/// `GET /console/approvals`.
pub(crate) async fn list(visit: Visit, selection: Selection) -> Answer {
    let status = match selection.text("status") {
        "" => "pending",
        "all" => "",
        status => status,
    };
    let query = [
        ("status", status),
        ("server", selection.text("server")),
        ("after", selection.after()),
    ];
    let listed = match visit.caller.list("/api/v1/approvals", &query).await {
        Ok(listed) => listed,
        Err(failure) => return super::rejected(&visit, failure, Page::new("Approvals")),
    };
    let columns = ["Call", "Caller", "Status", "Asked", "Until", "You"];
    let empty = "No calls wait for approval.";
    let mut table = Table::new("Approvals", &columns)
        .live()
        .or_empty(listed.absent.as_deref().unwrap_or(empty));
    for approval in &listed.items {
        let tool = format!("{}/{}", approval.text("/server"), approval.text("/tool"));
        let caller = approval.some_text("/callerName");
        table.row(vec![
            Cell::link(page_path(&["approvals", approval.text("/id")]), tool),
            Cell::text(caller.unwrap_or_else(|| approval.text("/caller"))),
            state(approval),
            Cell::time(approval.number("/created")),
            Cell::time(approval.number("/expires")),
            match approval.is("/mayDecide") {
                true => Cell::badge("decide", Tone::Warn),
                false => Cell::Empty,
            },
        ]);
    }
    table.pager = Some(selection.pager(LIST, &["status", "server"], &listed));
    let choices = vec![
        Choice::new("", "pending"),
        Choice::new("approved", "approved"),
        Choice::new("redeemed", "redeemed"),
        Choice::new("denied", "denied"),
        Choice::new("expired", "expired"),
        Choice::new("all", "all"),
    ];
    let fields = vec![
        Field::new("status", "Status", Kind::Select(choices)),
        Field::new("server", "Server", Kind::Text),
    ];
    let page = Page::new("Approvals").lead("Calls that a rule lets wait until somebody decides.");
    let page = with_done(page, &selection)
        .with(Block::Filter(selection.filter(LIST, fields)))
        .with(Block::Table(table));
    Ok(visit.show(&page))
}

/// `GET /console/approvals/{id}`.
pub(crate) async fn show(visit: Visit, Path(id): Path<String>, selection: Selection) -> Answer {
    let page = detail(&visit, &id, "").await?;
    Ok(visit.show(&with_done(page, &selection)))
}

/// `POST /console/approvals/{id}/decision`.
pub(crate) async fn decide(Path(id): Path<String>, sent: Submission) -> Answer {
    let Submission { visit, fields } = sent;
    let mut body = json!({ "decision": fields.text("decision") });
    if let Some(reason) = fields.some("reason") {
        body["reason"] = reason.into();
    }
    let path = resource(&["approvals", &id, "decision"]);
    match visit.caller.change(Method::POST, &path, body, "").await {
        Ok(_) => {
            let what = match fields.text("decision") {
                "approve" => "approved",
                _ => "denied",
            };
            Ok(done(&page_path(&["approvals", &id]), what))
        }
        // The person sees the call: why there is no decision is no secret.
        Err(Failure::Problem(problem)) if problem.status != StatusCode::NOT_FOUND => {
            let page = detail(&visit, &id, fields.text("reason")).await?;
            let page = page.note(problem.sentence(), Tone::Bad);
            Ok(visit.show_with(problem.status, &page))
        }
        Err(failure) => Err(failure),
    }
}

/// Returns the page of the approval `id`.
async fn detail(visit: &Visit, id: &str, reason: &str) -> Result<Page, Failure> {
    let found = visit.caller.get(&resource(&["approvals", id])).await?;
    let approval = &found.value;
    let tool = format!("{}/{}", approval.text("/server"), approval.text("/tool"));
    let mut page = Page::new(tool)
        .below(LIST, "Approvals")
        .lead(approval.text("/reason"))
        .badge(state(approval))
        .with(Block::Facts(facts(approval)));
    let arguments = approval.text("/arguments").to_owned();
    let arguments = match serde_json::from_str::<Value>(&arguments) {
        Ok(value) => crate::json::pretty(&value),
        Err(_) => arguments,
    };
    page = page.with(Block::Code("Arguments".to_owned(), arguments));
    if approval.is("/mayDecide") {
        let action = page_path(&["approvals", id, "decision"]);
        let choices = vec![
            Choice::new("approve", "Approve: the call is made"),
            Choice::new("deny", "Deny"),
        ];
        let form = Form::new(action, "Decide")
            .with(Field::new("decision", "Decision", Kind::Radio(choices)))
            .with(
                Field::new("reason", "Reason", Kind::Text)
                    .value(reason)
                    .hint("For the caller."),
            );
        page = page.heading("Your decision").with(Block::Form(form));
    }
    Ok(page)
}

fn facts(approval: &Value) -> Vec<(&'static str, Cell)> {
    let caller = approval.some_text("/callerName");
    let mut facts = vec![
        (
            "Caller",
            Cell::text(caller.unwrap_or_else(|| approval.text("/caller"))),
        ),
        ("Client", Cell::text(approval.text("/client"))),
        ("Gateway", Cell::text(approval.text("/gateway"))),
        ("Rule", Cell::text(approval.text("/rule"))),
        ("Decided by", Cell::text(approvers(approval))),
        ("Asked", Cell::time(approval.number("/created"))),
        ("Until", Cell::time(approval.number("/expires"))),
    ];
    if approval["decision"].is_object() {
        facts.push(("Decision by", Cell::text(approval.text("/decision/by"))));
        facts.push(("Decided", Cell::time(approval.number("/decision/at"))));
        facts.push(("Reason", Cell::text(approval.text("/decision/reason"))));
    }
    facts
}

fn approvers(approval: &Value) -> String {
    if approval.is("/approvers/caller") {
        return "the caller".to_owned();
    }
    let roles = approval.texts("/approvers/roles");
    let teams = approval.texts("/approvers/teams");
    let roles = roles.iter().map(|role| format!("role {role}"));
    let teams = teams.iter().map(|team| format!("team {team}"));
    roles.chain(teams).collect::<Vec<_>>().join(", ")
}

fn state(approval: &Value) -> Cell {
    let status = approval.text("/status");
    let tone = match status {
        "pending" => Tone::Warn,
        "approved" | "redeemed" => Tone::Good,
        "denied" => Tone::Bad,
        _ => Tone::Plain,
    };
    Cell::badge(status, tone)
}
