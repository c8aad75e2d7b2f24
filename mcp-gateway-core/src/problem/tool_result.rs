//! Problems that a user can solve, as results of tools.
//!
//! Clients show the text of a tool result to the model and to the user, and often hide JSON-RPC
//! errors from both.

use bytes::Bytes;
use serde_json::json;

use super::{Problem, Variation};
use crate::json::object_json;
use crate::jsonrpc::{Id, Response};
use crate::protocol::{Era, Method, meta};

impl Problem {
    /// Returns the JSON text of the response to a request of `method`.
    ///
    /// A problem that the user of a tool can solve is a tool result with `isError`, a text with the
    /// link where there is one, and the data of the error in `_meta`, under `mcp-gateway/problem`.
    /// Any other problem is a JSON-RPC error.
    pub(crate) fn to_answer(&self, id: Option<&Id>, method: Option<&Method>, era: Era) -> Bytes {
        let solvable = self.variation == Variation::Solvable;
        match (id, method) {
            (Some(id), Some(Method::ToolsCall)) if solvable => {
                Response::new(id, &self.to_tool_result(era)).bytes()
            }
            _ => self.error.to_response(id),
        }
    }

    /// Returns the JSON text of the tool result.
    fn to_tool_result(&self, era: Era) -> String {
        let content = json!([{ "type": "text", "text": self.error.message }]);
        let meta = json!({ meta::PROBLEM: self.error.data });
        let mut members = vec![
            ("content", content.to_string().into()),
            ("isError", "true".into()),
            ("_meta", meta.to_string().into()),
        ];
        if era == Era::Modern {
            members.push(("resultType", "\"complete\"".into()));
        }
        object_json(&members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::error::{CredentialError, IdentityCause};

    #[test]
    fn a_missing_account_is_a_tool_result_with_a_link() {
        let source = CredentialError::NotConnected {
            url: Some("https://gw.example.com/connect/github".into()),
        };
        let server = "github".into();
        let problem = Problem::from(&Error::Credential { server, source });
        let id = Id::from(1);
        let answer = |method, era| problem.to_answer(Some(&id), Some(method), era);
        let text = "You have not connected an account of the server \"github\"; connect one at \
                    https://gw.example.com/connect/github";
        let data = json!({
            "reason": "not_connected",
            "server": "github",
            "url": "https://gw.example.com/connect/github",
        });
        let result = json!({
            "content": [{ "type": "text", "text": text }],
            "isError": true,
            "_meta": { "mcp-gateway/problem": data },
        });
        let json: serde_json::Value =
            serde_json::from_slice(&answer(&Method::ToolsCall, Era::Legacy)).unwrap();
        assert_eq!(json["result"], result);
        let json: serde_json::Value =
            serde_json::from_slice(&answer(&Method::ToolsCall, Era::Modern)).unwrap();
        assert_eq!(json["result"]["resultType"], "complete");
        let json: serde_json::Value =
            serde_json::from_slice(&answer(&Method::PromptsGet, Era::Modern)).unwrap();
        assert_eq!(json["error"]["code"], -32603);
        assert_eq!(json["error"]["message"], text);
        assert_eq!(json["error"]["data"], data);
    }

    #[test]
    fn missing_scopes_are_named_with_a_link() {
        let of = |scopes: &str, url: Option<&str>| {
            let source = CredentialError::InsufficientScope {
                scopes: scopes.into(),
                url: url.map(Into::into),
            };
            let server = "github".into();
            let problem = Problem::from(&Error::Credential { server, source });
            let answer =
                problem.to_answer(Some(&Id::from(1)), Some(&Method::ToolsCall), Era::Legacy);
            let json: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            json["result"].clone()
        };
        let url = "https://gw.example.com/connect/github";
        let result = of("repo gist", Some(url));
        let text = format!(
            "The account for the server \"github\" lacks scopes of this call (repo gist); grant them at {url}"
        );
        assert_eq!(result["content"][0]["text"], text);
        let data = json!({
            "reason": "insufficient_scope",
            "scopes": "repo gist",
            "server": "github",
            "url": url,
        });
        assert_eq!(result["_meta"]["mcp-gateway/problem"], data);
        let text = "The account for the server \"github\" lacks scopes of this call; ask an \
                    administrator for them";
        assert_eq!(of("", None)["content"][0]["text"], text);
    }

    #[test]
    fn a_missing_account_of_a_team_is_a_tool_result_without_a_link() {
        let source = CredentialError::SharedNotConnected {
            owner: "the team \"platform\"".into(),
        };
        let server = "github".into();
        let problem = Problem::from(&Error::Credential { server, source });
        let id = Id::from(1);
        let answer = problem.to_answer(Some(&id), Some(&Method::ToolsCall), Era::Legacy);
        let json: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        let text = json["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("the team \"platform\""), "{text}");
        assert!(text.contains("ask an administrator"), "{text}");
        let data = &json["result"]["_meta"]["mcp-gateway/problem"];
        assert_eq!(data["owner"], "the team \"platform\"");
        assert_eq!(data.get("url"), None);
    }

    #[test]
    fn a_missing_identity_token_is_a_tool_result_that_describes_it() {
        let source = CredentialError::IdentityTokenRequired {
            required: "one of https://idp.example.com".into(),
        };
        let server = "notes".into();
        let problem = Problem::from(&Error::Credential { server, source });
        let answer = problem.to_answer(Some(&Id::from(1)), Some(&Method::ToolsCall), Era::Legacy);
        let json: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        let text = json["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("one of https://idp.example.com"), "{text}");
        let data = &json["result"]["_meta"]["mcp-gateway/problem"];
        assert_eq!(data["reason"], "identity_token_required");
        assert_eq!(data["required"], "one of https://idp.example.com");
    }

    #[test]
    fn a_missing_identity_is_a_tool_result_that_says_what_is_missing() {
        let of = |cause, claims: Option<&str>, url: Option<&str>| {
            let source = CredentialError::IdentityRequired {
                issuer: "https://idp.example".into(),
                cause,
                claims: claims.map(Into::into),
                url: url.map(Into::into),
            };
            let server = "crm".into();
            let problem = Problem::from(&Error::Credential { server, source });
            let answer =
                problem.to_answer(Some(&Id::from(1)), Some(&Method::ToolsCall), Era::Modern);
            let json: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            json["result"].clone()
        };
        let url = "https://gw.example.com/login";
        let result = of(IdentityCause::Missing, None, Some(url));
        let text = format!(
            "The server \"crm\" is called with your identity at https://idp.example, with which you \
             are not logged in; log in at {url}"
        );
        assert_eq!(result["content"][0]["text"], text);
        let data = json!({
            "reason": "identity_required",
            "cause": "missing",
            "issuer": "https://idp.example",
            "server": "crm",
            "url": url,
        });
        assert_eq!(result["_meta"]["mcp-gateway/problem"], data);
        let claims = "{\"access_token\":{}}";
        let result = of(IdentityCause::Interaction, Some(claims), None);
        assert_eq!(result["_meta"]["mcp-gateway/problem"]["claims"], claims);
        let result = of(IdentityCause::Denied, None, Some(url));
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.ends_with("ask your administrator"), "{text}");
    }

    #[test]
    fn problems_of_others_stay_errors() {
        let source = CredentialError::Unavailable("down".into());
        let server = "github".into();
        let problem = Problem::from(&Error::Credential { server, source });
        let id = Id::from(1);
        let answer = problem.to_answer(Some(&id), Some(&Method::ToolsCall), Era::Legacy);
        assert_eq!(answer, problem.error.to_response(Some(&id)));
    }
}
