//! The browser of the user.

use std::process::{Command, Stdio};

use url::Url;

/// Opens `address` in the browser of this machine, if it has a display.
///
/// Addresses of schemes other than `http` and `https` are ignored. The address is passed as a
/// single argument without a shell. A failure is logged at the level `debug`.
pub fn open_browser(address: &Url) {
    if !matches!(address.scheme(), "http" | "https") {
        return;
    }
    let program = match cfg!(target_os = "macos") {
        true => "open",
        // Without a display, `xdg-open` may start a browser in the terminal.
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
        tracing::debug!(%error, program, "browser not opened");
    }
}

/// Returns `true` if the session has a display of X11 or Wayland.
fn has_screen() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}
