// SPDX-License-Identifier: Apache-2.0
//! What a scrape yields: families of series with their values at one moment.

/// Type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Goes up only.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations counted in buckets.
    Histogram,
    /// Observations with quantiles.
    Summary,
}

impl Kind {
    /// The word of the `# TYPE` line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
        }
    }
}

/// Name, help and label names of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Desc {
    /// Name, `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    pub name: &'static str,
    /// What it tells, for a person.
    pub help: &'static str,
    /// Label names, `[a-zA-Z_][a-zA-Z0-9_]*`, in the order in which their values are given. They
    /// are exposed in the order of the names.
    pub labels: &'static [&'static str],
}

/// A family that the text format cannot express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescError {
    /// The name breaks the grammar.
    #[error("{0:?} is no metric name")]
    Name(&'static str),
    /// A label name breaks the grammar or is reserved.
    #[error("{label:?} is no label name for {name}")]
    Label {
        /// The family.
        name: &'static str,
        /// The label.
        label: &'static str,
    },
}

impl Desc {
    /// A family without labels.
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, labels: &[] }
    }

    /// A family with labels.
    pub const fn with_labels(
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self { name, help, labels }
    }

    /// Checks the names against the grammar of the exposition format.
    pub fn check(&self) -> Result<(), DescError> {
        if !is_word(self.name, true) {
            return Err(DescError::Name(self.name));
        }
        for (at, label) in self.labels.iter().enumerate() {
            let reserved = label.starts_with("__") || matches!(*label, "le" | "quantile");
            if !is_word(label, false) || reserved || self.labels[..at].contains(label) {
                return Err(DescError::Label { name: self.name, label });
            }
        }
        Ok(())
    }
}

fn is_word(text: &str, colon: bool) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || (colon && byte == b':');
    let mut bytes = text.bytes();
    bytes.next().is_some_and(letter) && bytes.all(|byte| letter(byte) || byte.is_ascii_digit())
}

/// All series of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Name and help.
    pub desc: Desc,
    /// Type.
    pub kind: Kind,
    /// Series, in the order of their label values.
    pub series: Vec<Series>,
}

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Labels, in the order of their names.
    pub labels: Vec<(&'static str, String)>,
    /// Its value.
    pub reading: Reading,
}

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Of a counter or gauge.
    Number(f64),
    /// Of a histogram.
    Histogram {
        /// Upper bounds and the number of observations up to each; without `+Inf`.
        buckets: Vec<(f64, u64)>,
        /// Sum of all observations.
        sum: f64,
        /// Number of all observations.
        count: u64,
    },
    /// Of a summary.
    Summary {
        /// Quantiles and their values; NaN without recent observations.
        quantiles: Vec<(f64, f64)>,
        /// Sum of all observations.
        sum: f64,
        /// Number of all observations.
        count: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar() {
        assert_eq!(Desc::with_labels("a:b_1", "", &["gitCommit", "_x"]).check(), Ok(()));
        for bad in ["", "1a", "a-b", "é"] {
            assert_eq!(Desc::new(bad, "").check(), Err(DescError::Name(bad)));
        }
        for bad in [&["a:b"], &["le"], &["quantile"], &["__x"], &[""]] {
            assert!(Desc::with_labels("a", "", bad).check().is_err(), "{bad:?}");
        }
        assert!(Desc::with_labels("a", "", &["x", "x"]).check().is_err());
    }
}
