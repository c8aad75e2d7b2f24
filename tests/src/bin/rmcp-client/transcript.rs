use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::RoleClient;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ClientResult, ErrorData, Implementation, ProtocolVersion,
    ServerNotification, ServerRequest,
};
use rmcp::service::{NotificationContext, RequestContext, Service};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::{plain, typed};

/// Default declaration of a client.
const EVERYTHING: [&str; 3] = ["elicitation", "sampling", "roots"];

/// Observations and responses of the client of a step. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Transcript(Arc<Shared>);

struct Shared {
    declared: Vec<String>,
    /// All that it hears if there is nothing.
    hears: Option<Vec<String>>,
    current: Mutex<Current>,
    more: Notify,
}

/// State of the current step.
#[derive(Default)]
struct Current {
    step: Value,
    notifications: Vec<Value>,
    questions: Vec<Value>,
}

impl Transcript {
    pub(crate) fn new(script: &Value) -> Self {
        let names = |key: &str| {
            let names = script[key].as_array()?.iter();
            Some(names.filter_map(Value::as_str).map(str::to_owned).collect())
        };
        let everything = || EVERYTHING.map(str::to_owned).to_vec();
        Self(Arc::new(Shared {
            declared: names("declares").unwrap_or_else(everything),
            hears: names("hears"),
            current: Mutex::default(),
            more: Notify::new(),
        }))
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        let lock = self.0.current.lock();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, step: &Value) {
        let step = step.clone();
        *self.current() = Current {
            step,
            ..Current::default()
        };
    }

    /// Waits until there were so many notifications.
    pub(crate) async fn until(&self, count: u64) {
        while (self.current().notifications.len() as u64) < count {
            self.0.more.notified().await;
        }
    }

    /// Forgets what was heard.
    pub(crate) fn forget(&self) {
        self.current().notifications.clear();
    }

    pub(crate) fn end(&self, mut outcome: Map<String, Value>) -> Value {
        let current = std::mem::take(&mut *self.current());
        let mut questions = current.questions;
        // Several questions of one round may be asked in any order.
        questions.sort_by_key(Value::to_string);
        if !self.hears("questions") {
            questions.clear();
        }
        for (name, seen) in [
            ("notifications", current.notifications),
            ("questions", questions),
        ] {
            if !seen.is_empty() {
                outcome.insert(name.to_owned(), Value::Array(seen));
            }
        }
        Value::Object(outcome)
    }

    fn hears(&self, what: &str) -> bool {
        let hears = self.0.hears.as_ref();
        hears.is_none_or(|hears| hears.iter().any(|heard| heard == what))
    }

    pub(crate) fn heard(&self, notification: &ServerNotification) -> serde_json::Result<()> {
        let mut notification = plain(notification)?;
        let method = notification["method"].as_str().unwrap_or_default();
        if !self.hears(method) {
            return Ok(());
        }
        let method = method.to_owned();
        let mut params = notification["params"].take();
        if let Some(params) = params.as_object_mut() {
            params.remove("_meta");
            if let Some(token) = params.get_mut("progressToken") {
                *token = json!("token");
            }
        }
        let params = if params.is_null() { json!({}) } else { params };
        let heard = json!({ "method": method, "params": params });
        self.current().notifications.push(heard);
        self.0.more.notify_one();
        Ok(())
    }

    /// Notes a question; returns what it asks.
    fn asked<T: Serialize>(&self, params: T) -> serde_json::Result<Value> {
        let mut params = plain(&params)?;
        if let Some(params) = params.as_object_mut() {
            params.remove("_meta");
            params.remove("requestState");
        }
        self.current().questions.push(params.clone());
        Ok(params)
    }

    fn elicited(&self, params: &Value) -> Value {
        let action = self.current().step["action"].clone();
        let action = if action.is_null() {
            json!("accept")
        } else {
            action
        };
        match params.get("requestedSchema") {
            Some(schema) if action == "accept" => {
                json!({ "action": action, "content": filled(schema) })
            }
            _ => json!({ "action": action }),
        }
    }

    fn answer(&self, request: ServerRequest) -> serde_json::Result<ClientResult> {
        Ok(match request {
            ServerRequest::CreateMessageRequest(request) => {
                self.asked(request.params)?;
                let content = json!({ "type": "text", "text": "what the model says" });
                ClientResult::CreateMessageResult(typed(json!({
                    "role": "assistant", "content": content, "model": "m", "stopReason": "endTurn",
                }))?)
            }
            ServerRequest::ElicitRequest(request) => {
                let params = self.asked(request.params)?;
                ClientResult::ElicitResult(typed(self.elicited(&params))?)
            }
            ServerRequest::ListRootsRequest(_) => {
                self.asked("roots")?;
                let roots = [json!({ "uri": "file:///work", "name": "work" })];
                ClientResult::ListRootsResult(typed(json!({ "roots": roots }))?)
            }
            _ => ClientResult::empty(()),
        })
    }
}

/// Returns the input of a user for a form of `schema`.
fn filled(schema: &Value) -> Value {
    let entry = |name: &str, field: &Value| {
        let first = |field: &Value| {
            let choices = ["oneOf", "anyOf"]
                .iter()
                .find_map(|key| field[key].as_array());
            let titled = choices
                .and_then(|choices| choices.first())
                .map(|one| &one["const"]);
            field["enum"].get(0).or(titled).cloned()
        };
        if let Some(value) = field.get("default").cloned().or_else(|| first(field)) {
            return value;
        }
        match (field["type"].as_str(), field["format"].as_str()) {
            (Some("array"), _) => json!([first(&field["items"])]),
            (Some("boolean"), _) => json!(true),
            (Some("integer"), _) => json!(7),
            (Some("number"), _) => json!(1.5),
            (_, Some("date")) => json!("2026-01-02"),
            (_, Some("email")) => json!("me@example.com"),
            (_, Some("uri")) => json!("https://example.com/"),
            _ => json!(format!("my {name}")),
        }
    };
    let fields = schema["properties"].as_object().into_iter().flatten();
    fields
        .map(|(name, field)| (name.clone(), entry(name, field)))
        .collect()
}

impl Service<RoleClient> for Transcript {
    async fn handle_request(
        &self,
        request: ServerRequest,
        _: RequestContext<RoleClient>,
    ) -> Result<ClientResult, ErrorData> {
        self.answer(request).map_err(|error| unexpected(&error))
    }

    async fn handle_notification(
        &self,
        notification: ServerNotification,
        _: NotificationContext<RoleClient>,
    ) -> Result<(), ErrorData> {
        self.heard(&notification)
            .map_err(|error| unexpected(&error))
    }

    fn get_info(&self) -> ClientConfig {
        let declared = self.0.declared.iter();
        let declared: BTreeMap<_, _> = declared
            .map(|name| match name.as_str() {
                "elicitation" => (name, json!({ "form": {}, "url": {} })),
                _ => (name, json!({})),
            })
            .collect();
        let capabilities = plain(&declared).and_then(typed);
        let capabilities: ClientCapabilities = capabilities.unwrap_or_default();
        ClientConfig::new(capabilities, Implementation::new("rmcp", "1"))
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
    }
}

fn unexpected(error: &serde_json::Error) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
