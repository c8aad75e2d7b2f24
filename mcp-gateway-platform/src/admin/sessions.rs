//! Sessions of clients.

use mcp_gateway_admin::{ClientSessions, SessionDocument};
use mcp_gateway_core::session::SessionSummary;
use serde_json::Value;

use crate::running::Running;

impl ClientSessions for Running {
    fn sessions(&self) -> Vec<SessionDocument> {
        let sessions = self.state().controller.sessions().clone();
        let mut documents: Vec<_> = sessions.list().iter().map(document).collect();
        documents.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        documents
    }

    fn end(&self, id: &str) -> bool {
        let sessions = self.state().controller.sessions().clone();
        sessions.end_by_key(id)
    }
}

fn document(session: &SessionSummary) -> SessionDocument {
    let client = session.client.as_deref();
    let client = client.and_then(|text| serde_json::from_str::<Value>(text).ok());
    SessionDocument {
        id: session.key.to_string(),
        subject: session.subject.to_string(),
        gateway: session.gateway.to_string(),
        version: session.version.as_str().to_owned(),
        client: client.and_then(|client| client["name"].as_str().map(str::to_owned)),
        idle: session.idle.map(|idle| idle.as_secs()),
    }
}
