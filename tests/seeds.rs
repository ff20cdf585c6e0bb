//! The seed set-ups: what is called with what, in which order, and the database user that comes of
//! it. One test a row.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test that fails has done its work"
)]

mod support;

#[path = "seeds/base_identity.rs"]
mod base_identity;
#[path = "seeds/corners.rs"]
mod corners;
#[path = "seeds/durations.rs"]
mod durations;
#[path = "seeds/eks.rs"]
mod eks;
#[path = "seeds/fleet.rs"]
mod fleet;
#[path = "seeds/lava.rs"]
mod lava;
#[path = "seeds/per_user.rs"]
mod per_user;
#[path = "seeds/policies.rs"]
mod policies;
#[path = "seeds/precedence.rs"]
mod precedence;
#[path = "seeds/provisioned.rs"]
mod provisioned;
#[path = "seeds/vendor.rs"]
mod vendor;
