//! Sign-in with the login of the gateway or with a token, and sign-out.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use http::StatusCode;
use http::header::SET_COOKIE;

use super::{Answer, Selection};
use crate::failure::Failure;
use crate::form::{Fields, Submission};
use crate::path::ROOT;
use crate::response::{render, see_other};
use crate::site::Site;
use crate::token_cookie::TokenSession;
use crate::view::{Block, Field, Form, Kind, Link, Page, Shell, Tone};

/// `GET /console/sign-in`: shows the ways to sign in, or goes on to the only one.
pub(crate) async fn show(State(site): State<Site>, selection: Selection) -> Answer {
    let return_to = local_path(selection.text("return_to"));
    match site.login.login_url(return_to) {
        Some(login) if !site.login.has_tokens() => Ok(see_other(&login)),
        _ => Ok(page(&site, return_to, None)),
    }
}

/// `POST /console/sign-in`: accepts a token.
///
/// Nobody has a session yet, so that there is no CSRF token: the browser must tell that a page of this
/// origin has sent the form. Another site could otherwise sign somebody in as somebody else.
pub(crate) async fn submit(State(site): State<Site>, headers: HeaderMap, fields: Fields) -> Answer {
    if !site.login.has_tokens() || site.login.sent(&headers) != Some(true) {
        return Err(Failure::Forged);
    }
    let return_to = local_path(fields.text("return_to")).to_owned();
    let token = fields.text("token");
    let Some(principal) = site.login.verify(token).await? else {
        tracing::info!("sign-in with an invalid token");
        return Ok(page(&site, &return_to, Some("The token is not valid.")));
    };
    let session = TokenSession::start(token).ok_or(Failure::Unavailable)?;
    let cookie = session.cookie(site.login.keyring(), site.login.is_secure());
    let cookie = cookie.ok_or(Failure::Unavailable)?;
    tracing::info!(subject = principal.subject(), "signed in with a token");
    let mut response = see_other(&return_to);
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

/// `POST /console/sign-out`: ends the session of a token.
pub(crate) async fn end(State(site): State<Site>, _: Submission) -> Answer {
    let mut response = see_other("/console/sign-in");
    if let Some(cookie) = TokenSession::end(site.login.is_secure()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

fn page(site: &Site, return_to: &str, problem: Option<&str>) -> Response {
    let mut page = Page::new("Sign in to the console");
    let login = site.login.login_url(return_to);
    if let Some(login) = &login {
        let link = Link::new(login, "Log in with your account");
        page = page.with(Block::Launch(link));
    }
    if site.login.has_tokens() {
        let mut field = Field::new("token", "Token", Kind::Secret)
            .hint(
                "The gateway prints the owner token when it starts. API tokens of people work too.",
            )
            .required();
        field.error = problem.map(str::to_owned);
        let form = Form::new("/console/sign-in", "Sign in with a token")
            .hide("return_to", return_to)
            .with(field);
        if login.is_some() {
            page = page.heading("Or with a token");
        }
        page = page.with(Block::Form(form));
    }
    if page.blocks.is_empty() {
        let text = "This gateway has no login for people.";
        page = page.note(text, Tone::Plain);
    }
    let status = match problem {
        Some(_) => StatusCode::UNAUTHORIZED,
        None => StatusCode::OK,
    };
    render(status, &Shell::default(), &page)
}

/// Returns `text` if it is a path of the console; otherwise that of the overview. An open redirect
/// would lend the name of the gateway to phishing.
fn local_path(text: &str) -> &str {
    let below = text.strip_prefix(ROOT);
    let is_below = below.is_some_and(|below| below.is_empty() || below.starts_with(['/', '?']));
    let is_plain = text.chars().all(|c| c.is_ascii_graphic() && c != '\\');
    match is_below && is_plain && text.len() <= 4096 {
        true => text,
        false => ROOT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r23_only_pages_of_the_console_are_returned_to() {
        for path in ["/console", "/console/servers?after=x", "/console?x=1"] {
            assert_eq!(local_path(path), path);
        }
        for path in [
            "",
            "/",
            "//evil.example/console",
            "https://evil.example/console",
            "/console.evil.example",
            "/console\\evil",
            "/console/\r\nX: y",
            "/consolex",
        ] {
            assert_eq!(local_path(path), "/console", "{path:?}");
        }
    }
}
