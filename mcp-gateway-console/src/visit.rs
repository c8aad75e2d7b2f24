//! The visit of a person to a page: who it is, and what surrounds the page.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, StatusCode};

use askama::Template as _;

use crate::api::Caller;
use crate::console::Site;
use crate::failure::Failure;
use crate::path::{ROOT, with_query};
use crate::role::Role;
use crate::view::{Document, NavGroup, NavLink, Page, Shell};

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
            person: principal.name().unwrap_or(principal.subject()).to_owned(),
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

/// Renders `page` as a response that forbids framing, caching and content of others.
pub(crate) fn render(status: StatusCode, shell: &Shell, page: &Page) -> Response {
    let Ok(html) = (Document { shell, page }).render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    (status, headers("text/html; charset=utf-8"), html).into_response()
}

/// Returns the headers of a response with content of the gateway.
pub(crate) fn headers(media_type: &'static str) -> HeaderMap {
    let headers: [(HeaderName, &'static str); 6] = [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        // Browsers name the origin of forms for it, and tell other sites nothing.
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    let headers = headers.into_iter();
    headers
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect()
}

/// Redirects with 303, after which the browser does not repeat the form.
pub(crate) fn see_other(to: &str) -> Response {
    let Ok(location) = HeaderValue::try_from(to) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let no_store = HeaderValue::from_static("no-store");
    let headers = [(LOCATION, location), (CACHE_CONTROL, no_store)];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Content security policy: nothing inline, nothing of others.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
