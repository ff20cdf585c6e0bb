//! The seed set-ups: what is called with what, in which order, and the database user that comes of
//! it. One test a row.

mod base_identity;
mod corners;
mod durations;
mod eks;
mod fleet;
mod lava;
mod per_user;
mod policies;
mod precedence;
mod provisioned;
mod vendor;
