//! A few inputs for each target, always the same ones.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mcp_gateway_fuzz::{Mutation, targets};

/// Number of inputs of each target, for a few seconds.
const ROUNDS: u64 = 20_000;

fn variable(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(value) => value.parse().expect("a number"),
        Err(_) => default,
    }
}

fn run(name: &str) {
    let target = targets::ALL.iter().find(|(other, ..)| *other == name);
    let (_, target, seeds) = target.expect("a target");
    let rounds = variable("FUZZ_ROUNDS", ROUNDS);
    let mut mutation = Mutation::new(variable("FUZZ_SEED", 1), seeds);
    for seed in *seeds {
        target(seed);
    }
    for round in 0..rounds {
        let data = mutation.next(seeds);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&data))) {
            eprintln!("input {round} of {name}: b\"{}\"", data.escape_ascii());
            std::panic::resume_unwind(panic);
        }
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_target_is_run() {
            let mut names: Vec<_> = targets::ALL.iter().map(|(name, ..)| *name).collect();
            names.sort_unstable();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

targets!(answer authorization config envelope events header keys listing proof published request sealed token);
