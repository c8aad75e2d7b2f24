//! Objects behind the API: servers, gateways, rules, pins and quotas, whose texts may be markup.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use mcp_gateway_admin::{
    AssignmentDocument, Catalog, CatalogError, DanglingServer, DeploymentDocument, DeploymentError,
    Deployments, GatewayDocument, Installation, LogSelection, PendingDocument, PinRegistry,
    PinnedServerDocument, PolicyCall, PolicyCatalog, PolicyExplanation, PolicyStep, Quotas,
    RuleDocument, RuleOrder, ServerDocument, ServerLog, ServerSource, UsageDocument, Violation,
};
use mcp_gateway_core::BoxError;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::catalog::Definition;
use mcp_gateway_registry::{Entry, EntryDocument, EntryStatus, Input};
use mcp_gateway_store::Attachment;
use serde_json::{Value, json};

use crate::harness::{Browser, Site};

/// Markup that runs, if a page does not escape it, and text that imitates other text.
pub(crate) const MARK: &str = "\"'><img src=x onerror=mark>\u{202e}</textarea></pre>";

/// Objects, and the entries that have been written.
#[derive(Debug)]
pub(crate) struct Objects {
    is_marked: bool,
    pub(crate) changes: Mutex<Vec<Value>>,
}

impl Objects {
    pub(crate) fn plain() -> Self {
        Self {
            is_marked: false,
            changes: Mutex::default(),
        }
    }

    pub(crate) fn marked() -> Self {
        Self {
            is_marked: true,
            changes: Mutex::default(),
        }
    }

    /// Returns `plain`, or markup in place of it.
    pub(crate) fn text<'a>(&self, plain: &'a str) -> &'a str {
        if self.is_marked { MARK } else { plain }
    }

    fn owned(&self, plain: &str) -> String {
        self.text(plain).to_owned()
    }

    fn some(&self, plain: &str) -> Option<String> {
        Some(self.owned(plain))
    }

    pub(crate) fn person(&self, name: &str) -> Principal {
        Principal::new(name).with_name(self.text(name))
    }

    fn change(&self, entry: Value) {
        self.changes.lock().unwrap().push(entry);
    }

    /// Entry of the library of the registry.
    pub(crate) fn entry(&self) -> EntryDocument {
        let description = self.text("keeps notes");
        let mut entry = Entry::new("com.example/notes", "1.0.0", description);
        entry.title = self.some("Notes");
        entry.website_url = self.some("https://notes.example.com");
        entry.server = Some(json!({ "remote": { "url": self.text("https://notes.example.com") } }));
        entry.status = EntryStatus::Deprecated;
        entry.status_message = self.some("use another one");
        let mut input = Input::new(self.text("token"));
        input.description = self.some("token of the server");
        input.default = self.some("none");
        input.placeholder = self.some("tok_1");
        input.choices = vec![self.owned("a")];
        entry.inputs = vec![input];
        EntryDocument::new(entry, 1_800_000_000)
    }

    fn violations(&self) -> Vec<Violation> {
        match self.is_marked {
            true => vec![Violation::new(MARK, MARK)],
            false => Vec::new(),
        }
    }

    fn server_document(&self, name: &str) -> ServerDocument {
        ServerDocument {
            name: name.to_owned(),
            source: ServerSource::Store,
            state: "up",
            error: self.is_marked.then(|| MARK.to_owned()),
            deployment: Some(DeploymentDocument {
                state: "running",
                reason: self.some("Running"),
                message: self.some("runs"),
                ready: 1,
                desired: 1,
                restarts: 0,
                since: 1_800_000_000,
            }),
            shadows: false,
            entry: Some(
                json!({ "name": name, "remote": { "url": self.text("https://a.example") } }),
            ),
            violations: self.violations(),
            installed: Some(Installation::of(self.text("com.example/notes@1.0.0"))),
        }
    }

    fn gateway_document(&self, name: &str, teams: Option<&str>) -> GatewayDocument {
        let teams = teams.map(|team| vec![team.to_owned()]);
        GatewayDocument {
            id: name.to_owned(),
            name: name.to_owned(),
            title: self.some(name),
            description: self.some("tools"),
            source: ServerSource::Store,
            default: false,
            all_servers: false,
            servers: vec![self.owned("notes"), "wiki".to_owned()],
            assignments: vec![AssignmentDocument {
                server: self.owned("notes"),
                tools: Some(vec![self.owned("read")]),
                connection: self.owned("caller"),
            }],
            dangling: vec![DanglingServer {
                server: self.owned("gone"),
                reason: self.owned("it does not exist"),
            }],
            exposure: "list",
            visible_tools: vec![self.owned("notes*")],
            entry: Some(json!({
                "name": name, "pageSize": 7, "title": self.text("title"),
                "description": self.text("tools"), "instructions": null,
                "visibility": teams.as_ref().map(|teams| json!({ "teams": teams })),
                "assignments": [{ "server": self.text("notes"), "tools": [self.text("read")] }],
            })),
            teams,
            user: None,
            violations: Vec::new(),
        }
    }

    fn all_gateways(&self) -> Vec<GatewayDocument> {
        let mut all = vec![
            self.gateway_document("open", None),
            self.gateway_document("of-team", Some("ops")),
            self.gateway_document("of-others", Some("sales")),
        ];
        if self.is_marked {
            all.push(self.gateway_document(MARK, None));
            let mut violated = self.gateway_document("violated", None);
            violated.violations = self.violations();
            all.push(violated);
        }
        all
    }

    fn rule_document(&self, name: &str) -> RuleDocument {
        RuleDocument {
            name: name.to_owned(),
            position: 1,
            source: ServerSource::Store,
            effect: "deny",
            dry_run: false,
            entry: Some(json!({
                "name": name, "effect": "deny", "reason": self.text("because"),
                "tools": [self.text("delete*")], "when": self.text("true"),
                "approvers": { "roles": [self.text("lead")], "teams": [self.text("ops")] },
            })),
            violations: self.violations(),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names = vec!["guard".to_owned(), "notes".to_owned()];
        if self.is_marked {
            names.insert(0, MARK.to_owned());
        }
        names
    }
}

#[async_trait]
impl Catalog for Objects {
    fn servers(&self, after: Option<&str>, limit: usize) -> Vec<ServerDocument> {
        let mut names = self.names();
        names.retain(|name| after.is_none_or(|after| **name > *after));
        let names = names.iter().take(limit);
        names.map(|name| self.server_document(name)).collect()
    }

    fn server(&self, name: &str) -> Option<(ServerDocument, Option<u64>)> {
        let is_known = self.names().iter().any(|known| known == name);
        is_known.then(|| (self.server_document(name), Some(1)))
    }

    fn gateways(&self) -> Vec<GatewayDocument> {
        self.all_gateways()
    }

    fn gateway(&self, key: &str) -> Option<(GatewayDocument, Option<u64>)> {
        let mut all = self.all_gateways().into_iter();
        all.find(|gateway| gateway.id == key)
            .map(|found| (found, Some(1)))
    }

    fn describe_gateway(&self, _: &Value) -> Result<GatewayDocument, CatalogError> {
        Ok(self.gateway_document("new", None))
    }

    async fn create_gateway(
        &self,
        entry: Value,
        _: &Attachment,
    ) -> Result<(GatewayDocument, u64), CatalogError> {
        self.change(entry);
        Ok((self.gateway_document("new", None), 1))
    }

    async fn replace_gateway(
        &self,
        key: &str,
        entry: Value,
        _: Option<u64>,
        _: &Attachment,
    ) -> Result<(GatewayDocument, u64), CatalogError> {
        self.change(entry);
        Ok((self.gateway_document(key, None), 2))
    }

    async fn delete_gateway(
        &self,
        key: &str,
        _: Option<u64>,
        _: &Attachment,
    ) -> Result<(), CatalogError> {
        self.change(key.into());
        Ok(())
    }

    fn check_server(&self, _: &Value) -> Vec<Violation> {
        Vec::new()
    }

    fn is_registry_public(&self) -> bool {
        false
    }

    async fn create_server(
        &self,
        entry: Value,
        _: &Attachment,
    ) -> Result<(ServerDocument, u64), CatalogError> {
        self.change(entry);
        Ok((self.server_document("new"), 1))
    }

    async fn replace_server(
        &self,
        name: &str,
        entry: Value,
        _: Option<u64>,
        _: &Attachment,
    ) -> Result<(ServerDocument, u64), CatalogError> {
        self.change(entry);
        Ok((self.server_document(name), 2))
    }

    async fn delete_server(
        &self,
        name: &str,
        _: Option<u64>,
        _: &Attachment,
    ) -> Result<(), CatalogError> {
        self.change(name.into());
        Ok(())
    }
}

#[async_trait]
impl Deployments for Objects {
    async fn restart(&self, name: &str) -> Result<(), DeploymentError> {
        self.change(name.into());
        Ok(())
    }

    async fn log(&self, _: &str, _: LogSelection) -> Result<ServerLog, DeploymentError> {
        let line = self.owned("started").into();
        Ok(ServerLog::new(futures_util::stream::iter([Ok(line)])))
    }
}

#[async_trait]
impl PolicyCatalog for Objects {
    fn rules(&self) -> Vec<RuleDocument> {
        let names = self.names();
        names.iter().map(|name| self.rule_document(name)).collect()
    }

    fn rule(&self, name: &str) -> Option<(RuleDocument, Option<u64>)> {
        let is_known = self.names().iter().any(|known| known == name);
        is_known.then(|| (self.rule_document(name), Some(1)))
    }

    async fn create_rule(
        &self,
        entry: Value,
        _: Option<&str>,
        _: &Attachment,
    ) -> Result<(RuleDocument, u64), CatalogError> {
        self.change(entry);
        Ok((self.rule_document("new"), 1))
    }

    async fn replace_rule(
        &self,
        name: &str,
        entry: Value,
        _: Option<u64>,
        _: &Attachment,
    ) -> Result<(RuleDocument, u64), CatalogError> {
        self.change(entry);
        Ok((self.rule_document(name), 2))
    }

    async fn delete_rule(
        &self,
        name: &str,
        _: Option<u64>,
        _: &Attachment,
    ) -> Result<(), CatalogError> {
        self.change(name.into());
        Ok(())
    }

    fn rule_order(&self) -> RuleOrder {
        RuleOrder {
            names: self.names(),
        }
    }

    async fn order_rules(
        &self,
        order: &RuleOrder,
        _: Option<u64>,
        _: &Attachment,
    ) -> Result<RuleOrder, CatalogError> {
        self.change(json!(order.names));
        Ok(self.rule_order())
    }

    fn explain(&self, _: &PolicyCall) -> Result<PolicyExplanation, CatalogError> {
        Ok(PolicyExplanation {
            effect: "deny",
            decided_by: "rule",
            rule: self.some("guard"),
            reason: self.some("because"),
            steps: vec![PolicyStep {
                rule: self.owned("guard"),
                finding: self.owned("decides"),
            }],
        })
    }
}

#[async_trait]
impl PinRegistry for Objects {
    fn pinned(&self) -> Vec<PinnedServerDocument> {
        let pending = || PendingDocument {
            kind: "tool".to_owned(),
            name: self.owned("read"),
            status: "changed".to_owned(),
            digest: self.some("sha256:1"),
            difference: vec![
                format!("- {}", self.text("old")),
                format!("+ {}", self.text("new")),
            ],
            definition: self.owned("{}"),
        };
        let names = self.names().into_iter();
        names
            .map(|server| PinnedServerDocument {
                server,
                source: ServerSource::Store,
                approved: 1,
                pending: vec![pending()],
            })
            .collect()
    }

    async fn approve(
        &self,
        server: &str,
        _: Definition,
        _: &Attachment,
    ) -> Result<(), CatalogError> {
        self.change(server.into());
        Ok(())
    }
}

#[async_trait]
impl Quotas for Objects {
    async fn usage(
        &self,
        _: Option<&str>,
        _: Option<&str>,
        _: usize,
    ) -> Result<Vec<UsageDocument>, BoxError> {
        Ok(vec![UsageDocument {
            id: "1".to_owned(),
            quota: self.owned("daily"),
            key: BTreeMap::from([(self.owned("user"), self.owned("bob"))]),
            amount: 10,
            used: 7,
            window: "day".to_owned(),
            ends: 1_800_000_000,
        }])
    }
}

/// Adds objects with markup to the stores of `site`; returns the paths of their pages.
pub(crate) async fn marked_paths(site: &Site, browser: &Browser) -> Vec<String> {
    let encode =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let mark = encode(MARK);
    // The API accepts it as the name of a team, a token or a client.
    let name = encode("\"'><img src=x onerror=mark>");
    let forms = [
        (
            "/console/people/new",
            format!("name=mark&role=member&teams={name}"),
        ),
        (
            "/console/tokens/new",
            format!("name={name}&team={name}&days=30"),
        ),
        (
            "/console/clients/new",
            format!("name={name}&kind=public&redirectUris=http%3A%2F%2Flocalhost%2Fx"),
        ),
    ];
    for (path, form) in forms {
        let answer = browser.submit(path, &form).await;
        assert!(
            !answer.body.contains("<img src=x"),
            "{path}: {}",
            answer.body
        );
        assert!(
            answer.status == 200 || answer.status == 303,
            "{path}: {}",
            answer.body
        );
    }
    let mut paths = vec![
        format!("/console/approvals/{}", site.ask(MARK).await),
        format!("/console/servers/{mark}"),
        format!("/console/servers/{mark}/edit"),
        format!("/console/gateways/{mark}"),
        format!("/console/gateways/{mark}/edit"),
        "/console/gateways/violated".to_owned(),
        format!("/console/connect/{mark}"),
        format!("/console/policy/rules/{mark}"),
        format!("/console/pins/{mark}"),
        "/console/connect/open?client=client".to_owned(),
    ];
    for list in ["/console/people", "/console/clients"] {
        let page = browser.get(list).await.body;
        let links = page.split('"').filter(|text| {
            let below = text.strip_prefix(list).unwrap_or_default();
            below.starts_with('/') && below != "/new"
        });
        paths.extend(links.map(str::to_owned));
    }
    paths
}
