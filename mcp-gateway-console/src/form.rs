//! Forms that people send.

use axum::extract::{Form, FromRequest, FromRequestParts as _, Request};

use crate::failure::Failure;
use crate::names;
use crate::site::Site;
use crate::visit::Visit;

/// Form that was shown to the session that sends it.
#[derive(Debug)]
pub(crate) struct Submission {
    pub(crate) visit: Visit,
    pub(crate) fields: Fields,
}

/// Fields of a form. `Debug` does not show them.
#[derive(Clone, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Returns the value of `name`, without white space around it; empty without one.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// Returns the value of `name` as it is.
    pub(crate) fn raw(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// Returns the value of `name`, unless it is empty.
    pub(crate) fn some(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Returns `true` if the box `name` is checked.
    pub(crate) fn is_checked(&self, name: &str) -> bool {
        self.raw(name) == "on"
    }

    /// Returns the [names] in the value of `name` between commas, lines and white space.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        names::split(self.raw(name), &[',', '\n', '\r', '\t', ' '])
    }

    /// Returns the [names] in the value of `name` between commas and lines.
    pub(crate) fn items(&self, name: &str) -> Vec<String> {
        names::split(self.raw(name), &[',', '\n', '\r'])
    }

    /// Returns the fields whose names begin with `prefix`, without it.
    pub(crate) fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let fields = self.0.iter();
        fields.filter_map(move |(key, value)| Some((key.strip_prefix(prefix)?, &**value)))
    }
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fields").finish_non_exhaustive()
    }
}

impl FromRequest<Site> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request, site: &Site) -> Result<Self, Failure> {
        let form = Form::from_request(request, site).await;
        let Form(fields) = form.map_err(|_| Failure::BadForm)?;
        Ok(Self(fields))
    }
}

impl FromRequest<Site> for Submission {
    type Rejection = Failure;

    /// Authenticates the person before the body is read.
    async fn from_request(request: Request, site: &Site) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, site).await?;
        let headers = parts.headers.clone();
        let fields = Fields::from_request(Request::from_parts(parts, body), site).await?;
        let csrf = fields.raw("csrf");
        site.login.check_form(&headers, csrf, &visit.session)?;
        Ok(Self { visit, fields })
    }
}
