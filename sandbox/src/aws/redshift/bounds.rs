//! The bounds of Redshift's parameters, which it refuses one at a time as InvalidParameterValue.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::call::Call;
use super::super::refusal::Refusal;

const DEFAULT_DURATION_SECS: u64 = 900;

/// More groups than a request may name. The API reference has no bound; a session has to have one.
const MAX_GROUPS: usize = 100;

/// The parameters of a call, each read under its bounds.
pub(super) struct Bounds<'a>(pub(super) &'a Call);

impl<'a> Bounds<'a> {
    /// `DbUser`, which there must be.
    pub(super) fn user(&self) -> Result<&'a str, Refusal> {
        let user = self
            .0
            .field("DbUser")
            .ok_or_else(|| Refusal::missing_parameter("DbUser"))?;
        if is_name(user) && !user.eq_ignore_ascii_case("public") {
            return Ok(user);
        }
        Err(invalid("DbUser", "Must be 1 to 64 letters, numbers or _+.@-, begin with a letter, and not be PUBLIC"))
    }

    /// `DbName`.
    pub(super) fn database(&self) -> Result<Option<&'a str>, Refusal> {
        match self.0.field("DbName") {
            Some(name) if !is_name(name) => {
                Err(invalid("DbName", "Must be 1 to 64 letters, numbers or _+.@-, and begin with a letter"))
            }
            name => Ok(name),
        }
    }

    /// `DbGroups.DbGroup.N`, in their order.
    pub(super) fn groups(&self) -> Result<Vec<&'a str>, Refusal> {
        let mut groups = Vec::new();
        while let Some(group) = self
            .0
            .field(&format!("DbGroups.DbGroup.{}", groups.len() + 1))
        {
            if !is_name(group) || group.bytes().any(|byte| byte.is_ascii_uppercase()) || groups.len() == MAX_GROUPS {
                return Err(invalid("DbGroups", "Must be names of 1 to 64 lower-case letters, numbers or _+.@-"));
            }
            groups.push(group);
        }
        // Under another name, or with a number left out, a group would go unseen.
        if self
            .0
            .parameters
            .keys()
            .filter(|name| name.starts_with("DbGroups."))
            .count()
            > groups.len()
        {
            return Err(invalid("DbGroups", "Must be DbGroups.DbGroup.1, DbGroups.DbGroup.2 and so on"));
        }
        Ok(groups)
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.0.field(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid(name, "Must be true or false")),
        }
    }

    /// `DurationSeconds`.
    pub(super) fn duration(&self) -> Result<Duration, Refusal> {
        let secs = self.number("DurationSeconds", 900..=3600)?;
        Ok(Duration::from_secs(secs.unwrap_or(DEFAULT_DURATION_SECS)))
    }

    /// `MaxRecords`.
    pub(super) fn max_records(&self) -> Result<usize, Refusal> {
        self.number("MaxRecords", 20..=100)
            .map(|most| most.unwrap_or(100))
    }

    fn number<T>(&self, name: &str, bounds: RangeInclusive<T>) -> Result<Option<T>, Refusal>
    where
        T: Display + PartialOrd + std::str::FromStr,
    {
        let Some(text) = self.0.field(name) else { return Ok(None) };
        match text.parse().ok().filter(|number| bounds.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(invalid(name, format!("Must be between {} and {}", bounds.start(), bounds.end()))),
        }
    }
}

/// The common rule for names of users, groups and databases.
fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_+.@-".contains(&byte))
}

fn invalid(name: &str, wanted: impl Display) -> Refusal {
    Refusal::bad_request("InvalidParameterValue", format!("Invalid {name} parameter. {wanted}."))
}
