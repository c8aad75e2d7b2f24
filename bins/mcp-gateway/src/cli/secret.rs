//! Secrets that are typed or piped.

use std::io::IsTerminal as _;

use zeroize::Zeroizing;

/// Reads a secret from the terminal without an echo, after `prompt`, or a line of standard input.
///
/// # Errors
///
/// Fails if the terminal or the input cannot be read.
pub(super) fn read_secret(prompt: &str) -> std::io::Result<Zeroizing<String>> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt).map(Zeroizing::new);
    }
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().read_line(&mut line)?;
    Ok(Zeroizing::new(
        line.trim_end_matches(['\n', '\r']).to_owned(),
    ))
}
