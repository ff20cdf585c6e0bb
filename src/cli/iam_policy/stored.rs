//! The needs of values in SSM and Secrets Manager, which the proxy's own identity reads.

use std::sync::Arc;

use super::kms::{KmsKeys, Match, Store};
use super::needs::Needs;
use super::policy::Condition;
use super::scope::ArnScope;
use super::warehouse;
use crate::aws::{Arn, Operation};
use crate::config::{Config, ConnSpec, Reference, Remote};

/// A reference to a value that AWS keeps.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum StoredRef {
    /// An SSM parameter's name or ARN, with or without `:VERSION` or `:LABEL`.
    Parameter(String),
    /// The path whose parameters are listed, for one that ends in `{user}`.
    ParametersUnder(String),
    /// A secret's name or ARN.
    Secret(String),
}

/// The prefix of all names that `[specs]` lets the table's items use.
pub(super) struct Prefix<'a>(pub(super) &'a str);

/// Lists the references to SSM and Secrets Manager of these connections, and of users and the
/// listener. The spec beside a reference tells its Region, where nothing else does.
fn stored<'a>(config: &Config, chosen: &'a [Arc<ConnSpec>]) -> Vec<(StoredRef, Option<&'a ConnSpec>)> {
    let mut all = Vec::new();
    for spec in chosen {
        // A web identity is asked for no external id. With a stored password and a host no role is
        // assumed at all.
        let by_token = usize::from(spec.roles.web_identity_token_file.is_some());
        let hops = if warehouse::needs_no_role(spec) { &[] } else { spec.roles.hops.as_slice() };
        let external_ids = hops
            .iter()
            .skip(by_token)
            .filter_map(|hop| hop.external_id.clone());
        let parameters = external_ids
            .chain(spec.login.parameter().map(str::to_owned))
            .map(StoredRef::Parameter);
        let secret = spec
            .login
            .secret_id()
            .map(|id| StoredRef::Secret(id.to_owned()));
        all.extend(
            parameters
                .chain(secret)
                .map(|stored| (stored, Some(&**spec))),
        );
    }
    let of_users = config
        .users
        .values()
        .flat_map(|user| user.proof.references());
    let identity = config
        .listen
        .identity
        .iter()
        .flat_map(|identity| [&identity.cert.from, &identity.key.from]);
    let clients = config.listen.clients.iter();
    let clients = clients.flat_map(|clients| [Some(&clients.ca.from), clients.crl.as_ref().map(|crl| &crl.from)]);
    for from in of_users.chain(identity).chain(clients.flatten()) {
        match from {
            Reference::Remote(Remote::Parameter(name)) => all.push((StoredRef::Parameter(name.clone()), None)),
            Reference::Remote(Remote::Secret { id, .. }) => all.push((StoredRef::Secret(id.clone()), None)),
            Reference::File(_) | Reference::Env(_) => {}
        }
    }
    let paths = config
        .any_user
        .iter()
        .filter_map(|any| any.path().map(str::to_owned));
    all.extend(paths.map(|path| (StoredRef::ParametersUnder(path), None)));
    all
}

/// Adds the right to read all stored values of these connections, and of users and the listener.
pub(super) fn read(needs: &mut Needs<'_>, chosen: &[Arc<ConnSpec>]) {
    let mut keys = KmsKeys::default();
    for (stored, spec) in stored(needs.config, chosen) {
        let home = needs.home(spec);
        one(needs, &mut keys, home, &stored);
    }
    keys.allow(needs);
}

/// Adds the right to read every value whose name has the prefix.
pub(super) fn read_prefix(needs: &mut Needs<'_>, prefix: &Prefix<'_>) {
    let home = needs.home(None);
    let Prefix(prefix) = prefix;
    let parameters = format!("{}*", home.arn("ssm", &parameter(prefix)));
    let secrets = format!("{}*", home.arn("secretsmanager", &format!("secret:{prefix}")));
    let mut keys = KmsKeys::default();
    needs
        .proxy
        .allow(Operation::GetParameter.action(), parameters.clone(), Condition::none());
    needs
        .proxy
        .allow(Operation::GetSecretValue.action(), secrets.clone(), Condition::none());
    keys.add(home.clone(), Store::Parameters, Match::Glob, parameters);
    keys.add(home, Store::Secrets, Match::Glob, secrets);
    keys.allow(needs);
    needs.note(format!(
        "{prefix}* is what [specs] parameter_prefix lets the table's items name: which they will be is not known here."
    ));
}

/// Adds the right to read one stored value.
fn one(needs: &mut Needs<'_>, keys: &mut KmsKeys, home: ArnScope, stored: &StoredRef) {
    match stored {
        StoredRef::Parameter(name) => {
            let (scope, resource) = located(home, name, parameter);
            let arn = scope.arn("ssm", &without_selector(&resource));
            needs
                .proxy
                .allow(Operation::GetParameter.action(), arn.clone(), Condition::none());
            keys.add(scope, Store::Parameters, Match::Exact, arn);
        }
        StoredRef::ParametersUnder(path) => {
            let (scope, resource) = located(home, path.trim_end_matches('/'), parameter);
            let arn = scope.arn("ssm", &resource);
            needs.note(format!(
                "GetParametersByPath is asked of {path}, and {path}/* is what it answers with: each user's password."
            ));
            let under = format!("{arn}/*");
            // The path is compared as it was asked for, with a slash at its end or without.
            needs
                .proxy
                .allow(Operation::GetParametersByPath.action(), format!("{arn}/"), Condition::none());
            needs
                .proxy
                .allow(Operation::GetParametersByPath.action(), arn, Condition::none());
            keys.add(scope, Store::Parameters, Match::Glob, under);
        }
        StoredRef::Secret(name) => {
            let (scope, resource) = located(home, name, |name| format!("secret:{name}"));
            let is_whole = name.starts_with("arn:") && has_suffix(&resource);
            let (end, matched) = if is_whole { ("", Match::Exact) } else { ("-??????", Match::Glob) };
            if !is_whole {
                needs.note(
                    "-?????? at the end of a secret's ARN stands for the six characters that Secrets Manager \
                    adds to its name.",
                );
            }
            let arn = scope.arn("secretsmanager", &format!("{resource}{end}"));
            needs
                .proxy
                .allow(Operation::GetSecretValue.action(), arn.clone(), Condition::none());
            keys.add(scope, Store::Secrets, matched, arn);
        }
    }
}

/// Whether a secret's resource ends in a hyphen and six letters or digits. An ARN without them
/// finds its secret as well.
fn has_suffix(resource: &str) -> bool {
    let end = resource.rsplit_once('-').map(|(_, end)| end);
    end.is_some_and(|end| end.len() == 6 && end.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The scope of a name or an ARN, and the resource in its ARN.
fn located(home: ArnScope, name: &str, resource: impl Fn(&str) -> String) -> (ArnScope, String) {
    match Arn::parse(name) {
        Some(arn) => (ArnScope::of_arn(arn), arn.resource.to_owned()),
        None => (home, resource(name)),
    }
}

/// The resource of a parameter's ARN, which has a slash whether the name begins with one or not.
fn parameter(name: &str) -> String {
    format!("parameter/{}", name.strip_prefix('/').unwrap_or(name))
}

/// A parameter's resource without `:VERSION` or `:LABEL`.
fn without_selector(resource: &str) -> String {
    resource.split(':').next().unwrap_or(resource).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{UnknownKeys, parse};

    fn config() -> Config {
        let text = "[aws]\nregion = \"cn-north-1\"\n";
        parse(text, std::path::Path::new("proxy.toml"), &|_| None, UnknownKeys::Refuse).unwrap()
    }

    fn policy(stored: &StoredRef) -> serde_json::Value {
        let config = config();
        let mut needs = Needs::new(&config, None);
        let mut keys = KmsKeys::default();
        let home = needs.home(None);
        one(&mut needs, &mut keys, home, stored);
        keys.allow(&mut needs);
        serde_json::from_str(&needs.proxy.json().to_string()).unwrap()
    }

    #[test]
    fn a_parameter_is_read_and_decrypted_by_its_own_arn() {
        for (name, arn) in [
            ("/lava/p", "arn:aws-cn:ssm:cn-north-1:ACCOUNT:parameter/lava/p"),
            ("plain:3", "arn:aws-cn:ssm:cn-north-1:ACCOUNT:parameter/plain"),
            ("arn:aws:ssm:eu-west-1:123456789012:parameter/x:v", "arn:aws:ssm:eu-west-1:123456789012:parameter/x"),
        ] {
            let policy = policy(&StoredRef::Parameter(name.into()));
            assert_eq!(policy["Statement"][1]["Resource"], arn);
            let condition = &policy["Statement"][0]["Condition"]["StringEquals"];
            assert_eq!(condition["kms:EncryptionContext:PARAMETER_ARN"], arn);
            let host =
                if arn.contains("cn-") { "ssm.cn-north-1.amazonaws.com.cn" } else { "ssm.eu-west-1.amazonaws.com" };
            assert_eq!(condition["kms:ViaService"], host);
        }
    }

    #[test]
    fn a_secret_by_name_has_six_more_characters() {
        let by_name = policy(&StoredRef::Secret("prod/sales".into()));
        assert_eq!(
            by_name["Statement"][1]["Resource"],
            "arn:aws-cn:secretsmanager:cn-north-1:ACCOUNT:secret:prod/sales-??????"
        );
        let arn = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:prod/sales-AbCdEf";
        let by_arn = policy(&StoredRef::Secret(arn.into()));
        assert_eq!(by_arn["Statement"][1]["Resource"], arn);
        assert_eq!(by_arn["Statement"][0]["Condition"]["StringEquals"]["kms:EncryptionContext:SecretARN"], arn);
    }

    #[test]
    fn a_secrets_arn_without_its_six_characters_is_completed() {
        let whole = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:";
        for (name, is_partial) in
            [("prod/sales", true), ("sales-ab_def", true), ("sales-AbCdEfG", true), ("sales-AbCd1f", false)]
        {
            let policy = policy(&StoredRef::Secret(format!("{whole}{name}")));
            let (end, operator) = if is_partial { ("-??????", "StringLike") } else { ("", "StringEquals") };
            let want = format!("{whole}{name}{end}");
            assert_eq!(policy["Statement"][1]["Resource"], want);
            let condition = &policy["Statement"][0]["Condition"][operator];
            assert_eq!(condition["kms:EncryptionContext:SecretARN"], want);
        }
    }

    #[test]
    fn the_parameters_of_all_users_are_listed() {
        let text = "[aws]\nregion = \"cn-north-1\"\n[users.\"*\"]\npassword = \"ssm:/redshift-proxy/users/{user}\"\n";
        let config = parse(text, std::path::Path::new("proxy.toml"), &|_| None, UnknownKeys::Refuse).unwrap();
        let mut needs = Needs::new(&config, None);
        read(&mut needs, &[]);
        let policy: serde_json::Value = serde_json::from_str(&needs.proxy.json().to_string()).unwrap();
        let path = "arn:aws-cn:ssm:cn-north-1:ACCOUNT:parameter/redshift-proxy/users";
        assert_eq!(policy["Statement"][1]["Action"], "ssm:GetParametersByPath");
        assert_eq!(policy["Statement"][1]["Resource"], serde_json::json!([path, format!("{path}/")]));
        let context = &policy["Statement"][0]["Condition"]["StringLike"]["kms:EncryptionContext:PARAMETER_ARN"];
        assert_eq!(*context, format!("{path}/*"));
    }
}
