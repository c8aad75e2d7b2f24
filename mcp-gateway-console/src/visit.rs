//! The visit of a person to a page: who it is, and what surrounds the page.

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use http::StatusCode;

use crate::api::Caller;
use crate::failure::Failure;
use crate::path::{ROOT, with_query};
use crate::response::render;
use crate::role::Role;
use crate::site::Site;
use crate::view::{NavGroup, NavLink, Page, Shell};

/// Visit of a person who has signed in.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) caller: Caller,
    pub(crate) role: Role,
    /// Identifier of the session.
    pub(crate) session: String,
    pub(crate) csrf: String,
    is_token: bool,
    path: String,
}

impl FromRequestParts<Site> for Visit {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Failure> {
        let Some(session) = site.login.session(parts).await? else {
            // What was sent is lost anyway: forms are shown again.
            let path = match parts.method {
                Method::GET => parts
                    .uri
                    .path_and_query()
                    .map_or(ROOT, |path| path.as_str()),
                _ => ROOT,
            };
            return Err(Failure::Redirect(sign_in_path(path)));
        };
        Ok(Self {
            csrf: site.login.csrf(&session.id),
            role: Role::of(&session.principal),
            caller: Caller::new(site.api.clone(), session.principal),
            session: session.id,
            is_token: session.is_token,
            path: parts.uri.path().to_owned(),
        })
    }
}

impl Visit {
    /// Returns the response with `page`.
    pub(crate) fn show(&self, page: &Page) -> Response {
        self.show_with(StatusCode::OK, page)
    }

    /// Returns the response with `page` and `status`.
    pub(crate) fn show_with(&self, status: StatusCode, page: &Page) -> Response {
        let principal = self.caller.principal();
        let shell = Shell {
            person: principal
                .name()
                .unwrap_or_else(|| principal.subject())
                .to_owned(),
            role: self.role.label(),
            groups: self.groups(),
            csrf: self.csrf.clone(),
            signs_out: self.is_token,
        };
        render(status, &shell, page)
    }

    /// Returns the links of the pages that are for the role of the person.
    fn groups(&self) -> Vec<NavGroup> {
        let current = PAGES
            .iter()
            .flat_map(|(_, pages)| *pages)
            .map(|(_, href, _)| *href)
            .filter(|href| {
                let below = self.path.strip_prefix(href);
                below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
            })
            .max_by_key(|href| href.len());
        let group = |(label, pages): &(&'static str, &'static [NavPage])| NavGroup {
            label,
            links: pages
                .iter()
                .filter(|(role, href, _)| {
                    let has_accounts = !self.is_token || *href != "/connect";
                    *role <= self.role && has_accounts
                })
                .map(|(_, href, text)| NavLink {
                    href,
                    text,
                    is_current: Some(*href) == current,
                })
                .collect(),
        };
        let groups = PAGES.iter().map(group);
        groups.filter(|group| !group.links.is_empty()).collect()
    }
}

/// Role for which a page is, its path, and its name.
type NavPage = (Role, &'static str, &'static str);

/// Pages in their groups.
const PAGES: &[(&str, &[NavPage])] = &[
    (
        "",
        &[
            (Role::Member, "/console", "Overview"),
            (Role::Member, "/console/connect", "Connect a client"),
            (Role::Member, "/console/approvals", "Approvals"),
            (Role::Member, "/connect", "My accounts"),
        ],
    ),
    (
        "Tools",
        &[
            (Role::Admin, "/console/servers", "Servers"),
            (Role::TeamAdmin, "/console/gateways", "Gateways"),
            (Role::Member, "/console/registry", "Registry"),
            (Role::Member, "/console/requests", "Requests"),
            (Role::TeamAdmin, "/console/connections", "Connections"),
        ],
    ),
    (
        "Access",
        &[
            (Role::Admin, "/console/people", "People"),
            (Role::Admin, "/console/tokens", "Tokens"),
            (Role::Admin, "/console/clients", "OAuth clients"),
            (Role::Admin, "/console/policy", "Policy"),
            (Role::Admin, "/console/pins", "Pins"),
        ],
    ),
    (
        "Use",
        &[
            (Role::Admin, "/console/audit", "Audit"),
            (Role::Admin, "/console/usage", "Usage"),
        ],
    ),
];

/// Returns the path of the sign-in that returns to `path`.
pub(crate) fn sign_in_path(path: &str) -> String {
    with_query("/console/sign-in", &[("return_to", path)])
}
