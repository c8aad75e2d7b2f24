//! Initialization of a session.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};
use tower::ServiceExt;

use super::LegacyHandler;
use crate::call::StandsFor;
use crate::endpoint::CallService;
use crate::error::RequestError;
use crate::json::{object_json, string_json};
use crate::jsonrpc::{Id, Message, Request, Response};
use crate::protocol::{Capabilities, Method, ProtocolVersion, meta};
use crate::session::{Session, SessionRecord};
use crate::{Error, reply};

impl<S: CallService> LegacyHandler<S> {
    /// Starts a session; returns its ID and the response.
    pub(in crate::endpoint) async fn initialize(
        &self,
        request: &Request,
    ) -> Result<(String, Bytes), Error> {
        let (id, session) = self.sessions.create(self.record(request)?)?;
        let text = self.discovered(&session, request.id()).await?;
        let version = string_json(session.version().as_str());
        let mut discovered: Value =
            serde_json::from_str(&text).map_err(|e| Error::Other(e.into()))?;
        let mut meta = match discovered.get_mut("_meta") {
            Some(Value::Object(meta)) => std::mem::take(meta),
            _ => Map::new(),
        };
        let info = meta.remove(meta::SERVER_INFO).unwrap_or_default();
        let mut members = vec![
            ("protocolVersion", version.into()),
            (
                "capabilities",
                discovered["capabilities"].to_string().into(),
            ),
            ("serverInfo", info.to_string().into()),
        ];
        if let Some(instructions) = discovered.get("instructions") {
            members.push(("instructions", instructions.to_string().into()));
        }
        if !meta.is_empty() {
            members.push(("_meta", Value::Object(meta).to_string().into()));
        }
        Ok((
            id,
            Response::new(request.id(), &object_json(&members)).bytes(),
        ))
    }

    /// Validates the parameters of `initialize`.
    fn record(&self, request: &Request) -> Result<SessionRecord, RequestError> {
        let invalid = |detail: &'static str| RequestError::InvalidParams {
            detail: detail.into(),
        };
        let requested = request
            .param("protocolVersion")
            .and_then(crate::json::string);
        let requested = requested.ok_or_else(|| invalid("protocolVersion must be a string"))?;
        let capabilities = Capabilities::parse(request.param("capabilities").unwrap_or("{}"));
        let info = request
            .param("clientInfo")
            .filter(|info| info.len() <= MAX_CLIENT_INFO);
        Ok(SessionRecord {
            principal: self.principal.clone().without_assertion(),
            gateway: Arc::clone(&self.gateway),
            version: ProtocolVersion::negotiate(&requested),
            capabilities: capabilities
                .ok_or_else(|| invalid("capabilities must be an object of up to 4096 bytes"))?,
            client_info: info.map(Into::into),
        })
    }

    /// Returns the result of `server/discover`, from which that of `initialize` is made.
    async fn discovered(&self, session: &Arc<Session>, id: &Id) -> Result<String, Error> {
        let request = Request::new(&Id::from("discover"), &Method::ServerDiscover, "{}");
        let mut call = self.call(session, request);
        let asked = StandsFor::Request(Method::Initialize, id.clone());
        call.extensions_mut().insert(asked);
        let reply = self.inner.clone().oneshot(call).await?;
        let text = reply::into_response_text(reply, MAX_DISCOVERED)
            .await
            .map_err(|error| Error::Other(error.into()))?;
        match Message::parse(text)? {
            Message::Response(response) => Ok(response.result().unwrap_or("{}").to_owned()),
            Message::Notification(_) | Message::Request(_) => Ok("{}".to_owned()),
        }
    }
}

/// Maximum size of a client's name and version that is retained, in bytes.
const MAX_CLIENT_INFO: usize = 1024;

/// Maximum size of the result of `server/discover`, in bytes.
const MAX_DISCOVERED: usize = 16 * 1024 * 1024;
