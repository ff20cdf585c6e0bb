//! The bounds that the API references set for parameters, and AWS's way of telling which was
//! broken.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::refusal::Refusal;
use super::service::Protocol;

/// Collects what is wrong with a request's parameters, to be told all at once.
#[derive(Default)]
pub(super) struct Constraints(Vec<String>);

/// A pattern from an API reference: how it is written there, and whether a text meets it.
pub(super) struct Pattern {
    /// The regular expression, as it is told to the caller.
    pub(super) text: &'static str,
    /// Tells whether a text matches.
    pub(super) matches: fn(&str) -> bool,
}

impl Constraints {
    /// A mandatory parameter's value. It is handed back, for the further checks if there is one.
    pub(super) fn present<'a>(&mut self, name: &str, value: Option<&'a str>) -> Option<&'a str> {
        if value.is_none() {
            self.add("null", name, "Member must not be null");
        }
        value
    }

    /// The length in characters.
    pub(super) fn length(&mut self, name: &str, value: &str, bounds: RangeInclusive<usize>) {
        self.bounds(&quoted(value), name, value.chars().count(), bounds, "length");
    }

    /// The number of elements of a list. The list itself is not told.
    pub(super) fn count(&mut self, name: &str, count: usize, bounds: RangeInclusive<usize>) {
        self.bounds("'[...]'", name, count, bounds, "length");
    }

    /// The value of a number.
    pub(super) fn number(&mut self, name: &str, value: i64, bounds: RangeInclusive<i64>) {
        self.bounds(&quoted(value), name, value, bounds, "value");
    }

    /// The form of a text.
    pub(super) fn pattern(&mut self, name: &str, value: &str, pattern: &Pattern) {
        if !(pattern.matches)(value) {
            let wanted = format!("Member must satisfy regular expression pattern: {}", pattern.text);
            self.add(&quoted(value), name, &wanted);
        }
    }

    /// # Errors
    /// ValidationException or ValidationError, with everything that was found.
    pub(super) fn met(self, protocol: Protocol) -> Result<(), Refusal> {
        let broken = self.0;
        match broken.len() {
            0 => Ok(()),
            1 => Err(Refusal::invalid(protocol, format!("1 validation error detected: {}", broken.concat()))),
            many => {
                Err(Refusal::invalid(protocol, format!("{many} validation errors detected: {}", broken.join("; "))))
            }
        }
    }

    fn bounds<T: Copy + Display + PartialOrd>(
        &mut self,
        shown: &str,
        name: &str,
        value: T,
        bounds: RangeInclusive<T>,
        what: &str,
    ) {
        if value < *bounds.start() {
            let least = bounds.start();
            self.add(shown, name, &format!("Member must have {what} greater than or equal to {least}"));
        } else if value > *bounds.end() {
            let most = bounds.end();
            self.add(shown, name, &format!("Member must have {what} less than or equal to {most}"));
        }
    }

    fn add(&mut self, shown: &str, name: &str, wanted: &str) {
        self.0
            .push(format!("Value {shown} at '{name}' failed to satisfy constraint: {wanted}"));
    }
}

fn quoted(value: impl Display) -> String {
    format!("'{value}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_violated_constraints_are_reported_at_once() {
        let mut constraints = Constraints::default();
        constraints.length("roleSessionName", "x", 2..=64);
        constraints.number("durationSeconds", 43_201, 900..=43_200);
        constraints.number("durationSeconds", 900, 900..=43_200);
        let refusal = constraints.met(Protocol::Query).unwrap_err();
        assert_eq!(
            refusal.told(),
            (
                "ValidationError",
                "2 validation errors detected: Value 'x' at 'roleSessionName' failed to satisfy constraint: Member \
                 must have length greater than or equal to 2; Value '43201' at 'durationSeconds' failed to satisfy \
                 constraint: Member must have value less than or equal to 43200"
            )
        );
        Constraints::default().met(Protocol::Json).unwrap();
    }
}
