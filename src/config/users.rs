//! `[users.*]`: the users that may log in, their proofs, and the connections that they may open.

pub(crate) use self::access::RightList;
pub use self::access::{Access, Right};
pub use self::holder::Holder;
pub(super) use self::odd::warn as warn_of_odd_ones;
pub(crate) use self::password::MAX_PASSWORDS;
pub(super) use self::per_user::check as check_per_user;
pub(super) use self::read::users;
pub(super) use self::rights::{Known, groups};
pub use self::user::{AnyProof, AnyUser, Method, Password, Proof, Rights, StoredPassword, User};

mod access;
mod holder;
mod odd;
mod password;
mod patterns;
mod per_user;
mod read;
mod rights;
mod shared_roles;
#[cfg(test)]
mod tests;
mod user;
mod widened;
