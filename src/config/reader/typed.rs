//! Reads values as types of Rust.

use std::time::{Duration, SystemTime};

use super::value::Value;
use crate::config::tree::Data;
use crate::config::value::{self, Parsed};

impl Value<'_> {
    /// Reads one of a few words.
    pub(in crate::config) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        self.parse(|text| {
            let found = choices
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, choice)| *choice);
            found.ok_or_else(|| {
                let words: Vec<_> = choices
                    .iter()
                    .map(|(word, _)| format!("\"{word}\""))
                    .collect();
                format!("must be {}", words.join(" or ")).into()
            })
        })
    }

    /// Reads `true` or `false`.
    pub(in crate::config) fn bool(&self) -> Option<bool> {
        match self.node.data {
            Data::Bool(is) => Some(is),
            _ => self.wrong_type("true or false"),
        }
    }

    /// Reads a count: at least 1, at most 1,000,000.
    pub(in crate::config) fn count(&self) -> Option<usize> {
        self.number(1, 1_000_000)
    }

    /// Reads a whole number in a range.
    pub(in crate::config) fn number(&self, least: usize, most: usize) -> Option<usize> {
        let Data::Integer(number) = &self.node.data else { return self.wrong_type("a whole number") };
        match number.parse::<i128>().map(usize::try_from) {
            Ok(Ok(number)) if (least..=most).contains(&number) => Some(number),
            Ok(Ok(number)) if number < least => self.keep(Err(format!("must be at least {least}").into())),
            Ok(Err(_)) if number.starts_with('-') => self.keep(Err(format!("must be at least {least}").into())),
            Ok(_) | Err(_) => self.keep(Err(format!("must be at most {most}").into())),
        }
    }

    /// Reads a port, from a number or from digits in a string.
    pub(in crate::config) fn port(&self) -> Option<u16> {
        match &self.node.data {
            Data::Integer(number) => self.keep(value::port(number)),
            Data::Text(_) => self.parse(value::port),
            _ => self.wrong_type("a number"),
        }
    }

    /// Reads a duration that `range` accepts.
    pub(in crate::config) fn duration(&self, range: impl Fn(Duration) -> Parsed<Duration>) -> Option<Duration> {
        let text = match &self.node.data {
            Data::Integer(number) | Data::Float(number) => number.clone(),
            Data::Text(_) => self.text()?,
            _ => return self.wrong_type("a duration"),
        };
        self.keep(value::duration(&text).and_then(range))
    }

    /// Reads a date or a moment.
    pub(in crate::config) fn moment(&self) -> Option<SystemTime> {
        match &self.node.data {
            Data::Datetime(at) => self.keep(value::moment(at)),
            _ => self.wrong_type("a date, such as 2027-01-31, without quotes"),
        }
    }
}
