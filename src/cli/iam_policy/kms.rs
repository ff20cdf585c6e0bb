//! The right to decrypt stored values.

use std::collections::{BTreeMap, BTreeSet};

use super::needs::Needs;
use super::policy::Condition;
use super::scope::ArnScope;

/// The ARNs of the values that are to be decrypted, by the service that asks KMS for it.
#[derive(Default)]
pub(super) struct KmsKeys(BTreeMap<(ArnScope, Store, Match), BTreeSet<String>>);

/// The service that keeps a value.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Store {
    /// SSM Parameter Store keeps the value.
    Parameters,
    /// Secrets Manager keeps the value.
    Secrets,
}

/// How a condition compares an ARN.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Match {
    /// The ARN is complete.
    Exact,
    /// The ARN is a pattern.
    Glob,
}

impl KmsKeys {
    /// Adds the ARN of a value.
    pub(super) fn add(&mut self, scope: ArnScope, store: Store, matched: Match, arn: String) {
        self.0
            .entry((scope, store, matched))
            .or_default()
            .insert(arn);
    }

    /// Adds the right to decrypt these values. SSM and Secrets Manager encrypt each under its own
    /// ARN as the encryption context.
    pub(super) fn allow(self, needs: &mut Needs<'_>) {
        for ((scope, store, matched), arns) in self.0 {
            let (service, key, context, what) = match store {
                Store::Parameters => ("ssm", "KMS-KEY-OF-PARAMETERS", "PARAMETER_ARN", "SecureString parameters"),
                Store::Secrets => ("secretsmanager", "KMS-KEY-OF-SECRETS", "SecretARN", "secrets"),
            };
            let operator = match matched {
                Match::Exact => "StringEquals",
                Match::Glob => "StringLike",
            };
            let condition = Condition::none()
                .and("StringEquals", "kms:ViaService", [scope.service_host(service)])
                .and(operator, format!("kms:EncryptionContext:{context}"), arns);
            needs
                .proxy
                .allow("kms:Decrypt", scope.arn("kms", &format!("key/{key}")), condition);
            needs.note(format!(
                "{key} stands for the id of the KMS key that encrypts the {what}, which no name tells (list \
                    several); under AWS's own key, alias/aws/{service}, the statement can go."
            ));
        }
    }
}
