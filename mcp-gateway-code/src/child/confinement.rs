//! Rights that the process of a script gives up.

use std::io;

use crate::message::Start;

/// Limits what the process can do from now on.
///
/// The engine gives scripts no access to the system. This is the second wall, for the case that a
/// script takes over the engine.
#[cfg(unix)]
pub(super) fn confine(start: &Start) -> io::Result<()> {
    use rustix::process::Resource;

    use crate::limits::SPARE;

    // Its size at this time contains the program itself and what the allocator has reserved.
    let size = address_space();
    if let Some(size) = size {
        limit(Resource::As, size + start.memory as u64 + SPARE)?;
    }
    // The engine counts first, and tells the script's author; this ends what it does not count.
    // The soft limit has a signal of its own, by which the gateway tells the cause.
    let processor = start.processor + 1;
    limits(Resource::Cpu, processor, processor + 1)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    // The open ones remain.
    limit(Resource::Nofile, 0)
}

#[cfg(not(unix))]
pub(super) fn confine(_: &Start) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn limit(resource: rustix::process::Resource, value: u64) -> io::Result<()> {
    limits(resource, value, value)
}

#[cfg(unix)]
fn limits(resource: rustix::process::Resource, current: u64, maximum: u64) -> io::Result<()> {
    let limit = rustix::process::Rlimit {
        current: Some(current),
        maximum: Some(maximum),
    };
    Ok(rustix::process::setrlimit(resource, limit)?)
}

/// Returns the size of the address space in bytes, where the system tells it.
#[cfg(unix)]
fn address_space() -> Option<u64> {
    let sizes = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = sizes.split(' ').next()?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
