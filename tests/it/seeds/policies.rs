//! The policies of `iam-policy` let through every call of the logins that they were printed for.

use std::collections::BTreeMap;
use std::path::Path;

use redshift_iam_proxy::cli::iam_policy::{IamPrincipal, document};
use redshift_iam_proxy::config::{self, UnknownKeys};
use redshift_sandbox::aws::RoleRule;

use crate::support::iam::{Decision, Policies, Seen, World, decide, fill};
use crate::support::seeds::{PROXY_USER, Run, Seed, UNREACHABLE, foreign_role, role};
use crate::support::{USER, refusal};

const FILLED: [(&str, &str); 10] = [
    ("KMS-KEY-OF-PARAMETERS", "key-1"),
    ("KMS-KEY-OF-SECRETS", "key-2"),
    ("EXTERNAL-ID-IN-/lava/prod/rs01/external-id", "id-1"),
    ("EXTERNAL-ID-IN-/proxy/partner-external-id", "id-1"),
    ("WORKGROUP-UUID-OF-analytics", "uuid-1"),
    ("WORKGROUP-UUID-OF-finance", "uuid-2"),
    ("WEB-IDENTITY-PROVIDER-ARN", "accounts.google.com"),
    ("WEB-IDENTITY-PROVIDER", "accounts.google.com"),
    ("WEB-IDENTITY-SUBJECT", "1234"),
    ("WEB-IDENTITY-AUDIENCE", "5678"),
];

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/iam-policy/{name}.toml"))
}

/// The golden configuration in the rig's: `[aws]` there gets its Region.
async fn seed(name: &str, region: &str) -> Seed {
    let text = std::fs::read_to_string(golden(name)).unwrap();
    let (_, connections) = text.split_once("[connections.").unwrap();
    let token = "web_identity_token_file = \"/var/run/secrets/google/token\"";
    let connections = connections.replace(token, "web_identity_token_file = \"token\"");
    let mut seed = Seed::new(&format!("[connections.{connections}"))
        .await
        .region(region);
    seed.world
        .edit("region = \"ap-southeast-2\"", &format!("region = \"{region}\""));
    seed
}

/// Logs in everywhere, and asks the simulator about each call that came of it.
async fn assert_all_allowed(name: &str, principal: &str, run: Run, conn_ids: &[&str], calls: &[(&str, usize)]) {
    for conn_id in conn_ids {
        // Hosts are names of AWS's, and databases not the sandbox's: all that is called for a login
        // has been by then.
        if let Err(error) = run.connect(USER, conn_id).await {
            let code = refusal(&error).0;
            assert!([UNREACHABLE, "3D000"].contains(&&*code), "{conn_id}: {error:?}\n{}", run.proxy.log());
        }
    }
    for (operation, count) in calls {
        assert_eq!(run.aws().calls(operation), *count, "{operation}: {:#?}", run.calls());
    }
    let config =
        config::load(&golden(name), &|_| None, UnknownKeys::Refuse).unwrap_or_else(|faults| panic!("{faults}"));
    let printed = document(&config, &[], Some(&IamPrincipal::parse(principal).unwrap()))
        .unwrap()
        .to_string();
    let policies = Policies::of_document(&fill(&printed, &FILLED), principal);
    let provider = ["accounts.google.com", "accounts.google.com", "1234", "5678"];
    let world = World {
        workgroups: BTreeMap::from([("analytics", "uuid-1"), ("finance", "uuid-2")])
            .into_iter()
            .map(|(name, id)| (name.to_owned(), id.to_owned()))
            .collect(),
        parameter_key: Some("key-1".to_owned()),
        secret_key: Some("key-2".to_owned()),
        web_identity: Some(provider.map(str::to_owned)),
    };
    let journal = run.aws().journal();
    assert_eq!(journal.len(), calls.iter().map(|(_, count)| count).sum::<usize>(), "{:#?}", run.calls());
    for request in journal {
        let seen = Seen {
            operation: request.operation,
            caller: request.caller,
            caller_tags: request.caller_tags,
            region: request.region,
            parameters: request.parameters,
        };
        assert_eq!(decide(&policies, &seen, &world), Decision::Allowed, "{seen:?}");
    }
}

#[tokio::test]
async fn lava() {
    let (worker, rs01) = (role("lava-worker"), role("rs01"));
    let rule = RoleRule { external_id: Some("id-1".into()), ..RoleRule::default() };
    let seed = seed("lava", "ap-southeast-2")
        .await
        .region("us-east-1")
        .role(&rs01, rule);
    let seed = seed
        .parameter("/lava/prod/rs01/external-id", "id-1")
        .parameter("/lava/prod/reporting/password", "p");
    let place = r#"{"host": "localhost", "port": {port}, "dbname": "dev"}"#;
    let seed = seed
        .secret("/lava/prod/finance-location", place)
        .workgroup("finance", &[&worker]);
    let run = seed
        .cluster("dw1", &[&worker], &["etl"])
        .run_in_container(&worker)
        .await;
    let calls = [
        ("GetCallerIdentity", 1),
        ("GetParameter", 2),
        ("AssumeRole", 1),
        ("GetSecretValue", 1),
        ("GetCredentials", 2),
        ("GetClusterCredentials", 1),
    ];
    assert_all_allowed("lava", &worker, run, &["bi-analytics", "finance", "legacy", "reporting"], &calls).await;
}

#[tokio::test]
async fn fleet() {
    let proxy = role("fleet-proxy");
    let seed = seed("fleet", "us-east-1")
        .await
        .cluster("fleet1", &[&proxy], &["etl", "bi"]);
    let run = seed.run_in_container(&proxy).await;
    assert_all_allowed("fleet", &proxy, run, &["etl", "bi", "adhoc"], &[("GetClusterCredentials", 3)]).await;
}

#[tokio::test]
async fn vendor() {
    let vendor = foreign_role("vendor-sync");
    let rule = RoleRule { web_subjects: vec!["1234".to_owned()], ..RoleRule::default() };
    let seed = seed("vendor", "eu-west-1")
        .await
        .file("token", "token-1")
        .web_identity("token-1", "1234");
    let seed = seed
        .role(&vendor, rule)
        .cluster("dw1", &[&vendor], &["vendor"]);
    let run = seed.cluster("dw2", &[PROXY_USER], &["vendor"]).run().await;
    let calls = [("AssumeRoleWithWebIdentity", 1), ("GetClusterCredentials", 2)];
    assert_all_allowed("vendor", PROXY_USER, run, &["customer", "customer-keys"], &calls).await;
}

#[tokio::test]
async fn eks() {
    let pod = "arn:aws-us-gov:iam::123456789012:role/eks/redshift-proxy";
    let (hub, reader) = ("arn:aws-us-gov:iam::123456789012:role/hub", "arn:aws-us-gov:iam::210987654321:role/reader");
    let trusting =
        |caller: &str| RoleRule { callers: Some(vec![caller.to_owned()]), tag_session: true, ..RoleRule::default() };
    let seed = seed("eks", "us-gov-west-1")
        .await
        .region("us-gov-east-1")
        .role(pod, trusting(pod));
    let seed = seed.role(hub, trusting(pod));
    let seed = seed.role(reader, RoleRule { external_id: Some("id-1".into()), ..trusting(hub) });
    let seed = seed
        .parameter("/proxy/partner-external-id", "id-1")
        .cluster("warehouse", &[pod], &[]);
    let run = seed
        .cluster("partner-dw", &[reader], &[])
        .run_in_pod(pod)
        .await;
    let calls = [
        ("GetCallerIdentity", 1),
        ("GetParameter", 1),
        ("AssumeRole", 3),
        ("DescribeClusters", 2),
        ("GetClusterCredentialsWithIAM", 2),
    ];
    assert_all_allowed("eks", pod, run, &["own", "partner"], &calls).await;
}
