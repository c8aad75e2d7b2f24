//! Consent of the user to a change.
//!
//! | caller | consent |
//! |---|---|
//! | a client that can ask its user | a question (`elicitation/create`), in both eras |
//! | another client with an API token or a static token | a second call with the code of the first answer |
//! | another OAuth client | none: changes are rejected, except for a request to administrators |
//!
//! A program that holds an API token could call the API itself, so that a code protects from mistakes,
//! and from texts that make a model repeat a code which they bring along: it is known to whoever was shown
//! the change, and to nobody else. An OAuth client cannot call the API, and a model that it runs may follow
//! instructions of untrusted texts: only an answer of its user counts.

use mcp_gateway_core::Call;
use mcp_gateway_core::call::Prepared;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::arguments::Arguments;
use super::codes::Codes;
use super::table::{Effect, Tool};

/// Consent that a call requires.
#[derive(Debug)]
pub(super) struct Confirmation {
    /// Tool and arguments, for the user; `None` if they are too long to be shown.
    summary: Option<String>,
    /// Name of the tool.
    tool: &'static str,
    /// Caller, tool and arguments.
    change: String,
    /// Code in the call.
    given: Option<String>,
    /// `true` if a code suffices for every caller.
    is_harmless: bool,
}

/// Consent of a user.
#[derive(Debug)]
pub(super) enum Consent {
    /// The user agrees.
    Given,
    /// The user has not agreed; the result of the call.
    Missing(Value),
}

impl Confirmation {
    /// Returns the consent that a call of `tool` requires; `None` if it changes nothing. The code is
    /// removed from `arguments`.
    pub(super) fn required(
        tool: &'static Tool,
        arguments: &mut Arguments,
        subject: &str,
    ) -> Option<Self> {
        let given = arguments.take("confirm");
        (tool.effect != Effect::Read).then(|| Self {
            summary: summary(tool, &arguments.0),
            tool: tool.name,
            change: json!([subject, tool.name, arguments.0]).to_string(),
            given: given.and_then(|code| code.as_str().map(str::to_owned)),
            is_harmless: tool.effect == Effect::Request,
        })
    }

    /// Returns the consent of the user of `call`, which `codes` confirm.
    pub(super) fn consent(&self, call: &Call<Prepared>, codes: &Codes) -> Consent {
        // Nobody agrees to what they have not seen.
        let Some(summary) = &self.summary else {
            return Consent::Missing(Answer::error(self.excess()).into_result());
        };
        if call.client().capabilities().elicitation_form() {
            return self.answer(call, summary, &codes.state(&self.change));
        }
        if call.principal().client().is_some() && !self.is_harmless {
            return Consent::Missing(Answer::error(self.refusal()).into_result());
        }
        match self.given.as_deref() {
            Some(given) if codes.redeem(given, &self.change) => Consent::Given,
            _ => {
                let code = codes.issue(&self.change);
                let text =
                    code.map_or_else(|_| RANDOM.to_owned(), |code| self.request(summary, &code));
                Consent::Missing(Answer::error(text).into_result())
            }
        }
    }

    /// Returns the consent in the answer of the user, or the question.
    fn answer(&self, call: &Call<Prepared>, summary: &str, code: &str) -> Consent {
        let request = call.request();
        let parsed = |name: &str| -> Value {
            let text = request.param(name).unwrap_or("null");
            serde_json::from_str(text).unwrap_or_default()
        };
        let state = format!("{STATE}{code}");
        // An answer is about the arguments that were shown.
        if parsed("requestState") != *state {
            return Consent::Missing(question(summary, &state));
        }
        let answers = parsed("inputResponses");
        match answers.get(KEY) {
            None => Consent::Missing(question(summary, &state)),
            Some(answer) if answer["action"] == "accept" && answer["content"][FIELD] == true => {
                Consent::Given
            }
            Some(_) => {
                let text = format!(
                    "{}: the user has declined, and nothing was changed. Do not repeat the call; ask \
                     the user what to do instead.",
                    self.tool
                );
                Consent::Missing(Answer::error(text).into_result())
            }
        }
    }

    /// Returns the request for a code.
    fn request(&self, summary: &str, code: &str) -> String {
        format!(
            "{summary}\n\nNothing was changed yet. Show this to the user, and ask for their consent. If \
             they agree, call {} again with the same arguments and confirm: \"{code}\".",
            self.tool
        )
    }

    /// Returns the reason for which arguments that cannot be shown change nothing.
    fn excess(&self) -> String {
        format!(
            "{}: nothing was changed. The arguments have more than {MAX_SUMMARY} characters, which is more \
             than a user is asked about at once. Make smaller changes, or tell the user to make this one on \
             the console, with the command line of the gateway or with its API.",
            self.tool
        )
    }

    /// Returns the reason for which a client without questions changes nothing.
    fn refusal(&self) -> String {
        format!(
            "{}: nothing was changed. This client cannot ask its user for consent (it lacks \
             elicitation), and changes by OAuth clients require it. Tell the user to make the change in \
             a client with elicitation, or with the command line of the gateway.",
            self.tool
        )
    }
}

/// Returns the question to the user about a change.
fn question(summary: &str, state: &str) -> Value {
    json!({
        "resultType": "input_required",
        "inputRequests": { KEY: {
            "method": "elicitation/create",
            "params": {
                "mode": "form",
                "message": summary,
                "requestedSchema": {
                    "type": "object",
                    "properties": { FIELD: {
                        "type": "boolean",
                        "title": "Make this change",
                        "description": "The change is made once, exactly as shown",
                    } },
                    "required": [FIELD],
                },
            },
        } },
        "requestState": state,
    })
}

/// Returns the text of the question, without secrets; `None` if the arguments are too long to be shown.
fn summary(tool: &Tool, arguments: &Map<String, Value>) -> Option<String> {
    let shown = masked(&Value::Object(arguments.clone()), false);
    let text = serde_json::to_string_pretty(&shown).unwrap_or_default();
    (text.chars().count() <= MAX_SUMMARY)
        .then(|| format!("{} ({})?\n\n{text}", tool.title, tool.name))
}

/// Returns `value` with masked secrets: those of entries, supplied values and passwords.
fn masked(value: &Value, is_secret: bool) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, member)| {
                let is_secret = is_secret || SECRETS.contains(&key.as_str());
                (key.clone(), masked(member, is_secret))
            })
            .collect(),
        Value::Array(items) => items.iter().map(|item| masked(item, is_secret)).collect(),
        Value::Null | Value::Bool(_) => value.clone(),
        Value::String(_) | Value::Number(_) if is_secret => "•••".into(),
        Value::String(_) | Value::Number(_) => value.clone(),
    }
}

/// Names of members with secrets.
const SECRETS: [&str; 3] = ["password", "secret", "values"];

/// Key of the question.
const KEY: &str = "confirm";

/// Field of the answer.
const FIELD: &str = "confirm";

/// Beginning of the state of a question.
const STATE: &str = "platform-";

/// Maximum length of the arguments in a question, in characters.
const MAX_SUMMARY: usize = 4000;

/// Answer without randomness, which codes need.
const RANDOM: &str = "Nothing was changed: the gateway has no random numbers for a code at the moment. Try again later.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_show_no_secrets() {
        let tool = Tool::find("create_server").unwrap();
        let Value::Object(arguments) = json!({
            "name": "notes",
            "remote": { "url": "https://a", "bearer": { "secret": "s3cret-1" } },
            "values": { "token": "s3cret-2" },
            "password": "s3cret-3",
            "kept": { "secret": true },
        }) else {
            panic!("an object");
        };
        let text = summary(tool, &arguments).unwrap();
        assert!(!text.contains("s3cret"), "{text}");
        assert!(text.contains("https://a"), "{text}");
        let long = json!({ "description": "a".repeat(MAX_SUMMARY) });
        assert_eq!(summary(tool, long.as_object().unwrap()), None);
    }
}
