//! Counters by the values of one label.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

use super::label::Label;

/// A counter for each value of a label. Counting takes no lock.
pub(crate) struct Counts<L> {
    by_value: Box<[AtomicU64]>,
    of: PhantomData<fn(L)>,
}

impl<L: Label> Default for Counts<L> {
    fn default() -> Self {
        Self { by_value: L::ALL.iter().map(|_| AtomicU64::new(0)).collect(), of: PhantomData }
    }
}

impl<L: Label> Counts<L> {
    /// Counts one more.
    pub(crate) fn count(&self, value: L) {
        self.add(value, 1);
    }

    /// Counts some more.
    pub(crate) fn add(&self, value: L, by: u64) {
        if let Some(counter) = self.by_value.get(value.index()) {
            counter.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Adds all counts of another.
    pub(crate) fn add_all(&self, other: &Self) {
        for (value, count) in other.rows() {
            self.add(value, count);
        }
    }

    /// The count of one value.
    pub(crate) fn of(&self, value: L) -> u64 {
        let counter = self.by_value.get(value.index());
        counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// The sum of all counts.
    pub(crate) fn sum(&self) -> u64 {
        self.rows().map(|(_, count)| count).sum()
    }

    /// The sum of all counts but one. The difference of the two would be below 0 if that one were
    /// counted between the two reads.
    pub(crate) fn sum_but(&self, value: L) -> u64 {
        let others = self.rows().filter(|(of, _)| of.index() != value.index());
        others.map(|(_, count)| count).sum()
    }

    /// The counts of all values, in the order of [`Label::ALL`].
    pub(crate) fn rows(&self) -> impl Iterator<Item = (L, u64)> + '_ {
        L::ALL.iter().map(|value| (*value, self.of(*value)))
    }
}
