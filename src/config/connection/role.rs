//! Reads the roles that a connection assumes one after the other, and what goes with them: external
//! ids, session tags, a token.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::kind::Identity;
use super::spec::{RoleHop, Roles};
use crate::config::reader::{Table, Value, if_given};
use crate::config::value;

/// Most roles in a chain. Each hop is a call to STS.
const MAX_HOPS: usize = 5;

/// Most session tags in one AssumeRole (STS API, `Tags`).
const MAX_TAGS: usize = 50;

/// The session tag that a `per-user` login sets itself.
const ROLES_TAG: &str = "RedshiftDbRoles";

/// Reads `role_arn`, `external_id`, `tags` and `web_identity_token_file`. `None`: a problem was
/// reported.
pub(super) fn roles(table: &mut Table<'_>, identity: Identity) -> Option<Roles> {
    let external_id = table.take("external_id");
    let external = if_given(external_id.as_ref(), |name| name.parse(value::parameter_name));
    let tags_place = table.take("tags");
    let tags = tags_place
        .as_ref()
        .map_or(Some(BTreeMap::new()), |tags| self::tags(tags, identity));
    let token_place = table.take("web_identity_token_file");
    let token = if_given(token_place.as_ref(), token_file);
    let role_place = table.take("role_arn");
    let hops = role_place.as_ref().map_or(Some(Vec::new()), hops);
    let (external, tags, token, mut hops) = (external.ok()?, tags?, token.ok()?, hops?);

    let Some(last) = hops.last_mut() else {
        if let Some(place) = &token_place {
            place.report("needs role_arn beside it");
            return None;
        }
        for place in [&external_id, &tags_place].into_iter().flatten() {
            place.warn("without effect: there is no role_arn");
        }
        return Some(Roles::default());
    };
    if external.is_some() {
        if let (Some(_), Some(place)) = (&last.external_id, &external_id) {
            place.report("the last role has an external_id of its own");
            return None;
        }
        last.external_id = external;
    }
    if token.is_some() {
        token_takes_none(&hops, &tags, role_place.as_ref(), tags_place.as_ref())?;
    }
    Some(Roles { hops, web_identity_token_file: token, tags })
}

/// Reports an external id or tags of a role that is assumed with a web identity:
/// AssumeRoleWithWebIdentity has neither ExternalId nor Tags (STS API).
fn token_takes_none(
    hops: &[RoleHop],
    tags: &BTreeMap<String, String>,
    role: Option<&Value<'_>>,
    tags_place: Option<&Value<'_>>,
) -> Option<()> {
    let mut fine = Some(());
    if hops
        .first()
        .is_some_and(|first| first.external_id.is_some())
    {
        role?.report("its first role is assumed with a web identity, which takes no external_id");
        fine = None;
    }
    if hops.len() == 1 && !tags.is_empty() {
        tags_place?.report("the only role is assumed with a web identity, which takes no tags");
        fine = None;
    }
    fine
}

/// Reads one ARN, or a list of ARNs and `{ role_arn, external_id }`.
fn hops(place: &Value<'_>) -> Option<Vec<RoleHop>> {
    if !place.is_list() {
        let role_arn = place.parse(value::role_arn)?;
        return Some(vec![RoleHop { role_arn, external_id: None }]);
    }
    let list = place.list()?;
    if !(1..=MAX_HOPS).contains(&list.len()) {
        place.report(format_args!("must hold 1 to {MAX_HOPS} roles"));
        return None;
    }
    let hops: Vec<_> = list.iter().filter_map(hop).collect();
    (hops.len() == list.len()).then_some(hops)
}

fn hop(place: &Value<'_>) -> Option<RoleHop> {
    if !place.is_table() {
        return Some(RoleHop { role_arn: place.parse(value::role_arn)?, external_id: None });
    }
    let mut table = place.table("connections.*.role_arn");
    let role_arn = table
        .require("role_arn")
        .and_then(|arn| arn.parse(value::role_arn));
    let external_id = table.optional("external_id", value::parameter_name);
    table.finish();
    Some(RoleHop { role_arn: role_arn?, external_id: external_id.ok()? })
}

fn token_file(place: &Value<'_>) -> Option<PathBuf> {
    let path = place.parse(|text| match text {
        "" => Err("must be a path".into()),
        _ => Ok(PathBuf::from(text)),
    });
    path.map(|path| place.beside(Path::new(&path)))
}

/// Reads session tags. Keys that differ by case alone are one key to STS.
fn tags(place: &Value<'_>, identity: Identity) -> Option<BTreeMap<String, String>> {
    let mut table = place.table("connections.*.tags");
    let given = table.names();
    let own = usize::from(identity == Identity::PerUser);
    if given.len() + own > MAX_TAGS {
        place.report(format_args!("must be at most {} tags", MAX_TAGS - own));
        return None;
    }
    let (mut tags, count) = (BTreeMap::<String, String>::new(), given.len());
    for tag in given {
        if let Err(why) = value::tag_key(&tag.name) {
            tag.report(why);
        } else if own > 0 && tag.name.eq_ignore_ascii_case(ROLES_TAG) {
            tag.report("is set by identity = \"per-user\", from the user's db_roles");
        } else if tags
            .keys()
            .any(|key| key.to_lowercase() == tag.name.to_lowercase())
        {
            tag.report("another tag has this key, but for case");
        } else if let Some(text) = tag.parse(value::tag_value) {
            tags.insert(tag.name, text);
        }
    }
    (place.is_table() && tags.len() == count).then_some(tags)
}
