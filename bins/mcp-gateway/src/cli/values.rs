//! Values of the inputs of an entry.

use std::collections::BTreeMap;

use clap::Args;

use super::secret::read_secret;

/// Values of the inputs of an entry.
#[derive(Debug, Args)]
pub(super) struct ValueArgs {
    /// Value of an input of the entry
    #[arg(long = "value", value_name = "NAME=VALUE", value_parser = assignment)]
    values: Vec<(String, String)>,
    /// Read the value of this input from the terminal or standard input
    #[arg(long = "secret", value_name = "NAME")]
    secrets: Vec<String>,
}

impl ValueArgs {
    /// Returns the values, and reads those that are secret.
    ///
    /// # Errors
    ///
    /// Fails if the terminal or the input cannot be read.
    pub(super) fn read(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut values: BTreeMap<_, _> = self.values.iter().cloned().collect();
        for name in &self.secrets {
            let secret = read_secret(&format!("{name}: "))?;
            values.insert(name.clone(), secret.to_string());
        }
        Ok(values)
    }
}

/// Parses `NAME=VALUE`.
pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
