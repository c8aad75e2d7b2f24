//! Overview: health, calls of the last hour, and what waits for the person.

mod calls;

use super::{Answer, servers};
use crate::failure::Failure;
use crate::json::Members as _;
use crate::path::page as page_path;
use crate::role::Role;
use crate::view::{Block, Card, Cell, Page, Table, Tone};
use crate::visit::Visit;

/// `GET /console`.
pub(crate) async fn show(visit: Visit) -> Answer {
    let mut page = Page::new("Overview");
    let mut cards = Vec::new();
    if visit.role == Role::Admin {
        cards.push(server_card(&visit).await?);
    }
    if visit.role >= Role::TeamAdmin {
        cards.push(gateway_card(&visit).await?);
    }
    cards.push(approval_card(&visit).await?);
    cards.push(request_card(&visit).await?);
    let hour = match visit.role {
        Role::Admin => calls::LastHour::load(&visit).await?,
        _ => None,
    };
    if let Some(hour) = &hour {
        cards.push(hour.card());
    }
    if visit.role == Role::Admin {
        cards.extend(pin_card(&visit).await?);
    }
    page = page.with(Block::Cards(cards));
    if let Some(hour) = &hour {
        page = page.with(Block::Chart(hour.chart()));
    }
    if visit.role == Role::Admin {
        page = page
            .heading("Servers that do not work")
            .with(failing(&visit).await?);
        let quotas = quotas(&visit).await?;
        if !quotas.rows.is_empty() {
            page = page.heading("Quotas most used").with(Block::Table(quotas));
        }
        if let Some(hour) = &hour {
            page = page.heading("Last calls").with(Block::Table(hour.table()));
        }
    } else {
        page = page
            .heading("Gateways for you")
            .with(gateways(&visit).await?);
    }
    Ok(visit.show(&page))
}

async fn server_card(visit: &Visit) -> Result<Card, Failure> {
    let listed = visit
        .caller
        .list("/api/v1/servers", &[("limit", LIMIT)])
        .await?;
    let broken = listed
        .items
        .iter()
        .filter(|server| is_broken(server))
        .count();
    Ok(Card {
        label: "Servers",
        figure: count(listed.items.len(), listed.next.is_some()),
        note: match broken {
            0 => "none fails".to_owned(),
            broken => format!("{broken} do not work"),
        },
        tone: if broken == 0 { Tone::Plain } else { Tone::Bad },
        href: Some("/console/servers".to_owned()),
    })
}

async fn gateway_card(visit: &Visit) -> Result<Card, Failure> {
    let listed = visit
        .caller
        .list("/api/v1/gateways", &[("limit", LIMIT)])
        .await?;
    let broken = listed.items.iter();
    let broken = broken.filter(|gateway| !gateway.list("/violations").is_empty());
    let broken = broken.count();
    Ok(Card {
        label: "Gateways",
        figure: count(listed.items.len(), listed.next.is_some()),
        note: match broken {
            0 => "all served".to_owned(),
            broken => format!("{broken} not served"),
        },
        tone: if broken == 0 { Tone::Plain } else { Tone::Bad },
        href: Some("/console/gateways".to_owned()),
    })
}

async fn approval_card(visit: &Visit) -> Result<Card, Failure> {
    let query = [("status", "pending"), ("limit", "100")];
    let listed = visit.caller.list("/api/v1/approvals", &query).await?;
    let waiting = listed
        .items
        .iter()
        .filter(|approval| approval.is("/mayDecide"));
    let waiting = waiting.count();
    Ok(Card {
        label: "Approvals waiting for you",
        figure: count(waiting, listed.next.is_some()),
        note: format!(
            "{} in total",
            count(listed.items.len(), listed.next.is_some())
        ),
        tone: if waiting == 0 {
            Tone::Plain
        } else {
            Tone::Warn
        },
        href: Some("/console/approvals".to_owned()),
    })
}

async fn request_card(visit: &Visit) -> Result<Card, Failure> {
    let listed = visit
        .caller
        .list("/api/v1/requests", &[("limit", LIMIT)])
        .await?;
    let open = listed.items.iter();
    let open = open.filter(|request| request["decision"].is_null()).count();
    let is_admin = visit.role == Role::Admin;
    Ok(Card {
        label: "Open requests",
        figure: count(open, listed.next.is_some()),
        note: match is_admin {
            true => "for servers of the registry".to_owned(),
            false => "of yours".to_owned(),
        },
        tone: if is_admin && open > 0 {
            Tone::Warn
        } else {
            Tone::Plain
        },
        href: Some("/console/requests".to_owned()),
    })
}

/// Returns the card of definitions that are held back, if there are pinned servers.
async fn pin_card(visit: &Visit) -> Result<Option<Card>, Failure> {
    let listed = visit
        .caller
        .list("/api/v1/pins", &[("limit", LIMIT)])
        .await?;
    if listed.items.is_empty() {
        return Ok(None);
    }
    let pending = listed
        .items
        .iter()
        .map(|server| server.list("/pending").len());
    let pending: usize = pending.sum();
    Ok(Some(Card {
        label: "Definitions held back",
        figure: pending.to_string(),
        note: "of pinned servers".to_owned(),
        tone: if pending == 0 {
            Tone::Plain
        } else {
            Tone::Warn
        },
        href: Some("/console/pins".to_owned()),
    }))
}

async fn failing(visit: &Visit) -> Result<Block, Failure> {
    let listed = visit
        .caller
        .list("/api/v1/servers", &[("limit", LIMIT)])
        .await?;
    let mut table = Table::new("Servers that do not work", &["Name", "State", "Problem"])
        .live()
        .or_empty("All servers work.");
    let broken = listed.items.iter().filter(|server| is_broken(server));
    for server in broken.take(MAX_ROWS) {
        let name = server.text("/name");
        table.row(vec![
            Cell::link(page_path(&["servers", name]), name),
            servers::state(server),
            Cell::text(servers::problem(server)),
        ]);
    }
    Ok(Block::Table(table))
}

async fn quotas(visit: &Visit) -> Result<Table, Failure> {
    let mut listed = visit
        .caller
        .list("/api/v1/usage", &[("limit", LIMIT)])
        .await?;
    let share = |usage: &serde_json::Value| {
        let (used, amount) = (usage.number("/used"), usage.number("/amount"));
        Cell::percent(&used, &amount)
    };
    listed
        .items
        .sort_by_key(|usage| std::cmp::Reverse(share(usage)));
    let mut table = Table::new("Quotas most used", &["Quota", "Of", "Used", "Until"]).live();
    for usage in listed.items.iter().take(5) {
        table.row(super::usage::cells(usage));
    }
    Ok(table)
}

async fn gateways(visit: &Visit) -> Result<Block, Failure> {
    let path = "/api/v1/usable-gateways";
    let listed = visit.caller.list(path, &[("limit", "20")]).await?;
    let mut table = Table::new("Gateways for you", &["Gateway", "Description"])
        .or_empty("There is no gateway for you. Ask an administrator.");
    for gateway in &listed.items {
        let name = gateway.text("/name");
        let title = gateway.some_text("/title").unwrap_or(name);
        table.row(vec![
            Cell::link(page_path(&["connect", name]), title),
            Cell::text(gateway.text("/description")),
        ]);
    }
    Ok(Block::Table(table))
}

fn is_broken(server: &serde_json::Value) -> bool {
    matches!(server.text("/state"), "failing" | "unused")
}

/// Formats a number, of which there are more if `has_more`.
fn count(found: usize, has_more: bool) -> String {
    match has_more {
        true => format!("{found}+"),
        false => found.to_string(),
    }
}

/// Number of objects that are looked at: a page of the API.
const LIMIT: &str = "500";

/// Maximum number of rows of a table.
const MAX_ROWS: usize = 20;
