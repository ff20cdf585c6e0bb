//! The words of `type` and `identity`, and the keys that one type of connection has and the other
//! has not.

use crate::config::reader::Value;

/// The value of `connections.*.type`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Warehouse {
    /// The connection leads to a workgroup (`redshift-serverless`).
    Serverless,
    /// The connection leads to a provisioned cluster (`redshift`).
    Provisioned,
}

/// The value of `connections.*.identity`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Identity {
    /// All users share one login (`shared`).
    Shared,
    /// Each user has a login of its own (`per-user`).
    PerUser,
}

/// Reports a problem when a key is there whose type is not the spec's. Where the type is at fault,
/// nothing is said of its keys.
pub(super) fn is_of_another(given: &Value<'_>, warehouse: Option<Warehouse>, owner: Warehouse) -> bool {
    let foreign = warehouse.is_some_and(|warehouse| warehouse != owner);
    if foreign {
        given.report(format_args!("is a key of the type {} alone", type_name(owner)));
    }
    foreign
}

/// The word of a type.
pub(super) fn type_name(warehouse: Warehouse) -> &'static str {
    match warehouse {
        Warehouse::Serverless => "redshift-serverless",
        Warehouse::Provisioned => "redshift",
    }
}
