//! Messages other than calls and lists, between a client and the servers.
//!
//! A gateway over servers that follow a script, and a client of the legacy era that writes each
//! message by itself. What passes directly passes through the gateway too, and reaches nobody else.

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod messages {
    mod cancellation;
    mod harness;
    mod identity;
    mod listening;
    mod notifications;
    mod settings;
    mod unsolicited;
}
