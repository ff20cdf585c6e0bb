//! Policy documents: statements gathered one permission at a time, merged where action and
//! condition are the same.

use std::collections::{BTreeMap, BTreeSet};

use super::json::Json;

/// The condition of a statement: operator → key → values, all of which must hold.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Condition(BTreeMap<&'static str, BTreeMap<String, BTreeSet<String>>>);

impl Condition {
    /// The condition that always holds.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// Adds a comparison, which has to hold besides the others.
    pub(super) fn and<T: Into<String>>(
        mut self,
        operator: &'static str,
        key: impl Into<String>,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        let key = self
            .0
            .entry(operator)
            .or_default()
            .entry(key.into())
            .or_default();
        key.extend(values.into_iter().map(Into::into));
        self
    }

    fn json(&self) -> Json {
        Json::object(self.0.iter().map(|(operator, keys)| {
            let keys = keys
                .iter()
                .map(|(key, values)| (key.as_str(), Json::one_or_list(values)));
            (*operator, Json::object(keys))
        }))
    }
}

/// The member of a statement that says on what, or for whom, it allows its action.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum About {
    /// The resource of a permission.
    Resource,
    /// The identity that a trust policy trusts.
    Principal,
    /// The identity provider that a trust policy trusts.
    Federated,
}

/// A policy document: its statements, sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct PolicyDocument(BTreeMap<(&'static str, About, Condition), BTreeSet<String>>);

impl PolicyDocument {
    /// Allows an action on a resource.
    pub(super) fn allow(&mut self, action: &'static str, resource: impl Into<String>, condition: Condition) {
        self.put(action, About::Resource, resource.into(), condition);
    }

    /// Lets an identity do an action: the statement of a trust policy.
    pub(super) fn trust(&mut self, action: &'static str, who: impl Into<String>, condition: Condition) {
        self.put(action, About::Principal, who.into(), condition);
    }

    /// Like [`Self::trust`], for identities that an identity provider vouches for.
    pub(super) fn trust_federated(&mut self, action: &'static str, provider: &str, condition: Condition) {
        self.put(action, About::Federated, provider.to_owned(), condition);
    }

    fn put(&mut self, action: &'static str, about: About, what: String, condition: Condition) {
        self.0
            .entry((action, about, condition))
            .or_default()
            .insert(what);
    }

    /// Whether there are no statements.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The document. A statement's Sid is its action's name, with a number where there are several
    /// of them.
    pub(super) fn json(&self) -> Json {
        let mut numbers: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (action, ..) in self.0.keys() {
            numbers.entry(action).or_default().1 += 1;
        }
        let statements = self.0.iter().map(|((action, about, condition), what)| {
            let (at, of) = numbers.entry(action).or_default();
            *at += 1;
            let name = action.rsplit(':').next().unwrap_or(action);
            let sid = if *of > 1 { format!("{name}{at}") } else { name.to_owned() };
            let what = Json::one_or_list(what);
            let about = match about {
                About::Resource => ("Resource", what),
                About::Principal => ("Principal", Json::object([("AWS", what)])),
                About::Federated => ("Principal", Json::object([("Federated", what)])),
            };
            let mut members =
                vec![("Sid", Json::text(sid)), ("Effect", Json::text("Allow")), ("Action", Json::text(*action)), about];
            if *condition != Condition::none() {
                members.push(("Condition", condition.json()));
            }
            Json::object(members)
        });
        let statements = Json::List(statements.collect());
        Json::object([("Version", Json::text("2012-10-17")), ("Statement", statements)])
    }

    /// The size that IAM counts against its quotas: all characters but white space.
    pub(super) fn characters(&self) -> usize {
        self.json()
            .to_string()
            .chars()
            .filter(|c| !c.is_whitespace())
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_action_and_condition_make_one_statement() {
        let mut policy = PolicyDocument::default();
        let via = |host: &str| Condition::none().and("StringEquals", "kms:ViaService", [host]);
        policy.allow("kms:Decrypt", "key2", via("ssm"));
        policy.allow("kms:Decrypt", "key1", via("ssm"));
        policy.allow("kms:Decrypt", "key1", via("ssm"));
        policy.allow("kms:Decrypt", "key1", via("secretsmanager"));
        policy.allow("ssm:GetParameter", "p", Condition::none());
        let read: serde_json::Value = serde_json::from_str(&policy.json().to_string()).unwrap();
        let statements = read["Statement"].as_array().unwrap();
        let sids: Vec<_> = statements
            .iter()
            .map(|statement| statement["Sid"].as_str().unwrap())
            .collect();
        assert_eq!(sids, ["Decrypt1", "Decrypt2", "GetParameter"]);
        assert_eq!(statements[1]["Resource"], serde_json::json!(["key1", "key2"]));
        assert_eq!(statements[1]["Condition"]["StringEquals"]["kms:ViaService"], "ssm");
        assert_eq!(statements[2]["Resource"], "p");
        assert!(statements[2].get("Condition").is_none());
    }

    #[test]
    fn trust_names_who() {
        let mut policy = PolicyDocument::default();
        policy.trust("sts:AssumeRole", "arn:a", Condition::none());
        policy.trust_federated("sts:AssumeRoleWithWebIdentity", "accounts.google.com", Condition::none());
        let read: serde_json::Value = serde_json::from_str(&policy.json().to_string()).unwrap();
        assert_eq!(read["Statement"][0]["Principal"]["AWS"], "arn:a");
        assert_eq!(read["Statement"][1]["Principal"]["Federated"], "accounts.google.com");
        let compact = serde_json::to_string(&read).unwrap();
        assert_eq!(policy.characters(), compact.len());
    }
}
