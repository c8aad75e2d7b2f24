//! The browser of the user.

use std::process::{Command, Stdio};

use url::Url;

/// Opens `address` in the browser of whoever is at the machine, if there is one.
///
/// The address is an argument of its own, never a part of a line for a shell.
pub fn open_browser(address: &Url) {
    if !matches!(address.scheme(), "http" | "https") {
        return;
    }
    let program = match cfg!(target_os = "macos") {
        true => "open",
        // Without a screen, it would take over the terminal.
        false if !has_screen() => return,
        false => "xdg-open",
    };
    let started = Command::new(program)
        .arg(address.as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if let Err(error) = started {
        tracing::debug!(%error, program, "no browser was opened");
    }
}

fn has_screen() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}
