//! Section `servers[].results`.
//!
//! | Key | Type |
//! |---|---|
//! | `maxBytes` | size |
//! | `over` | `cut`, `link` or `error` |
//! | `tools` | map of tools to `maxBytes`, `over` and `project`, a JSON path or a list of them |

use mcp_gateway_core::results::{Overflow, Projection, ResultBudget, ResultBudgets};

use crate::document::{Bytes, Field, FromField, Table};

impl FromField for ResultBudgets {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let server = Size::read(&mut table);
        let tools = table.get_with("tools", Field::entries).unwrap_or_default();
        table.finish();
        let mut budgets = Self::new(server.budget());
        let mut is_limited = field.get(MAX_BYTES).is_some();
        for (name, field) in tools {
            let Some(mut table) = field.table() else {
                continue;
            };
            is_limited |= field.get(MAX_BYTES).is_some();
            let size = Size::read(&mut table).or(server);
            let projection = table.get_with("project", projection);
            table.finish();
            let budget = size.budget();
            budgets = budgets.with_tool(
                name,
                match projection {
                    Some(projection) => budget.with_projection(projection),
                    None => budget,
                },
            );
        }
        if server.overflow.is_some() && !is_limited {
            field.error("over has no effect without maxBytes");
        }
        Some(budgets)
    }
}

/// Maximum size of a result, and the treatment of a larger one.
#[derive(Clone, Copy)]
struct Size {
    max_bytes: Option<usize>,
    overflow: Option<Overflow>,
}

impl Size {
    fn read(table: &mut Table<'_>) -> Self {
        Self {
            max_bytes: table.get_with(MAX_BYTES, max_bytes),
            overflow: table.get_with("over", |field| field.choice(&OVERFLOWS)),
        }
    }

    /// Returns the size with the values of `other` where it has none.
    fn or(self, other: Self) -> Self {
        Self {
            max_bytes: self.max_bytes.or(other.max_bytes),
            overflow: self.overflow.or(other.overflow),
        }
    }

    fn budget(self) -> ResultBudget {
        let budget = ResultBudget::new().with_overflow(self.overflow.unwrap_or_default());
        match self.max_bytes {
            Some(bytes) => budget.with_max_bytes(bytes),
            None => budget,
        }
    }
}

/// Reads the maximum size of a result.
fn max_bytes(field: &Field<'_>) -> Option<usize> {
    let Bytes(bytes) = field.read()?;
    if bytes < ResultBudget::MIN_BYTES {
        field.error(format!("must be at least {}", ResultBudget::MIN_BYTES));
        return None;
    }
    Some(bytes)
}

/// Reads a JSON path or a list of them.
fn projection(field: &Field<'_>) -> Option<Projection> {
    let fields = match field.is_scalar() {
        true => vec![field.clone()],
        false => field.items()?,
    };
    let path = |field: &Field<'_>| {
        field.parse("a JSON path", |text| match Projection::new([text]) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(format!("expected a form such as $.items[*].name: {error}")),
        })
    };
    let paths: Vec<_> = fields.iter().map(path).collect();
    Projection::new(paths.into_iter().collect::<Option<Vec<_>>>()?).ok()
}

const MAX_BYTES: &str = "maxBytes";

/// Values of `over`.
const OVERFLOWS: [(&str, Overflow); 3] = [
    ("cut", Overflow::Cut),
    ("link", Overflow::Link),
    ("error", Overflow::Reject),
];
