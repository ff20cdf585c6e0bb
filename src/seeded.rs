//! Random tests that are the same each time.

use proptest::test_runner::{Config, RngSeed};

/// Configures a property test of so many cases, which are the same each time.
pub(crate) fn cases(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..Config::default() }
}
