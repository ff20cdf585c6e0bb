//! The needs of `[specs]`: of a table's connections only the bounds are known.

use super::needs::{IamIdentity, Needs};
use super::policy::Condition;
use super::principal::account_of;
use super::roles::assume_any;
use super::scope::ArnScope;
use super::stored::{Prefix, read_prefix};
use crate::aws::Operation;
use crate::config::SpecsTable;

/// Adds the needs of whatever the table's items may say within their bounds.
pub(super) fn table(needs: &mut Needs<'_>, specs: &SpecsTable) {
    let home = needs.home(None);
    let arn = home.arn("dynamodb", &format!("table/{}", specs.dynamodb_table));
    let rows = Condition::none().and("ForAllValues:StringLike", "dynamodb:LeadingKeys", &specs.bounds.conn_ids);
    // Without any key the condition would hold of every row.
    let rows = rows.and("Null", "dynamodb:LeadingKeys", ["false"]);
    needs.proxy.allow(Operation::GetItem.action(), arn, rows);
    read_prefix(needs, &Prefix(&specs.bounds.parameter_prefix));
    for role in &specs.bounds.roles {
        assume_any(needs, role);
        let scope = ArnScope { account: account_of(role).to_owned(), ..home.clone() };
        let arn = scope.arn("redshift-serverless", "workgroup/*");
        needs.permissions(&IamIdentity::Role(role.clone())).allow(
            Operation::GetCredentials.action(),
            arn,
            Condition::none(),
        );
        needs.note(format!(
            "workgroup/* is in the permissions of {role} because the table's items name the \
            workgroups: list the ids of those that they name."
        ));
    }
    needs.note(format!(
        "If {} is under a KMS key of its own, kms:Decrypt on that key by way of dynamodb is needed as well.",
        specs.dynamodb_table
    ));
    if !specs.bounds.base_identity {
        return;
    }
    needs.note(format!(
        "Items of {} without a role_arn, and those of type redshift, which lava knows no role for, \
        are called for as the proxy itself: nothing here allows that, since no bound says on which workgroup, \
        cluster or database user.",
        specs.dynamodb_table
    ));
}
