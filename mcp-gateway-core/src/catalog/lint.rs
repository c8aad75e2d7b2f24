//! Checks of definitions that clients or the interfaces of models reject.
//!
//! A client library rejects a whole list because of one entry that it cannot parse, and the
//! interface of a model rejects a request because of one tool. The former would cost the tools of
//! all servers, so such entries are always adapted: what is removed or replaced has no meaning for
//! any client. [`LintPolicy`] applies to the latter.
//!
//! | Defect | Rejected by | Adaptation |
//! |---|---|---|
//! | known member that is `null` or of another kind | client libraries | removed |
//! | `inputSchema` missing, or not an object | client libraries | `{"type":"object"}` |
//! | `inputSchema` of another type | client libraries | `"type":"object"` |
//! | `outputSchema` of another type | client libraries of the legacy era | removed |
//! | invalid keyword in `outputSchema` | client libraries of the legacy era | as below |
//! | unknown type | model interfaces | synonym (`int`: `integer`), otherwise removed |
//! | `required` in a property, or below `properties` | model interfaces | moved |
//! | `$ref` without a target | model interfaces | removed |
//! | other keyword with an invalid value | model interfaces | converted or removed |
//! | `anyOf`, `oneOf` or `allOf` at the top | model interfaces | merged |
//! | name with other characters than `A-Za-z0-9_.-` | model interfaces | none |
//!
//! Which client libraries reject what has been tried with the Python and TypeScript SDKs of both
//! eras.

mod combination;
mod defect;
mod definition;
mod keyword;
mod path;
mod schema;

use std::sync::Arc;

use bytestring::ByteString;

use self::defect::printable;
pub use self::defect::{Defect, Finding, LintPolicy, Outcome};
use self::path::Path;
use crate::json::Tree;
use crate::protocol::{Era, ListKind};

/// Rules for the entries of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LintRules {
    /// Treatment of what only model interfaces reject.
    pub(crate) policy: LintPolicy,
    /// Era of the clients that receive the list.
    pub(crate) era: Era,
}

impl Default for LintRules {
    fn default() -> Self {
        Self {
            policy: LintPolicy::default(),
            era: Era::Modern,
        }
    }
}

/// Result of the check of one entry.
#[derive(Debug)]
pub(super) struct Linted {
    /// JSON text of the entry; adapted, if there is something to adapt.
    pub(super) text: ByteString,
    /// Findings, in the order of the check.
    pub(super) findings: Vec<Finding>,
}

impl Linted {
    /// Returns `true` if the entry is to be left out of the list.
    pub(super) fn is_held_back(&self) -> bool {
        let outcomes = self.findings.iter().map(|finding| finding.outcome);
        outcomes.max() == Some(Outcome::HeldBack)
    }
}

impl LintRules {
    /// Checks an entry of a list of `kind`.
    ///
    /// A text that is not a JSON object, or longer than 1 MiB, is returned as it is.
    pub(super) fn check(self, kind: ListKind, text: ByteString) -> Linted {
        let parsed = (text.len() <= MAX_TEXT).then(|| Tree::parse(&text));
        let Some(Ok(Tree::Object(mut entry))) = parsed else {
            let findings = Vec::new();
            return Linted { text, findings };
        };
        let name = entry.get(kind.key()).and_then(Tree::text);
        let mut check = Check::new(self, &name.unwrap_or_default());
        check.entry(kind, &mut entry);
        let mut findings = check.findings;
        if self.policy == LintPolicy::HoldBack
            && findings.iter().any(|it| it.outcome == Outcome::Reported)
        {
            for finding in &mut findings {
                finding.outcome = Outcome::HeldBack;
            }
        }
        let is_adapted = findings.iter().any(|it| it.outcome == Outcome::Adapted);
        let text = match is_adapted {
            true => {
                let mut adapted = String::with_capacity(text.len());
                Tree::Object(entry).write(&mut adapted);
                adapted.into()
            }
            false => text.clone(),
        };
        Linted { text, findings }
    }
}

/// Check of one entry in progress.
#[derive(Debug)]
struct Check {
    rules: LintRules,
    /// Name of the entry.
    name: Arc<str>,
    findings: Vec<Finding>,
}

impl Check {
    fn new(rules: LintRules, name: &str) -> Self {
        Self {
            rules,
            name: Arc::from(printable(name)),
            findings: Vec::new(),
        }
    }

    /// Records a defect that client libraries reject together with the whole list. It must be
    /// adapted.
    fn breaks_list(&mut self, path: &Path<'_>, defect: Defect) {
        self.record(path, defect, Outcome::Adapted);
    }

    /// Records a defect that model interfaces reject. Returns `true` if it is to be adapted.
    fn breaks_request(&mut self, path: &Path<'_>, defect: Defect) -> bool {
        let outcome = match self.adapts() {
            true => Outcome::Adapted,
            false => Outcome::Reported,
        };
        self.record(path, defect, outcome);
        self.adapts()
    }

    /// Returns `true` if what model interfaces reject is to be adapted.
    fn adapts(&self) -> bool {
        self.rules.policy != LintPolicy::Report
    }

    /// Records a defect without an adaptation.
    fn report(&mut self, path: &Path<'_>, defect: Defect) {
        self.record(path, defect, Outcome::Reported);
    }

    fn record(&mut self, path: &Path<'_>, defect: Defect, outcome: Outcome) {
        // The rest of a definition that consists of defects says nothing new.
        if self.findings.len() < MAX_FINDINGS || outcome > Outcome::Adapted {
            self.findings.push(Finding {
                name: Arc::clone(&self.name),
                path: printable(&path.to_string()),
                defect,
                outcome,
            });
        }
    }
}

/// Maximum length of an entry that is checked, in bytes.
const MAX_TEXT: usize = 1024 * 1024;

/// Maximum number of adaptations of one entry that are recorded.
const MAX_FINDINGS: usize = 100;

#[cfg(test)]
mod tests;
