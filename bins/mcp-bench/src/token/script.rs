//! Sequence of token requests of a client.

use std::time::Instant;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use serde_json::Value;

use super::Tallies;
use super::browser::{CALLBACK, Code, VERIFIER, encoded};
use crate::cli::token::TokenArguments;
use crate::client::Traffic;
use crate::failure::Failure;
use crate::http1::{Connection, Connector};

/// Kind of a token request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Code,
    Machine,
    Refresh,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Code, Self::Machine, Self::Refresh];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Code => "authorization_code",
            Self::Machine => "client_credentials",
            Self::Refresh => "refresh_token",
        }
    }
}

/// Connection with its sequence of requests.
pub(crate) struct Script {
    connector: Connector,
    connection: Option<Connection>,
    authority: String,
    /// Credentials of the machine client.
    machine: String,
    answer: Vec<u8>,
}

impl Script {
    pub(crate) fn new(connector: &Connector, arguments: &TokenArguments) -> anyhow::Result<Self> {
        let uri: Uri = arguments.url.parse()?;
        let credentials = format!("{}:{}", arguments.machine, arguments.secret);
        Ok(Self {
            connector: connector.clone(),
            connection: None,
            authority: uri.authority().context("the URL has no host")?.to_string(),
            machine: format!("Authorization: Basic {}\r\n", STANDARD.encode(credentials)),
            answer: Vec::new(),
        })
    }

    /// Exchanges `code` and then its refresh tokens.
    pub(crate) async fn grant(&mut self, code: &Code, tallies: &mut Tallies) -> anyhow::Result<()> {
        let form = [
            ("grant_type", Kind::Code.name()),
            ("client_id", &code.client),
            ("code", &code.code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", CALLBACK),
        ];
        let mut token = self.ask(Kind::Code, &encoded(&form), tallies).await;
        for round in 0..REFRESHES {
            if round % 2 == 0 {
                let form = [("grant_type", Kind::Machine.name())];
                self.ask(Kind::Machine, &encoded(&form), tallies).await;
            }
            let Some(refresh) = token else { break };
            let form = [
                ("grant_type", Kind::Refresh.name()),
                ("client_id", &code.client),
                ("refresh_token", &refresh),
            ];
            token = self.ask(Kind::Refresh, &encoded(&form), tallies).await;
        }
        Ok(())
    }

    /// Sends a token request; returns the refresh token of the response.
    async fn ask(&mut self, kind: Kind, form: &str, tallies: &mut Tallies) -> Option<String> {
        let fields = if kind == Kind::Machine {
            &*self.machine
        } else {
            ""
        };
        let request = format!(
            "POST /token HTTP/1.1\r\nHost: {}\r\n{fields}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            self.authority,
            form.len(),
        );
        let begin = Instant::now();
        let answered = self.exchange(request.as_bytes()).await;
        if answered.is_err() {
            self.connection = None;
        }
        tallies[kind as usize].record(begin.elapsed(), &answered);
        let answer: Value = serde_json::from_slice(&self.answer).ok()?;
        answer["refresh_token"].as_str().map(str::to_owned)
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Traffic, Failure> {
        self.answer.clear();
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.connector.connect().await?),
        };
        let head = connection.exchange(request, &mut self.answer).await?;
        if head.status != 200 {
            return Err(Failure::status(head.status, &self.answer));
        }
        Ok(Traffic {
            sent: request.len() as u64,
            received: connection.take_received(),
        })
    }
}

/// Number of refreshes of a grant.
const REFRESHES: usize = 6;
