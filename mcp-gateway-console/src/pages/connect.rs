//! Instructions by which clients connect to a gateway.

use axum::extract::{Path, State};
use serde_json::Value;

use super::{Answer, Selection};
use crate::failure::Failure;
use crate::guides::{ClientGuide, steps};
use crate::json::Members as _;
use crate::path::{page as page_path, with_query};
use crate::site::Site;
use crate::view::{Block, Cell, Choice, Field, Filter, Kind, Link, Page, Table, Tone};
use crate::visit::Visit;

const LIST: &str = "/console/connect";

/// `GET /console/connect`: lists the gateways that the person may use.
pub(crate) async fn list(State(site): State<Site>, visit: Visit, selection: Selection) -> Answer {
    let guides = site.guides.as_deref();
    let query = [("after", selection.after())];
    let listed = visit.caller.list("/api/v1/usable-gateways", &query).await?;
    let mut table = Table::new(
        "Gateways that you may use",
        &["Gateway", "Description", "Endpoint"],
    )
    .or_empty("There is no gateway for you. Ask an administrator.");
    for gateway in &listed.items {
        let name = gateway.text("/name");
        let title = gateway.some_text("/title").unwrap_or(name);
        let endpoint = guides.map(|guides| guides.endpoint(slug(gateway)));
        table.row(vec![
            match guides {
                Some(_) => Cell::link(page_path(&["connect", name]), title),
                None => Cell::text(title),
            },
            Cell::text(gateway.text("/description")),
            Cell::code(endpoint.unwrap_or_default()),
        ]);
    }
    table.pager = Some(selection.pager(LIST, &[], &listed));
    let page = Page::new("Connect a client")
        .lead("Choose a gateway to see the steps for your assistant, editor or agent.")
        .with(Block::Table(table));
    Ok(visit.show(&page))
}

/// `GET /console/connect/{name}`: shows the steps for each client.
pub(crate) async fn show(
    State(site): State<Site>,
    visit: Visit,
    Path(name): Path<String>,
    selection: Selection,
) -> Answer {
    let guides = site.guides.as_deref().ok_or(Failure::NotFound)?;
    let path = crate::path::resource(&["usable-gateways", &name]);
    let gateway = visit.caller.get(&path).await?.value;
    let own = page_path(&["connect", &name]);
    let title = gateway.some_text("/title").unwrap_or(&name);
    let page = Page::new(format!("Connect to {title}"))
        .below(LIST, "Connect a client")
        .lead(gateway.text("/description"));
    let all = guides.guides(slug(&gateway));
    let wanted = selection.text("client");
    let endpoint = guides.endpoint(slug(&gateway));
    let page = page.with(Block::Code("Endpoint".to_owned(), endpoint));
    let mut choices = vec![Choice::new("", "All clients")];
    choices.extend(all.iter().map(|guide| Choice::new(&guide.id, &guide.label)));
    let filter = vec![
        Field::new("client", "Client", Kind::Select(choices)),
        Field::new(
            "with",
            "With",
            Kind::Select(vec![
                Choice::new("", "a login"),
                Choice::new("token", "a token"),
            ]),
        ),
    ];
    let filter = Filter {
        submit: "Show",
        clear: None,
        ..selection.filter(&own, filter)
    };
    let mut page = page.with(Block::Filter(filter));
    let has_token = selection.text("with") == "token";
    if has_token {
        let text = "No text contains a token: clients read it from the environment or ask for it. \
                    Administrators create tokens.";
        page = page.note(text, Tone::Plain);
    }
    for guide in &all {
        if wanted == guide.id {
            page = blocks(guide, has_token)
                .into_iter()
                .fold(page.heading(&guide.label), Page::with);
        } else if wanted.is_empty() {
            let inner = blocks(guide, has_token);
            page = page.with(Block::Details(guide.label.clone(), inner));
        }
    }
    if !wanted.is_empty() {
        let everything = with_query(&own, &[("with", selection.text("with"))]);
        page = page.link(everything, "All clients");
    }
    Ok(visit.show(&page))
}

/// Returns the steps of `guide`.
fn blocks(guide: &ClientGuide, has_token: bool) -> Vec<Block> {
    let mut blocks = Vec::new();
    if let (Some(link), false) = (&guide.link, has_token) {
        let text = format!("Add to {}", guide.label);
        blocks.push(Block::Launch(Link::new(link, text)));
    }
    let text = match (has_token, &guide.token) {
        (true, Some(token)) => token,
        (true, None) => {
            let text = "This client logs in, and takes no token.".to_owned();
            blocks.push(Block::Note(text, Tone::Warn));
            &guide.login
        }
        (false, _) => &guide.login,
    };
    blocks.push(Block::Steps(steps(text)));
    if let Some(tried) = &guide.tried {
        let text = format!("Tried with {tried}.");
        blocks.push(Block::Note(text, Tone::Plain));
    }
    blocks
}

/// Returns the name of `gateway` in its URL; `None` for the default gateway.
fn slug(gateway: &Value) -> Option<&str> {
    (!gateway.is("/default")).then(|| gateway.text("/name"))
}
