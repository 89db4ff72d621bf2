// SPDX-License-Identifier: Apache-2.0
//! Families with labels.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use super::{Collect, Desc, Family, Kind, Reading, Series};

/// Most series of a family unless it says otherwise.
pub const DEFAULT_SERIES_LIMIT: usize = 1000;

/// Longest label value in bytes; a series with a longer one is not kept.
const MAX_LABEL: usize = 256;

/// Separates label values in a key; no UTF-8 text contains it.
const SEPARATOR: u8 = 0xff;

/// A value that can be exposed.
pub trait Metric: Send + Sync + 'static {
    /// The value now.
    fn read(&self) -> Reading;
}

/// The series of one family, by label values.
///
/// Cloning shares the series.
pub struct MetricVec<M> {
    shared: Arc<Shared<M>>,
}

struct Shared<M> {
    desc: Desc,
    kind: Kind,
    /// Positions of the labels in the order of their names.
    order: Vec<usize>,
    limit: usize,
    make: Box<dyn Fn() -> M + Send + Sync>,
    series: RwLock<HashMap<Key, Member<M>>>,
    /// Takes what belongs to series beyond the limit; not exposed.
    overflow: OnceLock<Arc<M>>,
    on_refusal: Box<dyn Fn() + Send + Sync>,
}

/// One series and its label values.
struct Member<M> {
    values: Vec<String>,
    metric: Arc<M>,
}

/// The label values of a series, each followed by [`SEPARATOR`].
type Key = Box<[u8]>;

thread_local! {
    static KEY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl<M: Metric> MetricVec<M> {
    /// A family of at most `limit` series; `on_refusal` is called for each look-up beyond that.
    pub(super) fn new(
        desc: Desc,
        kind: Kind,
        limit: usize,
        on_refusal: impl Fn() + Send + Sync + 'static,
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        let mut order: Vec<_> = (0..desc.labels.len()).collect();
        order.sort_by_key(|at| desc.labels[*at]);
        let shared = Shared {
            desc,
            kind,
            order,
            limit,
            make: Box::new(make),
            series: RwLock::default(),
            overflow: OnceLock::new(),
            on_refusal: Box::new(on_refusal),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The series with these label values, in the order of [`Desc::labels`], made if need be.
    ///
    /// Callers on a hot path keep the result. When the family is full, a label value is too long,
    /// or their number is wrong, the result is a stand-in that is not exposed.
    pub fn with(&self, values: &[&str]) -> Arc<M> {
        let shared = &*self.shared;
        debug_assert_eq!(values.len(), shared.desc.labels.len(), "{}", shared.desc.name);
        if values.len() != shared.desc.labels.len()
            || values.iter().any(|value| value.len() > MAX_LABEL)
        {
            return shared.refuse();
        }
        // Taken out, because making a series may look up another one.
        let mut key = KEY.try_with(RefCell::take).unwrap_or_default();
        key.clear();
        for value in values {
            key.extend_from_slice(value.as_bytes());
            key.push(SEPARATOR);
        }
        let known = shared.series.read().get(key.as_slice()).map(|known| Arc::clone(&known.metric));
        let metric = known.unwrap_or_else(|| shared.insert(&key, values));
        let _ = KEY.try_with(|kept| kept.replace(key));
        metric
    }

    /// The number of series.
    pub fn len(&self) -> usize {
        self.shared.series.read().len()
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<M: Metric> Shared<M> {
    fn insert(&self, key: &[u8], values: &[&str]) -> Arc<M> {
        let mut series = self.series.write();
        let full = series.len() >= self.limit;
        match series.entry(key.into()) {
            Entry::Occupied(entry) => Arc::clone(&entry.get().metric),
            Entry::Vacant(_) if full => self.refuse(),
            Entry::Vacant(entry) => {
                let values = values.iter().map(|value| (*value).to_owned()).collect();
                let metric = Arc::new((self.make)());
                entry.insert(Member { values, metric: Arc::clone(&metric) });
                metric
            }
        }
    }

    fn refuse(&self) -> Arc<M> {
        (self.on_refusal)();
        Arc::clone(self.overflow.get_or_init(|| Arc::new((self.make)())))
    }
}

impl<M: Metric> Collect for MetricVec<M> {
    fn collect(&self, out: &mut Vec<Family>) {
        let shared = &*self.shared;
        // Reading a summary takes a while; new series need not wait for it.
        let members: Vec<_> = {
            let series = shared.series.read();
            series.values().map(|known| (known.values.clone(), Arc::clone(&known.metric))).collect()
        };
        let mut series: Vec<_> = members
            .into_iter()
            .map(|(mut values, metric)| {
                let label =
                    |at: &usize| (shared.desc.labels[*at], std::mem::take(&mut values[*at]));
                Series { labels: shared.order.iter().map(label).collect(), reading: metric.read() }
            })
            .collect();
        series.sort_by(|left, right| left.labels.cmp(&right.labels));
        out.push(Family { desc: shared.desc, kind: shared.kind, series });
    }
}

impl<M> Clone for MetricVec<M> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<M> fmt::Debug for MetricVec<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricVec").field("desc", &self.shared.desc).finish_non_exhaustive()
    }
}

/// The only series of a family without labels. It exists after first use.
pub struct MetricCell<M> {
    family: MetricVec<M>,
    cell: OnceLock<Arc<M>>,
}

impl<M: Metric> MetricCell<M> {
    /// The series of this family.
    pub fn new(family: MetricVec<M>) -> Self {
        Self { family, cell: OnceLock::new() }
    }

    /// The series.
    pub fn get(&self) -> &M {
        self.cell.get_or_init(|| self.family.with(&[]))
    }
}

impl<M> fmt::Debug for MetricCell<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MetricCell").field(&self.family).finish()
    }
}

/// A label whose values are known at compile time.
pub trait LabelValue: Copy + 'static {
    /// Every value; the position of a value is its [`LabelValue::index`].
    const ALL: &'static [Self];

    /// Position in [`LabelValue::ALL`].
    fn index(self) -> usize;

    /// The text of the label.
    fn as_str(self) -> &'static str;
}

/// A family seen through one label of known values: after first use a look-up is an array access.
///
/// Other labels of the family have fixed values.
pub struct MetricSet<L, M> {
    family: MetricVec<M>,
    /// Values of the labels before this one.
    before: Vec<String>,
    cells: Box<[OnceLock<Arc<M>>]>,
    label: PhantomData<fn(L)>,
}

impl<L: LabelValue, M: Metric> MetricSet<L, M> {
    /// A view of a family whose only label is `L`.
    pub fn new(family: &MetricVec<M>) -> Self {
        Self::within(family, &[])
    }

    /// A view of a family whose last label is `L` and whose others have these values.
    pub fn within(family: &MetricVec<M>, before: &[&str]) -> Self {
        Self {
            family: family.clone(),
            before: before.iter().map(|value| (*value).to_owned()).collect(),
            cells: L::ALL.iter().map(|_| OnceLock::new()).collect(),
            label: PhantomData,
        }
    }

    /// The series for a value, which exists from now on.
    pub fn get(&self, label: L) -> &M {
        self.cells[label.index()].get_or_init(|| {
            let mut values: Vec<&str> = self.before.iter().map(String::as_str).collect();
            values.push(label.as_str());
            self.family.with(&values)
        })
    }
}

impl<L, M> fmt::Debug for MetricSet<L, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricSet").field("family", &self.family).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Counter;
    use super::*;

    const DESC: Desc = Desc::with_labels("requests_total", "Requests.", &["method", "code"]);

    fn family(limit: usize, refused: &Arc<Counter>) -> MetricVec<Counter> {
        let refused = Arc::clone(refused);
        MetricVec::new(DESC, Kind::Counter, limit, move || refused.inc(), Counter::default)
    }

    #[test]
    fn labels_and_series_are_in_order() {
        let family = family(10, &Arc::default());
        family.with(&["get", "404"]).inc();
        family.with(&["put", "201"]).inc();
        family.with(&["get", "200"]).add(2);
        family.with(&["get", "404"]).inc();
        let mut out = Vec::new();
        family.collect(&mut out);
        let got: Vec<_> = out[0]
            .series
            .iter()
            .map(|series| {
                let labels: Vec<_> =
                    series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
                (labels.join(","), series.reading.clone())
            })
            .collect();
        assert_eq!(
            got,
            [
                ("code=200,method=get".to_owned(), Reading::Number(2.0)),
                ("code=201,method=put".to_owned(), Reading::Number(1.0)),
                ("code=404,method=get".to_owned(), Reading::Number(2.0)),
            ]
        );
    }

    #[test]
    fn series_are_bounded_and_refusals_counted() {
        let refused = Arc::new(Counter::default());
        let family = family(2, &refused);
        for code in 200..210 {
            family.with(&["get", &code.to_string()]).inc();
        }
        family.with(&["get", &"9".repeat(MAX_LABEL + 1)]).inc();
        assert_eq!(family.len(), 2);
        assert_eq!(refused.get(), 9);
        // Known series go on to count.
        family.with(&["get", "200"]).inc();
        assert_eq!(family.with(&["get", "200"]).get(), 2);
        assert_eq!(refused.get(), 9);
    }

    #[test]
    fn values_do_not_run_into_each_other() {
        let family = family(10, &Arc::default());
        family.with(&["ab", "c"]).inc();
        family.with(&["a", "bc"]).inc();
        assert_eq!(family.len(), 2);
    }
}
