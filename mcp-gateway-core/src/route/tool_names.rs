//! Names of tools that are not just prefix and name: aliases, and short names.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};

/// Aliases and short names of tools.
///
/// A short name is derived from the long one alone, so that it is the same after a restart and at
/// every replica. The long name cannot be derived from it: it is known once the tool was listed.
#[derive(Clone, Debug, Default)]
pub(super) struct ToolNames {
    /// Aliases by server and name.
    aliases: HashMap<Arc<str>, HashMap<Arc<str>, Arc<str>>>,
    /// Names by server and alias.
    originals: HashMap<Arc<str>, HashMap<Arc<str>, Arc<str>>>,
    /// Maximum length of a name in bytes.
    max: Option<usize>,
    /// Long names by their short ones.
    long_names: Arc<Mutex<HashMap<String, String>>>,
}

impl ToolNames {
    /// Adds an alias for the tool `name` of `server`.
    pub(super) fn add_alias(&mut self, server: &str, name: Arc<str>, alias: Arc<str>) {
        let originals = self.originals.entry(server.into()).or_default();
        originals.insert(Arc::clone(&alias), Arc::clone(&name));
        self.aliases
            .entry(server.into())
            .or_default()
            .insert(name, alias);
    }

    /// Sets the maximum length of a name.
    pub(super) fn set_max(&mut self, max: usize) {
        self.max = Some(max.max(MIN_LENGTH));
    }

    /// Returns `true` if names are prefix and name.
    pub(super) fn is_empty(&self) -> bool {
        self.max.is_none() && self.aliases.is_empty()
    }

    /// Returns the alias of `name` of `server`, otherwise the name.
    pub(super) fn alias<'a>(&self, server: &str, name: &'a str) -> Cow<'a, str> {
        let alias = self.aliases.get(server).and_then(|names| names.get(name));
        match alias {
            Some(alias) => Cow::Owned(String::from(&**alias)),
            None => Cow::Borrowed(name),
        }
    }

    /// Returns the name of the tool of `server` with the alias `alias`, otherwise the argument.
    pub(super) fn original<'a>(&self, server: &str, alias: Cow<'a, str>) -> Cow<'a, str> {
        let names = self.originals.get(server);
        match names.and_then(|names| names.get(&*alias)) {
            Some(name) => Cow::Owned(String::from(&**name)),
            None => alias,
        }
    }

    /// Returns a short name for `long`, and remembers it, if `long` exceeds the limit.
    pub(super) fn shorten<'a>(&self, long: Cow<'a, str>) -> Cow<'a, str> {
        let Some(max) = self.max.filter(|max| long.len() > *max) else {
            return long;
        };
        let hash = digest(&SHA256, long.as_bytes());
        let mut kept = max - SUFFIX;
        while !long.is_char_boundary(kept) {
            kept -= 1;
        }
        let mut short = String::from(&long[..kept]);
        short.push(MARK);
        for byte in &hash.as_ref()[..HASH / 2] {
            short.push_str(&format!("{byte:02x}"));
        }
        let mut known = self.known();
        if !known.contains_key(&short) {
            // Forgotten names are learned again from the next list.
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.insert(short.clone(), long.into_owned());
        }
        Cow::Owned(short)
    }

    /// Returns the long name of `name`, if it is a short one that is known.
    pub(super) fn long_name(&self, name: &str) -> Option<String> {
        match self.may_be_short(name) {
            true => self.known().get(name).cloned(),
            false => None,
        }
    }

    /// Returns `true` if `name` has the form of a short name.
    pub(super) fn may_be_short(&self, name: &str) -> bool {
        let Some(max) = self.max else {
            return false;
        };
        // The end of the kept part is a character, of up to four bytes.
        let is_long = name.len() <= max && name.len() + 4 > max;
        let suffix = name.rsplit_once(MARK).map(|(_, hash)| hash);
        is_long
            && suffix.is_some_and(|hash| {
                hash.len() == HASH && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
    }

    /// Locks the known names.
    fn known(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.long_names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Known short names are not part of the configuration.
impl PartialEq for ToolNames {
    fn eq(&self, other: &Self) -> bool {
        (&self.aliases, self.max) == (&other.aliases, other.max)
    }
}

impl Eq for ToolNames {}

/// Character before the hash.
const MARK: char = '-';

/// Length of the hash in hexadecimal digits.
const HASH: usize = 8;

/// Length of mark and hash.
const SUFFIX: usize = 1 + HASH;

/// Lower bound of the maximum length: a prefix, the separator, the hash and some of the name.
const MIN_LENGTH: usize = 48;

/// Maximum number of known short names.
const MAX_KNOWN: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_stable_and_distinct() {
        let mut names = ToolNames::default();
        names.set_max(64);
        let long = |end: &str| format!("server__{}{end}", "x".repeat(70));
        let short = names.shorten(long("a").into()).into_owned();
        assert_eq!(short.len(), 64);
        assert!(names.may_be_short(&short));
        assert_eq!(names.long_name(&short), Some(long("a")));
        assert_ne!(names.shorten(long("b").into()), short);
        // After a restart, the name is the same, and not yet known.
        let mut others = ToolNames::default();
        others.set_max(64);
        assert_eq!(others.long_name(&short), None);
        assert_eq!(others.shorten(long("a").into()), short);

        assert_eq!(names.shorten("a".repeat(64).into()), "a".repeat(64));
        let wide = format!("server__{}", "ä".repeat(60));
        let short = names.shorten(wide.clone().into()).into_owned();
        assert!(short.len() <= 64 && names.long_name(&short) == Some(wide));
        for name in [
            "a",
            &*"a".repeat(64),
            &*format!("{}-0123456g", "a".repeat(55)),
        ] {
            assert!(!names.may_be_short(name), "{name}");
        }
    }
}
