//! IAM, as far as the policies of `iam-policy` go: whether they allow a call, and which calls a
//! request is.
//!
//! Evaluates what IAM documents under "Policy evaluation logic" and "IAM JSON policy elements":
//! Effect, Action, Resource, Principal, and the condition operators below. Policy variables,
//! permission boundaries, session policies and organisations have no counterpart here; neither has
//! NotAction and its like, which panic.

use std::collections::BTreeMap;

use redshift_sandbox::aws::Request;
use serde_json::Value;

/// One permission that a call needs.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The caller's ARN as GetCallerIdentity tells it; that of the identity provider, for a web
    /// identity.
    pub(crate) principal: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    /// Condition keys of the request; names are compared without case.
    pub(crate) context: BTreeMap<String, Vec<String>>,
}

/// The decision of IAM.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    Allowed,
    /// Why, for people.
    Denied(String),
}

/// The permissions of an account: policies attached to identities, and roles' trust policies.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    identity: Vec<(String, Value)>,
    trust: Vec<(String, Value)>,
}

impl Policies {
    /// What `iam-policy` printed, attached where it says; `proxy` is the ARN of the proxy's role or
    /// user.
    pub(crate) fn of_document(document: &Value, proxy: &str) -> Self {
        let mut policies = Self::default();
        policies.attach(proxy, &document["proxy"]);
        for (arn, role) in document["roles"].as_object().unwrap() {
            policies.attach(arn, &role["permissions"]);
            policies.trust.push((arn.clone(), role["trust"].clone()));
        }
        policies
    }

    /// Attaches a policy to a role or user.
    pub(crate) fn attach(&mut self, arn: &str, policy: &Value) {
        self.identity.push((arn.to_owned(), policy.clone()));
    }

    /// Gives a role its trust policy.
    pub(crate) fn trust(&mut self, role: &str, policy: &Value) {
        self.trust.push((role.to_owned(), policy.clone()));
    }
}

/// Puts values in for the placeholders of a document, longer names first.
pub(crate) fn fill(document: &str, values: &[(&str, &str)]) -> Value {
    let mut values = values.to_vec();
    values.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    let filled = values
        .iter()
        .fold(document.to_owned(), |text, (name, value)| text.replace(name, value));
    serde_json::from_str(&filled).unwrap()
}

/// Whether the call is allowed: by the caller's own policies, and for a role that is assumed by its
/// trust policy as well. (In one account either would do at times; asking for both finds what is
/// missing in one.)
pub(crate) fn allows(policies: &Policies, call: &Call) -> Decision {
    let web_identity = call
        .action
        .eq_ignore_ascii_case("sts:AssumeRoleWithWebIdentity");
    let assumes = web_identity
        || ["sts:AssumeRole", "sts:TagSession"]
            .iter()
            .any(|a| call.action.eq_ignore_ascii_case(a));
    if !web_identity {
        let own = policies
            .identity
            .iter()
            .filter(|(arn, _)| same_identity(arn, &call.principal));
        let own: Vec<_> = own.flat_map(|(_, policy)| statements(policy)).collect();
        let matching = own
            .into_iter()
            .filter(|statement| any_glob(&statement["Resource"], &call.resource, false));
        if let Some(why) = denied(matching, call) {
            return Decision::Denied(format!("{why} for {}", call.principal));
        }
    }
    if assumes {
        let trust = policies
            .trust
            .iter()
            .filter(|(arn, _)| glob(arn, &call.resource));
        let trust = trust.flat_map(|(_, policy)| statements(policy));
        let matching = trust.filter(|statement| is_trusted(&statement["Principal"], &call.principal, web_identity));
        if let Some(why) = denied(matching, call) {
            return Decision::Denied(format!("{why} in the trust policy of {}", call.resource));
        }
    }
    Decision::Allowed
}

fn statements(policy: &Value) -> impl Iterator<Item = &Value> {
    policy["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .inspect(|statement| {
            for (element, _) in statement.as_object().unwrap() {
                let known = ["Sid", "Effect", "Action", "Resource", "Principal", "Condition"];
                assert!(known.contains(&element.as_str()), "{element} is not simulated");
            }
        })
}

/// `None`: allowed, by one statement at least, and denied by none.
fn denied<'a>(statements: impl Iterator<Item = &'a Value>, call: &Call) -> Option<String> {
    let matching: Vec<_> = statements
        .filter(|statement| any_glob(&statement["Action"], &call.action, true))
        .filter(|statement| holds(&statement["Condition"], &call.context))
        .collect();
    let effect = |effect: &str| {
        matching
            .iter()
            .any(|statement| statement["Effect"] == effect)
    };
    match (effect("Deny"), effect("Allow")) {
        (true, _) => Some(format!("{} on {} is denied", call.action, call.resource)),
        (false, false) => Some(format!("nothing allows {} on {} with {:?}", call.action, call.resource, call.context)),
        (false, true) => None,
    }
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().map(|text| text.as_str().unwrap()).collect(),
        Value::Null => Vec::new(),
        other => panic!("{other} is no list of texts"),
    }
}

fn any_glob(patterns: &Value, text: &str, ignore_case: bool) -> bool {
    let fold = |text: &str| if ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
    texts(patterns)
        .into_iter()
        .any(|pattern| glob(&fold(pattern), &fold(text)))
}

/// `*` is any run of characters, `?` is one; `${*}`, `${?}` and `${$}` are themselves. Other
/// variables are not simulated.
fn glob(pattern: &str, text: &str) -> bool {
    // A character of its own for what is meant literally.
    let pattern = pattern
        .replace("${*}", "\u{1}")
        .replace("${?}", "\u{2}")
        .replace("${$}", "$");
    let text: Vec<char> = text.chars().collect();
    // reached[t]: what was looked at of the pattern can match the first t characters.
    let mut reached: Vec<bool> = (0..=text.len()).map(|t| t == 0).collect();
    for p in pattern.chars() {
        let before = reached.clone();
        let same = |c: char| match p {
            '?' => true,
            '\u{1}' => c == '*',
            '\u{2}' => c == '?',
            p => p == c,
        };
        for t in 0..=text.len() {
            let one = t > 0 && before[t - 1] && same(text[t - 1]);
            reached[t] = if p == '*' { before[t] || (t > 0 && reached[t - 1]) } else { one };
        }
    }
    reached[text.len()]
}

fn literal(text: &str) -> String {
    text.replace("${*}", "*")
        .replace("${?}", "?")
        .replace("${$}", "$")
}

fn is_trusted(principal: &Value, caller: &str, web_identity: bool) -> bool {
    if web_identity {
        return texts(&principal["Federated"]).contains(&caller);
    }
    let root = format!("arn:{}:iam::{}:root", part(caller, 1), part(caller, 4));
    texts(&principal["AWS"])
        .into_iter()
        .any(|named| named == root || same_identity(named, caller))
}

/// A session is its role, whose path a session's ARN does not tell.
fn same_identity(named: &str, caller: &str) -> bool {
    let identity = |arn: &str| {
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default().to_owned();
        let (kind, path) = resource.split_once('/').unwrap_or(("", ""));
        let name = if kind == "assumed-role" { path.split('/').next() } else { path.rsplit('/').next() };
        let kind = if kind == "assumed-role" { "role" } else { kind };
        [part(arn, 1), part(arn, 4), kind, name.unwrap_or_default()].map(str::to_owned)
    };
    identity(named) == identity(caller)
}

fn part(arn: &str, at: usize) -> &str {
    arn.splitn(6, ':').nth(at).unwrap_or_default()
}

/// All operators, and all keys of each, must hold.
fn holds(condition: &Value, context: &BTreeMap<String, Vec<String>>) -> bool {
    let Some(operators) = condition.as_object() else { return true };
    operators.iter().all(|(operator, keys)| {
        keys.as_object().unwrap().iter().all(|(key, wanted)| {
            let found = context
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(key))
                .map(|(_, values)| values);
            compare(operator, &texts(wanted), found.map(Vec::as_slice))
        })
    })
}

fn compare(operator: &str, wanted: &[&str], found: Option<&[String]>) -> bool {
    if operator == "Null" {
        return wanted
            .iter()
            .any(|wanted| (*wanted == "true") == found.is_none_or(<[String]>::is_empty));
    }
    let (quantifier, operator) = operator.split_once(':').unwrap_or(("", operator));
    let (operator, if_exists) = match operator.strip_suffix("IfExists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    let (operator, negated) = match operator.strip_prefix("StringNot") {
        Some(rest) => (format!("String{rest}"), true),
        None => (operator.to_owned(), false),
    };
    let matches = |value: &String| {
        let same = |wanted: &&str| match operator.as_str() {
            "StringEquals" => literal(wanted) == *value,
            "StringEqualsIgnoreCase" => literal(wanted).eq_ignore_ascii_case(value),
            "StringLike" | "ArnLike" | "ArnEquals" => glob(wanted, value),
            "Bool" => wanted.eq_ignore_ascii_case(value),
            other => panic!("{other} is not simulated"),
        };
        wanted.iter().any(same) != negated
    };
    let Some(found) = found.filter(|found| !found.is_empty()) else {
        // No value: true of all there are; a negated comparison with nothing holds as well.
        return quantifier == "ForAllValues" || if_exists || (quantifier.is_empty() && negated);
    };
    match quantifier {
        "ForAllValues" => found.iter().all(matches),
        "" | "ForAnyValue" => found.iter().any(matches),
        other => panic!("{other} is not simulated"),
    }
}

/// A request as it arrived at AWS.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `AssumeRole`, …
    pub(crate) operation: String,
    /// The caller's ARN; empty for what is not signed.
    pub(crate) caller: String,
    /// The tags of the caller's session.
    pub(crate) caller_tags: BTreeMap<String, String>,
    pub(crate) region: String,
    /// As the sandbox's journal has them: `a.b` for what is nested, `a.1` for elements of JSON
    /// lists.
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Seen {
    /// As the sandbox's journal has it.
    pub(crate) fn of(operation: &str, request: &Request) -> Self {
        Self {
            operation: operation.to_owned(),
            caller: request.caller.clone(),
            caller_tags: request.caller_tags.clone(),
            region: request.region.clone(),
            parameters: request.parameters.clone(),
        }
    }
}

/// The facts that IAM knows and a request does not hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    /// Workgroups' ids, by name.
    pub(crate) workgroups: BTreeMap<String, String>,
    /// The id of the key behind parameters, and of that behind secrets. `None`: AWS's own, which
    /// needs no permission.
    pub(crate) parameter_key: Option<String>,
    pub(crate) secret_key: Option<String>,
    /// The token's provider (ARN and name), `sub` and `aud`.
    pub(crate) web_identity: Option<[String; 4]>,
}

/// The permissions that a request takes; none for GetCallerIdentity.
pub(crate) fn calls(seen: &Seen, world: &World) -> Vec<Call> {
    let parameter = |name: &str| seen.parameters.get(name).map_or("", String::as_str);
    let own = |service: &str, resource: &str| {
        let (partition, account) = (part(&seen.caller, 1), part(&seen.caller, 4));
        format!("arn:{partition}:{service}:{}:{account}:{resource}", seen.region)
    };
    let mut context: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in &seen.caller_tags {
        context.insert(format!("aws:PrincipalTag/{key}"), vec![value.clone()]);
    }
    let call = |action: &str, resource: String, more: Vec<(String, Vec<String>)>| {
        let context = context.clone().into_iter().chain(more).collect();
        Call { principal: seen.caller.clone(), action: action.to_owned(), resource, context }
    };
    let decrypt = |key: &Option<String>, service: &str, context: &str, arn: &str| {
        let suffix = if part(arn, 1) == "aws-cn" { ".cn" } else { "" };
        let via = format!("{service}.{}.amazonaws.com{suffix}", part(arn, 3));
        let more = [("kms:ViaService".to_owned(), via), (format!("kms:EncryptionContext:{context}"), arn.to_owned())];
        let more = more.map(|(key, value)| (key, vec![value])).to_vec();
        key.as_ref().map(|key| {
            let resource = format!("arn:{}:kms:{}:{}:key/{key}", part(arn, 1), part(arn, 3), part(arn, 4));
            call("kms:Decrypt", resource, more)
        })
    };
    match seen.operation.as_str() {
        "GetCallerIdentity" => Vec::new(),
        "AssumeRole" => {
            let tags = tags(&seen.parameters);
            let mut more: Vec<_> = [("ExternalId", "sts:ExternalId"), ("RoleSessionName", "sts:RoleSessionName")]
                .into_iter()
                .filter_map(|(name, key)| Some((key.to_owned(), vec![seen.parameters.get(name)?.clone()])))
                .collect();
            if !tags.is_empty() {
                more.push(("aws:TagKeys".to_owned(), tags.keys().cloned().collect()));
                more.extend(
                    tags.iter()
                        .map(|(key, value)| (format!("aws:RequestTag/{key}"), vec![value.clone()])),
                );
            }
            let actions = if tags.is_empty() { &["sts:AssumeRole"][..] } else { &["sts:AssumeRole", "sts:TagSession"] };
            actions
                .iter()
                .map(|action| call(action, parameter("RoleArn").to_owned(), more.clone()))
                .collect()
        }
        "AssumeRoleWithWebIdentity" => {
            let [arn, provider, sub, aud] = world.web_identity.clone().unwrap_or_default();
            let more = [
                (format!("{provider}:sub"), vec![sub]),
                (format!("{provider}:aud"), vec![aud]),
                ("sts:RoleSessionName".to_owned(), vec![parameter("RoleSessionName").to_owned()]),
            ];
            let call = call("sts:AssumeRoleWithWebIdentity", parameter("RoleArn").to_owned(), more.to_vec());
            vec![Call { principal: arn, ..call }]
        }
        "GetParameter" => {
            let name = parameter("Name");
            let arn = if name.starts_with("arn:") { name.to_owned() } else { own("ssm", &parameter_resource(name)) };
            let decrypted = Some(&world.parameter_key).filter(|_| parameter("WithDecryption") == "true");
            let decrypt = decrypted.and_then(|key| decrypt(key, "ssm", "PARAMETER_ARN", &arn));
            std::iter::once(call("ssm:GetParameter", arn, Vec::new()))
                .chain(decrypt)
                .collect()
        }
        "GetParametersByPath" => {
            vec![call("ssm:GetParametersByPath", own("ssm", &parameter_resource(parameter("Path"))), Vec::new())]
        }
        "GetSecretValue" => {
            let id = parameter("SecretId");
            let by_name = || own("secretsmanager", &format!("secret:{id}-AbCdEf"));
            let arn = if id.starts_with("arn:") { id.to_owned() } else { by_name() };
            let decrypt = decrypt(&world.secret_key, "secretsmanager", "SecretARN", &arn);
            std::iter::once(call("secretsmanager:GetSecretValue", arn, Vec::new()))
                .chain(decrypt)
                .collect()
        }
        "GetItem" => {
            let keys = seen
                .parameters
                .iter()
                .filter(|(name, _)| name.starts_with("Key."))
                .map(|(_, key)| key.clone());
            let keys = ("dynamodb:LeadingKeys".to_owned(), keys.collect());
            vec![call("dynamodb:GetItem", own("dynamodb", &format!("table/{}", parameter("TableName"))), vec![keys])]
        }
        operation @ ("GetCredentials" | "GetWorkgroup") => {
            let id = world
                .workgroups
                .get(parameter("workgroupName"))
                .map_or("unknown", String::as_str);
            let action = format!("redshift-serverless:{operation}");
            vec![call(&action, own("redshift-serverless", &format!("workgroup/{id}")), Vec::new())]
        }
        operation => cluster(operation, &parameter, &seen.parameters)
            .into_iter()
            .map(|(action, resource)| {
                let keys = ["DbUser", "DbName"]
                    .into_iter()
                    .filter(|key| seen.parameters.contains_key(*key));
                let more = keys
                    .map(|key| (format!("redshift:{key}"), vec![parameter(key).to_owned()]))
                    .collect();
                call(&format!("redshift:{action}"), own("redshift", &resource), more)
            })
            .collect(),
    }
}

/// The permissions and resources of a call to provisioned Redshift.
fn cluster<'a>(
    operation: &str,
    parameter: &dyn Fn(&str) -> &'a str,
    parameters: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let cluster = parameter("ClusterIdentifier");
    let on = |kind: &str, name: &str| format!("{kind}:{cluster}/{name}");
    let (user, database) = (on("dbuser", parameter("DbUser")), on("dbname", parameter("DbName")));
    let asked = |resource: String| (operation.to_owned(), resource);
    match operation {
        "DescribeClusters" => vec![asked(format!("cluster:{cluster}"))],
        "GetClusterCredentialsWithIAM" => vec![asked(database)],
        "GetClusterCredentials" => {
            let mut all = vec![asked(user.clone()), asked(database)];
            if parameter("AutoCreate") == "true" {
                all.push(("CreateClusterUser".to_owned(), user));
            }
            let groups = parameters
                .iter()
                .filter(|(name, _)| name.starts_with("DbGroups."));
            for group in groups.map(|(_, group)| on("dbgroup", group)) {
                all.push(asked(group.clone()));
                all.push(("JoinGroup".to_owned(), group));
            }
            all
        }
        other => panic!("{other} is not simulated"),
    }
}

fn parameter_resource(name: &str) -> String {
    let name = name.split(':').next().unwrap_or(name);
    format!("parameter/{}", name.strip_prefix('/').unwrap_or(name))
}

/// `Tags.member.1.Key` and `Tags.member.1.Value`.
fn tags(parameters: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let keys = parameters
        .iter()
        .filter(|(name, _)| name.starts_with("Tags.") && name.ends_with(".Key"));
    keys.map(|(name, key)| {
        let value = parameters.get(&format!("{}Value", name.strip_suffix("Key").unwrap()));
        (key.clone(), value.cloned().unwrap_or_default())
    })
    .collect()
}

/// Whether all that a request takes is allowed.
pub(crate) fn decide(policies: &Policies, seen: &Seen, world: &World) -> Decision {
    let decisions = calls(seen, world)
        .into_iter()
        .map(|call| allows(policies, &call));
    decisions
        .into_iter()
        .find(|decision| *decision != Decision::Allowed)
        .unwrap_or(Decision::Allowed)
}
