//! The two text formats, and which of them a scraper asks for: OpenMetrics 1.0, and Prometheus'
//! older text format 0.0.4, which is made from the first line by line.

use std::borrow::Cow;

/// A text format of metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

impl Format {
    /// The format that a request asks for by its `Accept` header: OpenMetrics if that is wanted at
    /// least as much as plain text, else the older one.
    pub(crate) fn wanted(accept: Option<&str>) -> Self {
        let (mut open_metrics, mut text) = (0, 0);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut version, mut quality) = (Cow::Borrowed("1.0.0"), 1000);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim().to_ascii_lowercase().as_str() {
                    "version" => version = Cow::Owned(value.trim().trim_matches('"').to_owned()),
                    "q" => quality = thousandths(value.trim()),
                    _ => {}
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if version == "1.0.0" => open_metrics = open_metrics.max(quality),
                "text/plain" | "text/*" | "*/*" => text = text.max(quality),
                _ => {}
            }
        }
        if open_metrics > 0 && open_metrics >= text { Self::OpenMetrics } else { Self::Text }
    }

    /// The `Content-Type` of the format.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The text in this format, of one in OpenMetrics without its end.
    pub(crate) fn write(self, mut open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => {
                open_metrics.push_str("# EOF\n");
                open_metrics
            }
            Self::Text => older(&open_metrics),
        }
    }
}

/// A weight of an `Accept` header in thousandths; one that is none counts as 0.
fn thousandths(quality: &str) -> u32 {
    let quality: f32 = quality.parse().unwrap_or(0.0);
    // In a header there are three digits at most; what is beyond 0 to 1 is cut.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 1000")]
    let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u32;
    thousandths
}

/// Names counters in their descriptions as their samples are named, by `_total`; samples are alike
/// in both formats.
fn older(open_metrics: &str) -> String {
    let mut older = String::with_capacity(open_metrics.len() + 1024);
    let mut help = None;
    for line in open_metrics.split_inclusive('\n') {
        if let Some(of) = line.strip_prefix("# HELP ") {
            help = of.split_once(' ');
        } else if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|of| of.split_once(' '))
        {
            let suffix = if kind.trim_end() == "counter" { "_total" } else { "" };
            if let Some((name, help)) = help.take() {
                older.extend(["# HELP ", name, suffix, " ", help]);
            }
            older.extend(["# TYPE ", name, suffix, " ", kind]);
        } else {
            older.push_str(line);
        }
    }
    older
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_negotiated() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, wanted) in [
            (None, Format::Text),
            (Some(""), Format::Text),
            (Some("*/*"), Format::Text),
            (Some("text/html"), Format::Text),
            (Some(prometheus), Format::OpenMetrics),
            (Some("application/openmetrics-text"), Format::OpenMetrics),
            (Some("Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8"), Format::OpenMetrics),
            (Some("application/openmetrics-text; version=0.0.1"), Format::Text),
            (Some("application/openmetrics-text; version=2.0.0"), Format::Text),
            (Some("application/openmetrics-text;q=0"), Format::Text),
            (Some("application/openmetrics-text;q=x"), Format::Text),
            (Some("application/openmetrics-text;q=0.2,text/plain;q=0.3"), Format::Text),
            (Some("text/plain;version=0.0.4;q=0.5,application/openmetrics-text;q=0.5"), Format::OpenMetrics),
            (Some("application/openmetrics-text;q=99999,text/plain"), Format::OpenMetrics),
            (Some(";;;,=,q=;"), Format::Text),
        ] {
            assert_eq!(Format::wanted(accept), wanted, "{accept:?}");
        }
    }

    #[test]
    fn the_older_format_names_counters_by_their_samples() {
        let open_metrics = "# HELP a_b A counter.\n# TYPE a_b counter\na_b_total{x=\"# TYPE a b\"} 1\n\
                            # HELP g A gauge.\n# TYPE g gauge\ng 0.5\n";
        assert_eq!(
            Format::Text.write(open_metrics.to_owned()),
            "# HELP a_b_total A counter.\n# TYPE a_b_total counter\na_b_total{x=\"# TYPE a b\"} 1\n\
             # HELP g A gauge.\n# TYPE g gauge\ng 0.5\n"
        );
        assert!(
            Format::OpenMetrics
                .write(open_metrics.to_owned())
                .ends_with("g 0.5\n# EOF\n")
        );
    }
}
