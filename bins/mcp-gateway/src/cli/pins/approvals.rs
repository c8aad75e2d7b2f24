//! Selection of the definitions to approve.

use anyhow::bail;
use mcp_gateway_core::catalog::DefinitionKind;

/// Selection of definitions by `SERVER/NAME`, or `SERVER` for all of a server.
#[derive(Debug)]
pub(super) struct Selection {
    /// Servers with a name, and whether it has selected something; all definitions if empty.
    names: Vec<(String, Option<String>, bool)>,
}

impl Selection {
    /// Creates the selection of `definitions`, or of all.
    pub(super) fn new(all: bool, definitions: &[String]) -> Self {
        let names = definitions.iter().filter(|_| !all);
        let names = names.map(|name| match name.split_once('/') {
            Some((server, name)) => (server.to_owned(), Some(name.to_owned()), false),
            None => (name.clone(), None, false),
        });
        Self {
            names: names.collect(),
        }
    }

    /// Returns the servers that are named; none for all.
    pub(super) fn servers(&self) -> Vec<String> {
        let mut servers: Vec<_> = self.names.iter().map(|(it, _, _)| it.clone()).collect();
        servers.dedup();
        servers
    }

    /// Returns `true` if the definition of `server` is selected.
    pub(super) fn takes(&mut self, server: &str, kind: DefinitionKind, name: &str) -> bool {
        let label = match name {
            "" => kind.as_str(),
            name => name,
        };
        let mut is_taken = self.names.is_empty();
        for (of, name, has_selected) in &mut self.names {
            if of == server && name.as_deref().is_none_or(|name| name == label) {
                (*has_selected, is_taken) = (true, true);
            }
        }
        is_taken
    }

    /// Checks that each name has selected something.
    ///
    /// # Errors
    ///
    /// Fails with the first name that has not.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let unused = self.names.iter().find(|(_, _, has_selected)| !has_selected);
        match unused {
            Some((server, Some(name), _)) => {
                bail!("{server}/{name} does not exist, or is approved already")
            }
            Some((server, None, _)) => bail!("{server} has nothing to approve"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_select_what_they_name() {
        let names = ["a/x", "b", "a/instructions"].map(str::to_owned);
        let mut selection = Selection::new(false, &names);
        let tool = DefinitionKind::Tool;
        assert!(selection.takes("a", tool, "x") && !selection.takes("a", tool, "y"));
        assert!(selection.takes("a", DefinitionKind::Instructions, ""));
        assert!(
            selection
                .check()
                .unwrap_err()
                .to_string()
                .contains("b has nothing")
        );
        assert!(selection.takes("b", tool, "y") && selection.check().is_ok());
        assert!(Selection::new(true, &[]).takes("c", tool, "z"));
    }
}
