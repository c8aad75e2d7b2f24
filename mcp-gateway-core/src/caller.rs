use std::sync::Arc;

use http::HeaderMap;

use crate::auth::Principal;
use crate::json::{object, quoted};
use crate::protocol::{Capabilities, Era, Version, meta};
use crate::session::Session;

/// Who makes a call: a principal, by means of a client, through a gateway.
#[derive(Clone, Debug)]
pub struct Caller {
    principal: Principal,
    gateway: Arc<str>,
    client: Client,
    headers: HeaderMap,
    http: bool,
}

/// The program that calls on behalf of a principal, and what it said about itself.
#[derive(Clone, Debug)]
pub struct Client {
    version: Version,
    capabilities: Capabilities,
    info: Option<Arc<str>>,
    session: Option<Arc<Session>>,
}

impl Caller {
    /// A caller whose requests have no headers.
    #[must_use]
    pub fn new(principal: Principal, gateway: impl Into<Arc<str>>, client: Client) -> Self {
        Self {
            principal,
            gateway: gateway.into(),
            client,
            headers: HeaderMap::new(),
            http: false,
        }
    }

    /// Sets the headers of the client's request that may be passed on to HTTP servers.
    ///
    /// Whoever sets them has left out everything that is not on the gateway's list.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self.http = true;
        self
    }

    /// Who is calling.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The name of the gateway that the call came through.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// The program that calls.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether its requests have headers.
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.http
    }

    /// Returns the same caller without roots.
    pub(crate) fn without_roots(&self) -> Self {
        let mut caller = self.clone();
        caller.client.capabilities = self.client.capabilities.without_roots();
        caller
    }

    /// The headers that may be passed on to HTTP servers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }
}

impl Client {
    /// A client that speaks `version` and declares `capabilities`, without a session.
    #[must_use]
    pub fn new(version: Version, capabilities: Capabilities) -> Self {
        Self {
            version,
            capabilities,
            info: None,
            session: None,
        }
    }

    /// Sets the JSON text of its name and version.
    #[must_use]
    pub fn with_info(self, info: Option<Arc<str>>) -> Self {
        Self { info, ..self }
    }

    /// A client that calls within a session.
    #[must_use]
    pub fn in_session(session: Arc<Session>) -> Self {
        Self {
            version: session.version(),
            capabilities: session.capabilities().clone(),
            info: session.client_info().cloned(),
            session: Some(session),
        }
    }

    /// The revision that it speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The era of that revision.
    #[must_use]
    pub fn era(&self) -> Era {
        self.version.era()
    }

    /// What it can do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The JSON text of its name and version.
    #[must_use]
    pub fn info(&self) -> &str {
        self.info.as_deref().unwrap_or(meta::GATEWAY_INFO)
    }

    /// The JSON text of the context that a request of it carries in the modern era.
    pub(crate) fn request_context(&self) -> String {
        object(&[
            (
                meta::PROTOCOL_VERSION,
                quoted(Version::LATEST.as_str()).into(),
            ),
            (meta::CLIENT_INFO, self.info().into()),
            (
                meta::CLIENT_CAPABILITIES,
                self.capabilities.as_json().into(),
            ),
        ])
    }

    /// The session within which it calls; clients of the modern era have none.
    #[must_use]
    pub fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }
}
