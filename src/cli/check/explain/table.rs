//! Explains failures of lava's table and its items. Names of attributes are printed, never values.

use crate::cli::check::context::{Context, Explanation};
use crate::config::{BoundsError, SpecsTable};
use crate::spec::Flaw;

/// Explains that there is no item of this name.
pub(super) fn missing(table: &SpecsTable, context: &Context) -> Explanation {
    let (name, conn_id) = (&table.dynamodb_table, context.conn_id.as_str());
    Explanation::new(
        format_args!("there is no item {conn_id:?} in {name}"),
        format_args!(
            "put an item with conn_id = {conn_id:?} into it, with enabled = true, since a missing enabled is false; \
             or correct the name, or specs.dynamodb_table"
        ),
    )
}

/// Explains why an item cannot be used.
pub(super) fn unusable(flaw: &Flaw, table: &SpecsTable, context: &Context) -> Explanation {
    match flaw {
        Flaw::Item(why) => Explanation::new(
            format_args!("the item cannot be used: {why}"),
            format_args!(
                "correct these attributes of the item {:?} of {}: lava's documented ones, region and tags are taken \
                 here, and x-… passed over",
                context.conn_id.as_str(),
                table.dynamodb_table
            ),
        ),
        Flaw::Bounds(error) => overstepped(error, table),
    }
}

/// Explains an item, a secret or an endpoint that is out of the table's bounds.
pub(super) fn overstepped(error: &BoundsError, table: &SpecsTable) -> Explanation {
    let bounds = &table.bounds;
    let one_of = |globs: &[String]| if globs.is_empty() { "nothing".to_owned() } else { globs.join(", ") };
    match error {
        BoundsError::Role(_) => Explanation::new(
            "the item's role_arn is not covered by specs.roles",
            format_args!(
                "have the item name a role of {}; or add the role to specs.roles, and to the policies",
                one_of(&bounds.roles)
            ),
        ),
        BoundsError::Parameter { key } => Explanation::new(
            format_args!("the item's {key} does not begin with specs.parameter_prefix"),
            format_args!(
                "store it in a parameter below {}, and have {key} name that (no ARN); or widen specs.parameter_prefix",
                bounds.parameter_prefix
            ),
        ),
        BoundsError::Secret => Explanation::new(
            "the name of the item's secret_id does not begin with specs.parameter_prefix",
            format_args!(
                "give the secret a name that begins with {}; or widen specs.parameter_prefix",
                bounds.parameter_prefix
            ),
        ),
        BoundsError::BaseIdentity => Explanation::new(
            "the item has no role_arn, so that AWS would be asked under the proxy's own identity",
            format_args!(
                "give the item the role_arn of a role of {}; or set specs.base_identity = true, for items without one \
                 (lava's own often have none)",
                one_of(&bounds.roles)
            ),
        ),
        BoundsError::Host(_) => Explanation::new(
            "the host, of the item, its secret or its endpoint, is not covered by specs.hosts",
            format_args!("have host be one of {}; or add it to specs.hosts", one_of(&bounds.hosts)),
        ),
    }
}

/// The fix for a GetItem that is not answered in time.
pub(super) fn late(region: &str) -> String {
    format!(
        "see whether this machine has a way to dynamodb in {region}; a read of the table may take credentials.timeout, \
         and no more than a third of limits.startup_timeout"
    )
}

/// The fix for a GetItem that is throttled.
pub(super) fn throttled(table: &SpecsTable) -> String {
    format!(
        "wait a minute and try again; if it stays so, give {} more read capacity (or have it on demand), or raise \
         specs.refresh",
        table.dynamodb_table
    )
}
