//! Random tests that are the same each time.

use proptest::test_runner::{Config, RngSeed};

/// So many cases.
pub(crate) fn cases(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..Config::default() }
}
