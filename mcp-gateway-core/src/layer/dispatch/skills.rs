//! Skills of several servers.
//!
//! | method | answer |
//! |---|---|
//! | `skills/list` | the skills of all servers, in the order of the gateway |
//! | `skills/get`, `resources/directory/read` | that of the server in the scoped URI; otherwise of the only server that has it |
//!
//! Only servers that declare the extension are asked. Entries are forwarded as they are but for their
//! URIs; see [`scoped_uri`](super::scoped_uri). Digests cover contents, which are not changed.
//!
//! See the [skills extension](https://github.com/modelcontextprotocol/ext-skills).

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::value::RawValue;

use super::lists::Cursor;
use super::resources::is_found;
use super::{RoutedService, Shared};
use crate::call::Routed;
use crate::catalog::CacheScope;
use crate::error::{NameKind, RequestError, RouteError, UpstreamError};
use crate::json::{Fields, object_json, string_json};
use crate::policy::PolicyRequest;
use crate::protocol::Method;
use crate::reply;
use crate::route::{Feature, Target};
use crate::upstream::DiscoverResult;
use crate::{Call, Error, Reply};

/// Returns `true` if a server with these capabilities has the method of the skills extension.
fn declares(info: &DiscoverResult, method: &Method) -> bool {
    let skills = &info.capabilities["extensions"][EXTENSION];
    if method == &Method::ResourcesDirectoryRead {
        return skills["directoryRead"] == true;
    }
    skills.is_object()
}

/// One page of the skills of a server.
struct SkillsPage {
    /// JSON texts of the entries, with scoped URIs, and the URIs at the server.
    entries: Vec<(String, String)>,
    next_cursor: Option<String>,
    ttl: Duration,
    is_public: bool,
}

/// Skills of several servers.
struct MergedSkills {
    /// Server, JSON text and URI at the server of each entry.
    entries: Vec<(Arc<str>, String, String)>,
    /// Shortest lifetime.
    ttl: Duration,
    is_public: bool,
}

impl Shared {
    /// Forwards a call that names a skill, or a directory of one, to the server that has it.
    pub(super) async fn skill<S: RoutedService>(
        &self,
        inner: S,
        call: Call,
    ) -> Result<Reply, Error> {
        let uri = call.request().param("uri").and_then(crate::json::string);
        let uri = uri.ok_or(RequestError::InvalidParams {
            detail: "params.uri must be a string".into(),
        })?;
        let Some((server, raw)) = self.qualifier(&uri) else {
            let declaring = self.declaring(&inner, &call).await;
            return match declaring.is_empty() {
                true => Err(super::fan_out::unknown_method(&call)),
                false => self.only_owner(&inner, &call, &uri, declaring).await,
            };
        };
        let params = [("uri", Some(&*string_json(&raw)))];
        let request = call.request().with_params(call.request().id(), &params);
        let stage = Routed::to(&server, Feature::Resource((&*raw).into()));
        let (_, reply) = self.call_one(inner, call.for_request(request, stage)).await;
        match reply? {
            reply if is_found(&reply) => self.scoped_reply(reply, &server).await,
            _ => Err(RouteError::unknown_name(NameKind::Resource, &uri).into()),
        }
    }

    /// Returns the servers that declare the method of `call`.
    async fn declaring<S: RoutedService>(&self, inner: &S, call: &Call) -> Vec<Arc<str>> {
        let method = call.request().method();
        let described = self.descriptions(inner, call).await.into_iter();
        let declaring = described.filter(|(_, info)| declares(info, method));
        declaring.map(|(server, _)| server).collect()
    }

    /// Returns one page of the merged skills.
    pub(super) async fn skills_list<S: RoutedService>(
        &self,
        inner: S,
        call: &Call,
    ) -> Result<Reply, Error> {
        let cursor = call.request().param("cursor");
        let cursor = Cursor::read(cursor.filter(|cursor| *cursor != "null"))?;
        let servers = self.declaring(&inner, call).await;
        if servers.is_empty() {
            return Err(super::fan_out::unknown_method(call));
        }
        let merged = self.merged_skills(&inner, call, &servers).await;
        let all = &merged.entries;
        let start = match &cursor {
            None => 0,
            Some(cursor) => {
                let is_at =
                    |(server, _, uri): &(Arc<str>, String, String)| cursor.names(server, uri);
                1 + all.iter().position(is_at).ok_or_else(Cursor::expired)?
            }
        };
        let end = all.len().min(start + self.page_size.unwrap_or(all.len()));
        let shown: Vec<_> = all[start..end]
            .iter()
            .map(|(_, entry, _)| entry.as_str())
            .collect();
        let mut members = vec![
            ("resultType", Cow::Borrowed("\"complete\"")),
            ("skills", format!("[{}]", shown.join(",")).into()),
        ];
        if end < all.len()
            && let Some((server, _, uri)) = all[..end].last()
        {
            let next = Cursor::new(server, uri).encode();
            members.push(("nextCursor", string_json(&next).into()));
        }
        let ttl = merged.ttl.as_millis();
        members.push(("ttlMs", ttl.to_string().into()));
        let scope = CacheScope::of_public(merged.is_public);
        members.push(("cacheScope", scope.to_json().into()));
        Ok(Reply::result(call.request().id(), &object_json(&members)))
    }

    /// Reads the skills of `servers`. A server that fails loses its own.
    async fn merged_skills<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
        servers: &[Arc<str>],
    ) -> MergedSkills {
        let read = servers
            .iter()
            .map(|server| self.read_skills(inner, call, server));
        let pages = join_all(read).await;
        let mut all = Vec::new();
        let (mut ttl, mut is_public) = (None, self.policy.is_uniform());
        for (server, read) in servers.iter().zip(pages) {
            let Ok(pages) = read.inspect_err(
                |error| tracing::warn!(%server, %error, "upstream omitted from merged response"),
            ) else {
                ttl = Some(Duration::ZERO);
                continue;
            };
            for page in pages {
                ttl = Some(ttl.map_or(page.ttl, |ttl: Duration| ttl.min(page.ttl)));
                is_public &= page.is_public;
                let skills = page.entries.into_iter();
                all.extend(skills.filter_map(|(entry, uri)| {
                    self.lists_skill(call, server, &uri)
                        .then_some((Arc::clone(server), entry, uri))
                }));
            }
        }
        MergedSkills {
            entries: all,
            ttl: ttl.unwrap_or_default(),
            is_public,
        }
    }

    /// Returns `true` if the caller may read the skill.
    fn lists_skill(&self, call: &Call, server: &Arc<str>, uri: &str) -> bool {
        let target = Target::new(Arc::clone(server), Feature::Resource(uri.into()));
        let request = PolicyRequest::listing(call.caller(), &target);
        self.policy.decide(&request).is_listed()
    }

    /// Reads all pages of the skills of a server.
    async fn read_skills<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
        server: &Arc<str>,
    ) -> Result<Vec<SkillsPage>, Error> {
        let failed = Error::of_server(server);
        let mut pages: Vec<SkillsPage> = Vec::new();
        let mut bytes = 0;
        let mut cursor: Option<String> = None;
        let mut cursors = HashSet::new();
        loop {
            let json = cursor.as_deref().map(string_json);
            let id = call.request().id();
            let request = call
                .request()
                .with_params(id, &[("cursor", json.as_deref())]);
            let call = call.for_request(request, Routed::to(server, Feature::Server));
            let (_, reply) = self.call_one(inner.clone(), call).await;
            let reply = self.scoped_reply(reply?, server).await?;
            let response = reply::response(reply).await.map_err(&failed)?;
            let result = response.result().map_err(UpstreamError::invalid);
            let result = result.map_err(&failed)?;
            bytes += result.len();
            let page = SkillsPage::parse(result, server).map_err(&failed)?;
            cursor.clone_from(&page.next_cursor);
            pages.push(page);
            let Some(next) = &cursor else {
                break;
            };
            if pages.len() == MAX_PAGES || bytes > MAX_BYTES || !cursors.insert(next.clone()) {
                tracing::warn!(%server, list = "skills", pages = pages.len(), "list truncated");
                break;
            }
        }
        Ok(pages)
    }
}

impl SkillsPage {
    /// Parses the result of `skills/list` of `server`, whose URIs are scoped.
    fn parse(result: &str, server: &str) -> Result<Self, UpstreamError> {
        let fields = Fields::parse(result, 0..result.len()).map_err(UpstreamError::invalid)?;
        let skills = fields.raw(result, "skills").unwrap_or("[]");
        let skills: Vec<&RawValue> =
            serde_json::from_str(skills).map_err(UpstreamError::invalid)?;
        let entry = |skill: &RawValue| {
            let skill = skill.get();
            let fields = Fields::parse(skill, 0..skill.len()).ok()?;
            let uri = fields.string(skill, "uri")?;
            let raw = match super::scoped_uri::unscoped(&uri) {
                Some((name, raw)) if name == server => raw,
                _ => uri.into_owned(),
            };
            Some((skill.to_owned(), raw))
        };
        let ttl = fields.raw(result, "ttlMs").and_then(|ms| ms.parse().ok());
        Ok(Self {
            entries: skills.into_iter().filter_map(entry).collect(),
            next_cursor: fields.string(result, "nextCursor").map(Into::into),
            ttl: Duration::from_millis(ttl.unwrap_or_default()),
            is_public: fields.string(result, "cacheScope").as_deref() == Some("public"),
        })
    }
}

/// Identifier of the extension.
const EXTENSION: &str = "io.modelcontextprotocol/skills";

/// Maximum total size of the pages of a server in bytes: 64 MiB.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Maximum number of pages of a server.
const MAX_PAGES: usize = 1000;
