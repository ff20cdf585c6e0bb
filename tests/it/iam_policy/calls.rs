//! The calls of each set-up: all allowed, and what is beside each of them denied.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::iam_policy::{SET_UPS, configured, printed};
use crate::support::Rig;
use crate::support::iam::{Call, Decision, Policies, Seen, World, allows, decide, fill};

/// A request with what differs from it, each to be denied: parameters put in place of its own, `""`
/// for none.
struct Case {
    operation: &'static str,
    caller: &'static str,
    region: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    neighbours: &'static [&'static [(&'static str, &'static str)]],
}

impl Case {
    fn seen(&self, changes: &[(&str, &str)]) -> Seen {
        let mut parameters: BTreeMap<_, _> = self
            .parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        for (name, value) in changes {
            parameters.insert((*name).to_owned(), (*value).to_owned());
        }
        parameters.retain(|_, value| !value.is_empty());
        Seen {
            operation: self.operation.to_owned(),
            caller: self.caller.to_owned(),
            caller_tags: BTreeMap::new(),
            region: self.region.to_owned(),
            parameters,
        }
    }
}

fn policies(name: &str, placeholders: &[(&str, &str)]) -> Policies {
    let (_, principal) = SET_UPS
        .into_iter()
        .find(|(known, _)| *known == name)
        .unwrap();
    let document: Value = fill(&printed(&configured(name), &[], Some(principal)), placeholders);
    Policies::of_document(&document, principal)
}

fn world() -> World {
    let workgroups = [("analytics", "uuid-1"), ("finance", "uuid-2"), ("mart", "uuid-3"), ("other", "uuid-9")];
    let provider = ["accounts.google.com", "accounts.google.com", "1234", "5678"];
    World {
        workgroups: workgroups
            .map(|(name, id)| (name.to_owned(), id.to_owned()))
            .into(),
        parameter_key: Some("key-1".to_owned()),
        secret_key: Some("key-2".to_owned()),
        web_identity: Some(provider.map(str::to_owned)),
    }
}

const KEYS: [(&str, &str); 2] = [("KMS-KEY-OF-PARAMETERS", "key-1"), ("KMS-KEY-OF-SECRETS", "key-2")];

fn check(policies: &Policies, cases: &[Case]) {
    let world = world();
    for case in cases {
        let seen = case.seen(&[]);
        assert_eq!(decide(policies, &seen, &world), Decision::Allowed, "{seen:?}");
        let denied = |seen: &Seen| {
            assert_ne!(decide(policies, seen, &world), Decision::Allowed, "a neighbour is allowed: {seen:?}");
        };
        for changes in case.neighbours {
            denied(&case.seen(changes));
        }
        if !case.caller.is_empty() {
            let account = case.caller.split(':').nth(4).unwrap();
            denied(&Seen { caller: case.caller.replace(account, "000000000000"), ..seen.clone() });
            denied(&Seen { caller: format!("arn:aws:sts::{account}:assumed-role/stranger/s"), ..seen.clone() });
            if !case.operation.starts_with("AssumeRole") {
                denied(&Seen { region: "eu-north-1".to_owned(), ..seen });
            }
        }
    }
}

#[test]
fn lava() {
    const PROXY: &str = "arn:aws:sts::123456789012:assumed-role/lava-worker/i-1";
    let placeholders = [
        ("EXTERNAL-ID-IN-/lava/prod/rs01/external-id", "id-1"),
        ("WORKGROUP-UUID-OF-analytics", "uuid-1"),
        ("WORKGROUP-UUID-OF-finance", "uuid-2"),
    ];
    let policies = policies("lava", &[&KEYS[..], &placeholders].concat());
    check(
        &policies,
        &[
            Case {
                operation: "GetParameter",
                caller: PROXY,
                region: "ap-southeast-2",
                parameters: &[("Name", "/lava/prod/rs01/external-id"), ("WithDecryption", "true")],
                neighbours: &[
                    &[("Name", "/lava/prod/rs02/external-id")],
                    &[("Name", "/lava/prod/rs01/external-id2")],
                    &[("Name", "/lava/prod/rs01")],
                ],
            },
            Case {
                operation: "GetParameter",
                caller: PROXY,
                region: "ap-southeast-2",
                parameters: &[("Name", "/lava/prod/reporting/password"), ("WithDecryption", "true")],
                neighbours: &[&[("Name", "/lava/prod/legacy/password")]],
            },
            Case {
                operation: "GetSecretValue",
                caller: PROXY,
                region: "ap-southeast-2",
                parameters: &[("SecretId", "/lava/prod/finance-location")],
                neighbours: &[&[("SecretId", "/lava/prod/finance")], &[("SecretId", "/lava/prod/finance-location-2")]],
            },
            Case {
                operation: "AssumeRole",
                caller: PROXY,
                region: "ap-southeast-2",
                parameters: &[
                    ("RoleArn", "arn:aws:iam::123456789012:role/rs01"),
                    ("RoleSessionName", "redshift-iam-proxy"),
                    ("ExternalId", "id-1"),
                ],
                neighbours: &[
                    &[("ExternalId", "")],
                    &[("ExternalId", "id-2")],
                    &[("RoleArn", "arn:aws:iam::123456789012:role/rs02")],
                    &[("RoleArn", "arn:aws:iam::210987654321:role/rs01")],
                    &[("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "bi")],
                ],
            },
            Case {
                operation: "GetCredentials",
                caller: "arn:aws:sts::123456789012:assumed-role/rs01/redshift-iam-proxy",
                region: "ap-southeast-2",
                parameters: &[("workgroupName", "analytics"), ("dbName", "dev")],
                neighbours: &[&[("workgroupName", "finance")], &[("workgroupName", "other")]],
            },
            Case {
                operation: "GetCredentials",
                caller: PROXY,
                region: "ap-southeast-2",
                parameters: &[("workgroupName", "finance"), ("dbName", "fin")],
                neighbours: &[&[("workgroupName", "analytics")]],
            },
            Case {
                operation: "GetClusterCredentials",
                caller: PROXY,
                region: "us-east-1",
                parameters: &[("ClusterIdentifier", "dw1"), ("DbUser", "etl"), ("DbName", "prod")],
                neighbours: &[
                    &[("DbUser", "report")],
                    &[("DbName", "dev")],
                    &[("ClusterIdentifier", "dw2")],
                    &[("AutoCreate", "true")],
                    &[("DbGroups.DbGroup.1", "readers")],
                ],
            },
        ],
    );
    // The key is for SSM alone, and for these parameters alone.
    let decrypt = |via: &str, name: &str| {
        let arn = format!("arn:aws:ssm:ap-southeast-2:123456789012:parameter{name}");
        let context = [("kms:ViaService", via), ("kms:EncryptionContext:PARAMETER_ARN", arn.as_str())];
        let call = Call {
            principal: PROXY.to_owned(),
            action: "kms:Decrypt".to_owned(),
            resource: "arn:aws:kms:ap-southeast-2:123456789012:key/key-1".to_owned(),
            context: context
                .into_iter()
                .map(|(key, value)| (key.to_owned(), vec![value.to_owned()]))
                .collect(),
        };
        let direct = Call { context: BTreeMap::new(), ..call.clone() };
        [allows(&policies, &call), allows(&policies, &direct)].map(|decision| decision == Decision::Allowed)
    };
    assert_eq!(decrypt("ssm.ap-southeast-2.amazonaws.com", "/lava/prod/rs01/external-id"), [true, false]);
    assert_eq!(decrypt("s3.ap-southeast-2.amazonaws.com", "/lava/prod/rs01/external-id"), [false, false]);
    assert_eq!(decrypt("ssm.ap-southeast-2.amazonaws.com", "/lava/prod/other"), [false, false]);
}

#[test]
fn fleet() {
    const PROXY: &str = "arn:aws:sts::123456789012:assumed-role/fleet-proxy/task";
    let case = |parameters, neighbours| Case {
        operation: "GetClusterCredentials",
        caller: PROXY,
        region: "us-east-1",
        parameters,
        neighbours,
    };
    check(
        &policies("fleet", &[]),
        &[
            case(
                &[("ClusterIdentifier", "fleet1"), ("DbUser", "etl"), ("DbName", "prod")],
                &[
                    &[("DbUser", "adhoc")],
                    &[("DbUser", "admin")],
                    &[("DbName", "dev")],
                    &[("DbName", "")],
                    &[("ClusterIdentifier", "fleet2")],
                    &[("DbGroups.DbGroup.1", "readers")],
                    &[("AutoCreate", "true")],
                ],
            ),
            case(
                &[
                    ("ClusterIdentifier", "fleet1"),
                    ("DbUser", "bi"),
                    ("DbName", "prod"),
                    ("AutoCreate", "false"),
                    ("DbGroups.DbGroup.1", "readers"),
                ],
                &[
                    &[("DbGroups.DbGroup.1", "sandbox")],
                    &[("DbGroups.DbGroup.2", "admins")],
                    &[("AutoCreate", "true")],
                    &[("DbName", "dev")],
                ],
            ),
            case(
                &[
                    ("ClusterIdentifier", "fleet1"),
                    ("DbUser", "adhoc"),
                    ("DbName", "dev"),
                    ("AutoCreate", "true"),
                    ("DbGroups.DbGroup.1", "readers"),
                    ("DbGroups.DbGroup.2", "sandbox"),
                ],
                &[&[("DbUser", "other")], &[("DbName", "prod")], &[("DbGroups.DbGroup.3", "admins")]],
            ),
        ],
    );
}

#[test]
fn vendor() {
    let placeholders = [
        ("WEB-IDENTITY-PROVIDER-ARN", "accounts.google.com"),
        ("WEB-IDENTITY-PROVIDER", "accounts.google.com"),
        ("WEB-IDENTITY-SUBJECT", "1234"),
        ("WEB-IDENTITY-AUDIENCE", "5678"),
    ];
    let policies = policies("vendor", &placeholders);
    let role = "arn:aws:iam::210987654321:role/vendor-sync";
    check(
        &policies,
        &[
            Case {
                operation: "AssumeRoleWithWebIdentity",
                caller: "",
                region: "eu-west-1",
                parameters: &[
                    ("RoleArn", "arn:aws:iam::210987654321:role/vendor-sync"),
                    ("RoleSessionName", "redshift-iam-proxy"),
                ],
                neighbours: &[&[("RoleArn", "arn:aws:iam::210987654321:role/other")]],
            },
            Case {
                operation: "GetClusterCredentials",
                caller: "arn:aws:sts::210987654321:assumed-role/vendor-sync/redshift-iam-proxy",
                region: "eu-west-1",
                parameters: &[("ClusterIdentifier", "dw1"), ("DbUser", "vendor"), ("DbName", "analytics")],
                neighbours: &[
                    &[("DbUser", "admin")],
                    &[("DbName", "dev")],
                    &[("ClusterIdentifier", "dw2")],
                    &[("AutoCreate", "true")],
                ],
            },
            Case {
                operation: "GetClusterCredentials",
                caller: "arn:aws:iam::999999999999:user/sync",
                region: "eu-west-1",
                parameters: &[("ClusterIdentifier", "dw2"), ("DbUser", "vendor"), ("DbName", "analytics")],
                neighbours: &[&[("DbUser", "admin")], &[("DbName", "dev")], &[("ClusterIdentifier", "dw1")]],
            },
        ],
    );
    // Another token, another provider, and AssumeRole in place of a token.
    for (at, other) in [(0, "cognito-identity.amazonaws.com"), (2, "4321"), (3, "8765")] {
        let mut world = world();
        world.web_identity.as_mut().unwrap()[at] = other.to_owned();
        let seen = Seen {
            operation: "AssumeRoleWithWebIdentity".to_owned(),
            caller: String::new(),
            caller_tags: BTreeMap::new(),
            region: "eu-west-1".to_owned(),
            parameters: [("RoleArn".to_owned(), role.to_owned())].into(),
        };
        assert_ne!(decide(&policies, &seen, &world), Decision::Allowed, "{other}");
        let caller = "arn:aws:iam::999999999999:user/sync".to_owned();
        let seen = Seen { operation: "AssumeRole".to_owned(), caller, ..seen };
        assert_ne!(decide(&policies, &seen, &world), Decision::Allowed);
    }
}

#[test]
fn eks() {
    const POD: &str = "arn:aws-us-gov:sts::123456789012:assumed-role/redshift-proxy/eks-prod-pod-1";
    const PARTNER: &str = "arn:aws-us-gov:sts::210987654321:assumed-role/reader/redshift-iam-proxy";
    let placeholders = [("EXTERNAL-ID-IN-/proxy/partner-external-id", "id-1")];
    check(
        &policies("eks", &[&KEYS[..], &placeholders].concat()),
        &[
            Case {
                operation: "AssumeRole",
                caller: POD,
                region: "us-gov-west-1",
                parameters: &[
                    ("RoleArn", "arn:aws-us-gov:iam::123456789012:role/eks/redshift-proxy"),
                    ("RoleSessionName", "redshift-iam-proxy"),
                    ("Tags.member.1.Key", "team"),
                    ("Tags.member.1.Value", "bi"),
                ],
                neighbours: &[
                    &[("Tags.member.1.Value", "finance")],
                    &[("Tags.member.1.Key", "department")],
                    &[("Tags.member.2.Key", "RedshiftDbRoles"), ("Tags.member.2.Value", "sys:superuser")],
                    &[("RoleArn", "arn:aws-us-gov:iam::123456789012:role/eks/other")],
                ],
            },
            Case {
                operation: "GetClusterCredentialsWithIAM",
                caller: POD,
                region: "us-gov-west-1",
                parameters: &[("ClusterIdentifier", "warehouse"), ("DbName", "dev")],
                neighbours: &[&[("DbName", "prod")], &[("ClusterIdentifier", "partner-dw")]],
            },
            Case {
                operation: "DescribeClusters",
                caller: POD,
                region: "us-gov-west-1",
                parameters: &[("ClusterIdentifier", "warehouse")],
                neighbours: &[&[("ClusterIdentifier", "partner-dw")], &[("ClusterIdentifier", "")]],
            },
            Case {
                operation: "GetParameter",
                caller: POD,
                region: "us-gov-west-1",
                parameters: &[("Name", "/proxy/partner-external-id"), ("WithDecryption", "true")],
                neighbours: &[&[("Name", "/proxy/other-external-id")]],
            },
            Case {
                operation: "AssumeRole",
                caller: POD,
                region: "us-gov-west-1",
                parameters: &[
                    ("RoleArn", "arn:aws-us-gov:iam::123456789012:role/hub"),
                    ("RoleSessionName", "redshift-iam-proxy"),
                ],
                neighbours: &[
                    &[("RoleArn", "arn:aws-us-gov:iam::210987654321:role/reader"), ("ExternalId", "id-1")],
                    &[("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "bi")],
                ],
            },
            Case {
                operation: "AssumeRole",
                caller: "arn:aws-us-gov:sts::123456789012:assumed-role/hub/redshift-iam-proxy",
                region: "us-gov-west-1",
                parameters: &[
                    ("RoleArn", "arn:aws-us-gov:iam::210987654321:role/reader"),
                    ("RoleSessionName", "redshift-iam-proxy"),
                    ("ExternalId", "id-1"),
                ],
                neighbours: &[&[("ExternalId", "")], &[("ExternalId", "id-2")]],
            },
            Case {
                operation: "GetClusterCredentialsWithIAM",
                caller: PARTNER,
                region: "us-gov-east-1",
                parameters: &[("ClusterIdentifier", "partner-dw"), ("DbName", "shared")],
                neighbours: &[&[("DbName", "dev")], &[("ClusterIdentifier", "warehouse")]],
            },
            Case {
                operation: "DescribeClusters",
                caller: PARTNER,
                region: "us-gov-east-1",
                parameters: &[("ClusterIdentifier", "partner-dw")],
                neighbours: &[&[("ClusterIdentifier", "warehouse")]],
            },
        ],
    );
}

#[test]
fn per_user() {
    const PROXY: &str = "arn:aws-cn:sts::123456789012:assumed-role/proxy/i-1";
    let placeholders = [("WORKGROUP-UUID-OF-mart", "uuid-3")];
    let assume = |parameters, neighbours| Case {
        operation: "AssumeRole",
        caller: PROXY,
        region: "cn-north-1",
        parameters,
        neighbours,
    };
    let login = |parameters, neighbours| Case {
        operation: "GetClusterCredentials",
        caller: PROXY,
        region: "cn-north-1",
        parameters,
        neighbours,
    };
    check(
        &policies("per-user", &placeholders),
        &[
            assume(
                &[
                    ("RoleArn", "arn:aws-cn:iam::123456789012:role/mart"),
                    ("RoleSessionName", "ann"),
                    ("Tags.member.1.Key", "team"),
                    ("Tags.member.1.Value", "bi"),
                    ("Tags.member.2.Key", "RedshiftDbRoles"),
                    ("Tags.member.2.Value", "analyst:auditor"),
                ],
                &[
                    &[("Tags.member.2.Value", "analyst")],
                    &[("Tags.member.2.Value", "sys:superuser")],
                    &[("Tags.member.1.Value", "finance")],
                    &[("Tags.member.3.Key", "RedshiftDbUser"), ("Tags.member.3.Value", "awsuser")],
                    &[("RoleSessionName", "redshift-iam-proxy")],
                    &[("RoleSessionName", "admin")],
                ],
            ),
            assume(
                &[
                    ("RoleArn", "arn:aws-cn:iam::123456789012:role/mart"),
                    ("RoleSessionName", "bob"),
                    ("Tags.member.1.Key", "team"),
                    ("Tags.member.1.Value", "bi"),
                ],
                &[&[("Tags.member.1.Key", "RedshiftDbRoles"), ("Tags.member.1.Value", "auditor")]],
            ),
            Case {
                operation: "GetCredentials",
                caller: "arn:aws-cn:sts::123456789012:assumed-role/mart/ann",
                region: "cn-north-1",
                parameters: &[("workgroupName", "mart")],
                neighbours: &[&[("workgroupName", "other")]],
            },
            login(
                &[("ClusterIdentifier", "dw1"), ("DbUser", "ann"), ("DbName", "prod")],
                &[&[("DbUser", "bob")], &[("DbUser", "admin")], &[("DbName", "dev")]],
            ),
            login(&[("ClusterIdentifier", "dw1"), ("DbUser", "robert"), ("DbName", "prod")], &[]),
        ],
    );
}

#[test]
fn table() {
    const PROXY: &str = "arn:aws:sts::123456789012:assumed-role/proxy/i-1";
    check(
        &policies("table", &KEYS),
        &[
            Case {
                operation: "GetItem",
                caller: PROXY,
                region: "ap-southeast-2",
                parameters: &[("TableName", "lava.prod.connections"), ("Key.conn_id.S", "bi-analytics")],
                neighbours: &[
                    &[("Key.conn_id.S", "finance")],
                    &[("Key.conn_id.S", "")],
                    &[("TableName", "lava.test.connections")],
                ],
            },
            Case {
                operation: "GetParameter",
                caller: PROXY,
                region: "ap-southeast-2",
                parameters: &[("Name", "/lava/prod/any"), ("WithDecryption", "true")],
                neighbours: &[&[("Name", "/lava/test/any")], &[("Name", "/lava/production")]],
            },
            Case {
                operation: "GetSecretValue",
                caller: PROXY,
                region: "ap-southeast-2",
                parameters: &[("SecretId", "/lava/prod/any")],
                neighbours: &[&[("SecretId", "/lava/test/any")]],
            },
            Case {
                operation: "AssumeRole",
                caller: PROXY,
                region: "ap-southeast-2",
                parameters: &[
                    ("RoleArn", "arn:aws:iam::123456789012:role/rs-1"),
                    ("RoleSessionName", "redshift-iam-proxy"),
                    ("Tags.member.1.Key", "team"),
                    ("Tags.member.1.Value", "bi"),
                ],
                neighbours: &[
                    &[("RoleArn", "arn:aws:iam::123456789012:role/admin")],
                    &[("Tags.member.1.Key", "redshiftdbroles")],
                ],
            },
        ],
    );
}

#[tokio::test]
async fn the_policy_allows_all_calls_of_real_logins() {
    let rig = Rig::start().await;
    rig.connect("sales").await.unwrap();
    let aws = &rig.sandbox().aws;
    let operations = ["GetParameter", "AssumeRole", "GetCredentials"];
    let seen: Vec<_> = operations
        .iter()
        .map(|name| Seen::of(name, &aws.requests(name)[0]))
        .collect();
    let proxy = seen[0].caller.as_str();
    let external_id = seen[1].parameters["ExternalId"].as_str();
    let placeholders =
        [("EXTERNAL-ID-IN-/lava/demo/rs01-external-id", external_id), ("WORKGROUP-UUID-OF-analytics", "uuid-1")];
    let document = fill(&printed(&rig.world.config(), &["sales"], Some(proxy)), &[&KEYS[..], &placeholders].concat());
    let policies = Policies::of_document(&document, proxy);
    for seen in seen {
        assert_eq!(decide(&policies, &seen, &world()), Decision::Allowed, "{seen:?}");
    }
}
