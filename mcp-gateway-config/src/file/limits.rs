use std::num::NonZeroUsize;
use std::time::Duration;

use mcp_gateway_core::bridge::Parking;
use mcp_gateway_core::limit::Limits;
use mcp_gateway_core::session::Sessions;

use crate::document::{Bytes, Count, Field, Read};

/// Bounds on what clients may cost.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EndpointLimits {
    /// How large a body may be.
    pub max_body: Option<usize>,
    /// How many connections there may be.
    pub connections: Option<usize>,
    /// How long a connection lasts without a request.
    pub idle_timeout: Option<Duration>,
    pub sessions: SessionLimits,
    pub parked: ParkedLimits,
    /// How many threads serve connections, if not as many as there are processors.
    pub workers: Option<NonZeroUsize>,
}

/// Bounds on sessions of clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionLimits {
    pub max: usize,
    pub idle: Duration,
    pub lifetime: Duration,
}

/// Bounds on calls that wait for an answer of their clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ParkedLimits {
    pub max: usize,
    /// How many calls of one caller may wait.
    pub max_of_one: usize,
    pub lifetime: Duration,
}

impl Default for ParkedLimits {
    fn default() -> Self {
        Self {
            max: Parking::DEFAULT_MAX,
            max_of_one: Parking::DEFAULT_MAX_OF_ONE,
            lifetime: Parking::DEFAULT_LIFETIME,
        }
    }
}

impl Read for ParkedLimits {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let Self {
            max,
            max_of_one,
            lifetime,
        } = Self::default();
        let limits = Self {
            max: table.get("max").map_or(max, |Count(count)| count),
            max_of_one: table
                .get("maxPerCaller")
                .map_or(max_of_one, |Count(count)| count),
            lifetime: table.get("lifetime").unwrap_or(lifetime),
        };
        table.finish();
        Some(limits)
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            max: Sessions::DEFAULT_MAX,
            idle: Sessions::DEFAULT_IDLE,
            lifetime: Sessions::DEFAULT_LIFETIME,
        }
    }
}

impl Read for EndpointLimits {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let limits = Self {
            max_body: table.get("maxBody").map(|Bytes(bytes)| bytes),
            connections: table.get("connections").map(|Count(count)| count),
            idle_timeout: table.get("idleTimeout"),
            sessions: table.get("sessions").unwrap_or_default(),
            parked: table.get("parked").unwrap_or_default(),
            workers: table.get("workers").map(|Workers(count)| count),
        };
        table.finish();
        Some(limits)
    }
}

/// How many threads serve connections.
struct Workers(NonZeroUsize);

impl Read for Workers {
    fn read(field: &Field<'_>) -> Option<Self> {
        let Count(count) = Count::read(field)?;
        if count > MAX_WORKERS {
            field.problem(format!("it can be {MAX_WORKERS} at most"));
        }
        NonZeroUsize::new(count).map(Self)
    }
}

/// More threads than any machine has processors for.
const MAX_WORKERS: usize = 1024;

impl Read for SessionLimits {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let Self {
            max,
            idle,
            lifetime,
        } = Self::default();
        let limits = Self {
            max: table.get("max").map_or(max, |Count(count)| count),
            idle: table.get("idle").unwrap_or(idle),
            lifetime: table.get("lifetime").unwrap_or(lifetime),
        };
        table.finish();
        if limits.idle > limits.lifetime {
            field.problem("idle is longer than lifetime, which would end a session first");
        }
        Some(limits)
    }
}

/// The bounds of a server, and how large its messages may be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerLimits {
    pub calls: Limits,
    pub max_message: Option<usize>,
}

impl Read for ServerLimits {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let mut calls = Limits::default();
        if let Some(timeout) = table.get("timeout") {
            calls = calls.with_timeout(timeout);
        }
        if let Some(duration) = table.get("maxDuration") {
            calls = calls.with_max_duration(duration);
        }
        let (mut concurrent, mut waiting) = (calls.concurrent(), calls.waiting());
        if let Some(Count(count)) = table.get("concurrent") {
            concurrent = count;
        }
        if let Some(count) = table.get("waiting") {
            waiting = count;
        }
        let Breaker { failures, pause } = table.get("breaker").unwrap_or_default();
        let max_message = table.get("maxMessage").map(|Bytes(bytes)| bytes);
        table.finish();
        Some(Self {
            calls: calls
                .with_concurrency(concurrent, waiting)
                .with_breaker(failures, pause),
            max_message,
        })
    }
}

/// When a server that fails is left alone.
struct Breaker {
    failures: u32,
    pause: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            failures: limits.failures(),
            pause: limits.pause(),
        }
    }
}

impl Read for Breaker {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let Self { failures, pause } = Self::default();
        let given = table.get("failures").map(|Count(count)| count);
        let breaker = Self {
            failures: given.map_or(failures, |count| u32::try_from(count).unwrap_or(u32::MAX)),
            pause: table.get("pause").unwrap_or(pause),
        };
        table.finish();
        Some(breaker)
    }
}
