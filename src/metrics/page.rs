//! The text of a scrape while it is written: one metric after the other.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, MetricEncoder, NoLabelSet};

use super::counts::Counts;
use super::family::Family;
use super::label::Label;

/// The text as far as it is written.
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

impl Page<'_> {
    /// Begins a metric: its name, kind and description.
    pub(super) fn describe(&mut self, family: &'static Family) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.0
            .encode_descriptor(family.name, family.help, None, family.kind)
    }

    /// Writes a counter without labels.
    pub(super) fn one_counter(&mut self, family: &'static Family, value: u64) -> fmt::Result {
        self.describe(family)?
            .encode_counter::<NoLabelSet, u64, f64>(&value, None)
    }

    /// Writes a gauge without labels.
    pub(super) fn one_gauge(&mut self, family: &'static Family, value: impl EncodeGaugeValue + Copy) -> fmt::Result {
        self.describe(family)?.encode_gauge(&value)
    }

    /// Writes a counter for each value of its one label.
    pub(super) fn counts<L: Label>(&mut self, family: &'static Family, counts: &Counts<L>) -> fmt::Result {
        self.counters(family, counts.rows().map(|(of, n)| ([of.text()], n)))
    }

    /// Writes a counter of several series.
    pub(super) fn counters<'l, const N: usize>(
        &mut self,
        family: &'static Family,
        rows: impl IntoIterator<Item = ([&'l str; N], u64)>,
    ) -> fmt::Result {
        let mut metric = self.describe(family)?;
        for (values, count) in rows {
            metric
                .encode_family(&labelled(family, values))?
                .encode_counter::<NoLabelSet, u64, f64>(&count, None)?;
        }
        Ok(())
    }

    /// Writes a gauge of several series.
    pub(super) fn gauges<'l, const N: usize>(
        &mut self,
        family: &'static Family,
        rows: impl IntoIterator<Item = ([&'l str; N], impl EncodeGaugeValue)>,
    ) -> fmt::Result {
        let mut metric = self.describe(family)?;
        for (values, value) in rows {
            metric
                .encode_family(&labelled(family, values))?
                .encode_gauge(&value)?;
        }
        Ok(())
    }
}

/// The values with the names of the labels.
pub(super) fn labelled<'l, const N: usize>(
    family: &'static Family,
    values: [&'l str; N],
) -> [(&'static str, &'l str); N] {
    let mut names = family.labels.iter().copied();
    values.map(|value| (names.next().unwrap_or_default(), value))
}
