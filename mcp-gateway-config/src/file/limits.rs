//! Sections `limits` and `servers[].limits`.
//!
//! | Key of `limits` | Type |
//! |---|---|
//! | `maxBody` | size |
//! | `connections`, `workers` | positive number |
//! | `idleTimeout` | duration |
//! | `sessions` | `max`, `idle`, `lifetime` |
//! | `parked` | `max`, `maxPerCaller`, `lifetime` |
//! | `results` | `max`, `maxPerCaller`: sizes; `lifetime` |
//! | `calls` | list of limits on calls, see `call_limits` |
//! | `retries` | list of permissions to send calls again: `name`, `attempts`, and the keys of a scope |
//!
//! | Key of `servers[].limits` | Type |
//! |---|---|
//! | `timeout`, `maxDuration` | duration |
//! | `concurrent` | positive number |
//! | `waiting` | number |
//! | `breaker` | `failures`, `pause` |
//! | `maxMessage` | size |

use std::num::NonZeroUsize;
use std::time::Duration;

use mcp_gateway_core::limit::Limits;
use mcp_gateway_limits::{Limit, Retry};
use mcp_gateway_platform::spec::{
    DynamicSpec, KeptResultLimits, ParkedCallLimits, ServerLimits, SessionLimits, StaticSpec,
};

use super::{Serving, call_limits};
use crate::document::{Bytes, Count, Field, FromField};

/// Section `limits`.
#[derive(Debug, Default)]
pub(super) struct LimitsSection {
    pub(super) max_body: Option<usize>,
    pub(super) connections: Option<usize>,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) sessions: SessionLimits,
    pub(super) parked: ParkedCallLimits,
    pub(super) results: KeptResultLimits,
    pub(super) workers: Option<NonZeroUsize>,
    pub(super) calls: Vec<Limit>,
    pub(super) retries: Vec<Retry>,
}

impl FromField for ParkedCallLimits {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let mut limits = Self::default();
        if let Some(Count(count)) = table.get("max") {
            limits = limits.with_max(count);
        }
        if let Some(Count(count)) = table.get("maxPerCaller") {
            limits = limits.with_max_per_principal(count);
        }
        if let Some(lifetime) = table.get("lifetime") {
            limits = limits.with_lifetime(lifetime);
        }
        table.finish();
        Some(limits)
    }
}

impl FromField for KeptResultLimits {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let mut limits = Self::default();
        if let Some(Bytes(bytes)) = table.get("max") {
            limits = limits.with_max_bytes(bytes);
        }
        if let Some(Bytes(bytes)) = table.get("maxPerCaller") {
            limits = limits.with_max_bytes_per_principal(bytes);
        }
        if let Some(lifetime) = table.get("lifetime") {
            limits = limits.with_lifetime(lifetime);
        }
        table.finish();
        Some(limits)
    }
}

impl FromField for LimitsSection {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let limits = Self {
            max_body: table.get("maxBody").map(|Bytes(bytes)| bytes),
            connections: table.get("connections").map(|Count(count)| count),
            idle_timeout: table.get("idleTimeout"),
            sessions: table.get("sessions").unwrap_or_default(),
            parked: table.get("parked").unwrap_or_default(),
            results: table.get("results").unwrap_or_default(),
            workers: table.get("workers").map(|Workers(count)| count),
            calls: table
                .get_with("calls", call_limits::read)
                .unwrap_or_default(),
            retries: table
                .get_with("retries", call_limits::read_retries)
                .unwrap_or_default(),
        };
        table.finish();
        Some(limits)
    }
}

impl LimitsSection {
    /// Reads the section, or returns the defaults without it.
    pub(super) fn of(field: Option<&Field<'_>>) -> Self {
        field.and_then(Field::read).unwrap_or_default()
    }

    /// Assigns the values to the specs.
    pub(super) fn assign(
        self,
        fixed: &mut StaticSpec,
        dynamic: &mut DynamicSpec,
        serving: &mut Serving,
    ) {
        dynamic.max_body = self.max_body;
        dynamic.call_limits.limits = self.calls;
        dynamic.call_limits.retries = self.retries;
        fixed.sessions = self.sessions;
        fixed.parked = self.parked;
        fixed.kept_results = self.results;
        serving.connections = self.connections;
        serving.idle_timeout = self.idle_timeout;
        serving.workers = self.workers;
    }
}

/// Number of worker threads.
struct Workers(NonZeroUsize);

impl FromField for Workers {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let Count(count) = Count::from_field(field)?;
        if count > MAX_WORKERS {
            field.error(format!("must be at most {MAX_WORKERS}"));
        }
        NonZeroUsize::new(count).map(Self)
    }
}

/// Maximum number of worker threads, above the processors of any machine.
const MAX_WORKERS: usize = 1024;

impl FromField for SessionLimits {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let mut limits = Self::default();
        if let Some(Count(count)) = table.get("max") {
            limits = limits.with_max(count);
        }
        if let Some(idle) = table.get("idle") {
            limits = limits.with_idle(idle);
        }
        if let Some(lifetime) = table.get("lifetime") {
            limits = limits.with_lifetime(lifetime);
        }
        table.finish();
        if limits.idle() > limits.lifetime() {
            field.error("idle must not exceed lifetime");
        }
        Some(limits)
    }
}

impl FromField for ServerLimits {
    fn from_field(field: &Field<'_>) -> Option<Self> {
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
        let mut limits = Self::default();
        limits.calls = calls
            .with_concurrency(concurrent, waiting)
            .with_breaker(failures, pause);
        limits.max_message = max_message;
        Some(limits)
    }
}

/// Settings of a circuit breaker: consecutive failures until it opens, and its open duration.
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

impl FromField for Breaker {
    fn from_field(field: &Field<'_>) -> Option<Self> {
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
