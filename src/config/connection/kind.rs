//! The words of `type` and `identity`, and the keys that one type of connection has and the other
//! has not.

use crate::config::reader::Value;

/// `connections.*.type`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Warehouse {
    /// `redshift-serverless`: a workgroup.
    Serverless,
    /// `redshift`: a provisioned cluster.
    Provisioned,
}

/// `connections.*.identity`
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Identity {
    /// One login for all users.
    Shared,
    /// One login for each user.
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
