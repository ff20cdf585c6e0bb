//! Session tags: those that AssumeRole is given, and those that come down a chain of roles.

use std::collections::BTreeMap;

use super::super::call::Call;
use super::super::constraint::Constraints;
use super::super::identity::SessionTags;
use super::super::refusal::Refusal;

const MAX_TAGS: usize = 50;

/// Reads and checks `Tags.member.N.Key` and `.Value`, and `TransitiveTagKeys.member.N`.
///
/// # Errors
/// InvalidParameterValue: a key twice, or a transitive one without a tag. What is out of bounds
/// goes to `constraints`.
pub(super) fn read(call: &Call, constraints: &mut Constraints) -> Result<SessionTags, Refusal> {
    let mut all = BTreeMap::new();
    let mut count = 0;
    // One more than is allowed is enough to know that there are too many.
    for at in 1..=MAX_TAGS + 1 {
        let field = |part: &str| call.field(&format!("Tags.member.{at}.{part}"));
        let (key, value) = (field("Key"), field("Value"));
        if key.is_none() && value.is_none() {
            break;
        }
        count = at;
        let name = |part: &str| format!("tags.{at}.member.{part}");
        let key = constraints.present(&name("key"), key).unwrap_or_default();
        let value = constraints
            .present(&name("value"), value)
            .unwrap_or_default();
        constraints.length(&name("key"), key, 1..=128);
        constraints.length(&name("value"), value, 0..=256);
        if all
            .keys()
            .any(|other: &String| other.eq_ignore_ascii_case(key))
        {
            let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(invalid(message));
        }
        all.insert(key.to_owned(), value.to_owned());
    }
    constraints.count("tags", count, 0..=MAX_TAGS);
    // Under another name, or with a number left out, a tag would go unseen.
    if count <= MAX_TAGS
        && call
            .parameters
            .keys()
            .filter(|name| name.starts_with("Tags."))
            .count()
            > 2 * count
    {
        return Err(invalid("Tags must be Tags.member.1, Tags.member.2 and so on, each with a Key and a Value."));
    }

    let transitive = (1..=MAX_TAGS + 1)
        .map_while(|at| {
            call.field(&format!("TransitiveTagKeys.member.{at}"))
                .map(str::to_owned)
        })
        .collect();
    let tags = SessionTags { all, transitive };
    constraints.count("transitiveTagKeys", tags.transitive.len(), 0..=MAX_TAGS);
    if tags
        .transitive
        .iter()
        .any(|key| !tags.all.contains_key(key))
    {
        return Err(invalid("The specified transitive tag key must be included in the requested tags."));
    }
    Ok(tags)
}

/// The tags of a session that is opened by one with the tags `inherited`: of those the transitive
/// ones, and the given.
///
/// # Errors
/// InvalidParameterValue: a given one would replace an inherited one.
pub(super) fn joined(inherited: &SessionTags, mut given: SessionTags) -> Result<SessionTags, Refusal> {
    for key in &inherited.transitive {
        if given
            .all
            .keys()
            .any(|other| other.eq_ignore_ascii_case(key))
        {
            return Err(invalid(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key \
                 from the calling session.",
            ));
        }
        given.transitive.insert(key.clone());
        given.all.extend(
            inherited
                .all
                .get(key)
                .map(|value| (key.clone(), value.clone())),
        );
    }
    Ok(given)
}

fn invalid(message: &str) -> Refusal {
    Refusal::bad_request("InvalidParameterValue", message)
}
