//! List `policy.results`: rules about results.
//!
//! A rule has the keys of a rule about calls, except for these:
//!
//! | Key | Type |
//! |---|---|
//! | `effect` | `block`, `cap`, `distrust`, `mask` or `trust`, required |
//! | `reason` | string: shown to the client; with `effect: block` |
//! | `maxBytes` | size, required with `effect: cap` |
//! | `paths` | list of JSON paths; with `effect: mask` |
//! | `patterns` | list of regular expressions; with `effect: mask` |
//! | `replacement` | string: in the place of what is masked; with `effect: mask` |
//!
//! A key of another effect is a mistake: it would change nothing, and look as if it did.
//! Paths and patterns are compiled when the file is read, so that an invalid one is reported with its
//! place.

use mcp_gateway_core::results::ResultBudget;
use mcp_gateway_policy::condition::Condition;
use mcp_gateway_policy::result::{ResultEffect, ResultMask, ResultRule};

use super::scope;
use crate::document::{Bytes, Field, Table};

/// Name of an effect.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Block,
    Cap,
    Distrust,
    Mask,
    Trust,
}

/// Reads the rules.
pub(super) fn rules(field: &Field<'_>) -> Option<Vec<ResultRule>> {
    let mut rules: Vec<ResultRule> = Vec::new();
    for field in field.items()? {
        let Some(rule) = rule(&field) else { continue };
        if rules.iter().any(|other| other.name() == rule.name()) {
            field.error(format!("duplicate rule {:?}", rule.name()));
        }
        rules.push(rule);
    }
    Some(rules)
}

fn rule(field: &Field<'_>) -> Option<ResultRule> {
    let mut table = field.table()?;
    let name: Option<String> = table.required("name", Field::read);
    let effect = effect(&mut table);
    let is_dry_run: bool = table.get("dryRun").unwrap_or_default();
    let scope = scope(&mut table);
    let condition = table.get_with("when", condition);
    table.finish();
    let mut rule = ResultRule::new(name?, effect?).with_scope(scope);
    if is_dry_run {
        rule = rule.dry_run();
    }
    Some(match condition {
        Some(condition) => rule.with_condition(condition),
        None => rule,
    })
}

/// Reads the effect, with the keys that belong to it.
fn effect(table: &mut Table<'_>) -> Option<ResultEffect> {
    let kinds = [
        ("block", Kind::Block),
        ("cap", Kind::Cap),
        ("distrust", Kind::Distrust),
        ("mask", Kind::Mask),
        ("trust", Kind::Trust),
    ];
    let kind = table.required("effect", |field| field.choice(&kinds));
    let mut of = |key, owner: Kind, effect: &str| {
        let field = table.field(key)?;
        match kind {
            Some(kind) if kind != owner => {
                field.error(format!("only a rule with effect: {effect} has {key}"));
                None
            }
            _ => Some(field),
        }
    };
    let reason = of("reason", Kind::Block, "block");
    let max_bytes = of("maxBytes", Kind::Cap, "cap");
    let paths = of("paths", Kind::Mask, "mask");
    let patterns = of("patterns", Kind::Mask, "mask");
    let replacement = of("replacement", Kind::Mask, "mask");
    let text = |field: Option<Field<'_>>| field.and_then(|field| field.read::<String>());
    match kind? {
        Kind::Block => Some(ResultEffect::Block {
            reason: text(reason).map(Into::into),
        }),
        Kind::Cap => match max_bytes {
            Some(field) => cap(&field),
            None => {
                table.whole().error("effect: cap needs maxBytes");
                None
            }
        },
        Kind::Distrust => Some(ResultEffect::Distrust),
        Kind::Trust => Some(ResultEffect::Trust),
        Kind::Mask if paths.is_none() && patterns.is_none() => {
            table.whole().error("effect: mask needs paths or patterns");
            None
        }
        Kind::Mask => {
            let paths = paths.map_or(Some(Vec::new()), |field| checked(&field, true))?;
            let patterns = patterns.map_or(Some(Vec::new()), |field| checked(&field, false))?;
            let mask = ResultMask::new(&texts(&paths), &texts(&patterns)).ok()?;
            Some(ResultEffect::Mask(match text(replacement) {
                Some(replacement) => mask.with_replacement(replacement),
                None => mask,
            }))
        }
    }
}

fn texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

/// Reads the maximum size of a result.
fn cap(field: &Field<'_>) -> Option<ResultEffect> {
    let Bytes(max_bytes) = field.read()?;
    if max_bytes < ResultBudget::MIN_BYTES {
        field.error(format!("must be at least {}", ResultBudget::MIN_BYTES));
        return None;
    }
    Some(ResultEffect::Cap { max_bytes })
}

/// Reads a list of JSON paths or patterns.
fn checked(field: &Field<'_>, are_paths: bool) -> Option<Vec<String>> {
    let what = match are_paths {
        true => "a JSON path",
        false => "a regular expression",
    };
    let items = field.items()?;
    let texts = items.iter().map(|field| {
        field.parse(what, |text| {
            let mask = match are_paths {
                true => ResultMask::new(&[text], &[]),
                false => ResultMask::new(&[], &[text]),
            };
            mask.map(|_| text.to_owned())
                .map_err(|error| error.to_string())
        })
    });
    let texts: Vec<_> = texts.collect();
    texts.into_iter().collect()
}

/// Reads a condition that may read the result.
fn condition(field: &Field<'_>) -> Option<Condition> {
    field.parse("a condition", |text| {
        Condition::of_result(text).map_err(|error| error.to_string())
    })
}
