// SPDX-License-Identifier: Apache-2.0
//! The Prometheus text exposition format, version 0.0.4.

use std::fmt::Write as _;

use super::{Family, Reading, Series};
use crate::go::go_float;

/// Value of `Content-Type` for a page made by [`encode`] (registry.md 6.2).
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Appends the families in the order given. A family without series is left out.
pub fn encode(families: &[Family], out: &mut String) {
    for family in families.iter().filter(|family| !family.series.is_empty()) {
        let name = family.desc.name;
        let _ = write!(out, "# HELP {name} ");
        escape(family.desc.help, false, out);
        let _ = writeln!(out, "\n# TYPE {name} {}", family.kind.as_str());
        for series in &family.series {
            encode_series(name, series, out);
        }
    }
}

fn encode_series(name: &str, series: &Series, out: &mut String) {
    match &series.reading {
        Reading::Number(number) => sample(name, "", series, None, *number, out),
        Reading::Histogram { buckets, sum, count } => {
            for (bound, up_to) in buckets {
                sample(name, "_bucket", series, Some(("le", *bound)), *up_to as f64, out);
            }
            sample(name, "_bucket", series, Some(("le", f64::INFINITY)), *count as f64, out);
            sample(name, "_sum", series, None, *sum, out);
            sample(name, "_count", series, None, *count as f64, out);
        }
        Reading::Summary { quantiles, sum, count } => {
            for (quantile, value) in quantiles {
                sample(name, "", series, Some(("quantile", *quantile)), *value, out);
            }
            sample(name, "_sum", series, None, *sum, out);
            sample(name, "_count", series, None, *count as f64, out);
        }
    }
}

/// One line. The label of a bucket or quantile comes after the labels of the series.
fn sample(
    name: &str,
    suffix: &str,
    series: &Series,
    extra: Option<(&str, f64)>,
    value: f64,
    out: &mut String,
) {
    out.push_str(name);
    out.push_str(suffix);
    let mut separator = '{';
    for (label, value) in &series.labels {
        out.push(separator);
        separator = ',';
        out.push_str(label);
        out.push_str("=\"");
        escape(value, true, out);
        out.push('"');
    }
    if let Some((label, bound)) = extra {
        let _ = write!(out, "{separator}{label}=\"{}\"", go_float(bound));
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    let _ = writeln!(out, " {}", go_float(value));
}

/// Backslash and line break are escaped in help and label values, quotes in label values only.
fn escape(text: &str, quotes: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Desc, Kind};
    use super::*;

    fn series(labels: &[(&'static str, &str)], reading: Reading) -> Series {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Series { labels, reading }
    }

    #[test]
    fn page() {
        let families = [
            Family { desc: Desc::new("empty", "Nothing."), kind: Kind::Gauge, series: vec![] },
            Family {
                desc: Desc::new("a_total", "Back\\slash, \"quotes\"\nand line break."),
                kind: Kind::Counter,
                series: vec![
                    series(&[], Reading::Number(3.0)),
                    series(&[("l", "a\\b\"c\nd\té")], Reading::Number(1e6)),
                ],
            },
            Family {
                desc: Desc::new("h_seconds", "H."),
                kind: Kind::Histogram,
                series: vec![series(
                    &[("action", "Stat")],
                    Reading::Histogram {
                        buckets: vec![(0.005, 1), (10.0, 2)],
                        sum: 12.5,
                        count: 3,
                    },
                )],
            },
            Family {
                desc: Desc::new("s_seconds", "S."),
                kind: Kind::Summary,
                series: vec![series(
                    &[],
                    Reading::Summary {
                        quantiles: vec![(0.5, 1.234e-5), (0.99, f64::NAN)],
                        sum: 0.25,
                        count: 2,
                    },
                )],
            },
        ];
        let mut page = String::new();
        encode(&families, &mut page);
        let want = r#"# HELP a_total Back\\slash, "quotes"\nand line break.
# TYPE a_total counter
a_total 3
a_total{l="a\\b\"c\nd	é"} 1e+06
# HELP h_seconds H.
# TYPE h_seconds histogram
h_seconds_bucket{action="Stat",le="0.005"} 1
h_seconds_bucket{action="Stat",le="10"} 2
h_seconds_bucket{action="Stat",le="+Inf"} 3
h_seconds_sum{action="Stat"} 12.5
h_seconds_count{action="Stat"} 3
# HELP s_seconds S.
# TYPE s_seconds summary
s_seconds{quantile="0.5"} 1.234e-05
s_seconds{quantile="0.99"} NaN
s_seconds_sum 0.25
s_seconds_count 2
"#;
        assert_eq!(page, want);
    }
}
