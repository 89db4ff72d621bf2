// SPDX-License-Identifier: Apache-2.0
//! The set of families that a page shows.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;

use super::vec::{DEFAULT_SERIES_LIMIT, Metric, MetricVec};
use super::{Counter, Desc, DescError, Family, Gauge, Histogram, Kind, Summary, encode};
use crate::clock::Clock;

/// Something that yields families.
pub trait Collect: Send + Sync + 'static {
    /// Appends its families as they are now.
    fn collect(&self, out: &mut Vec<Family>);
}

/// Why a family cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// It cannot be exposed.
    #[error(transparent)]
    Desc(#[from] DescError),
    /// There is a family of this name.
    #[error("metric {0} is registered twice")]
    Duplicate(&'static str),
}

/// Families by name, and what is to be done before a scrape.
pub struct Registry {
    state: RwLock<State>,
    dropped: MetricVec<Counter>,
}

#[derive(Default)]
struct State {
    names: BTreeSet<&'static str>,
    collectors: Vec<Arc<dyn Collect>>,
    hooks: Vec<Arc<dyn Fn() + Send + Sync>>,
}

const DROPPED: Desc = Desc::with_labels(
    "berth_metrics_series_dropped_total",
    "Look-ups of series that were not kept because their family is full.",
    &["family"],
);

impl Registry {
    /// A registry that has one family, which counts the look-ups of series beyond the limits.
    pub fn new() -> Self {
        let dropped = MetricVec::new(DROPPED, Kind::Counter, usize::MAX, || (), Counter::default);
        let state = State {
            names: [DROPPED.name].into(),
            collectors: vec![Arc::new(dropped.clone())],
            hooks: Vec::new(),
        };
        Self { state: RwLock::new(state), dropped }
    }

    /// Registers a collector for the families of these names.
    pub fn register(
        &self,
        descs: &[Desc],
        collector: Arc<dyn Collect>,
    ) -> Result<(), RegisterError> {
        let mut state = self.state.write();
        for desc in descs {
            desc.check()?;
            if state.names.contains(desc.name) {
                return Err(RegisterError::Duplicate(desc.name));
            }
        }
        state.names.extend(descs.iter().map(|desc| desc.name));
        state.collectors.push(collector);
        Ok(())
    }

    /// Registers a family of counters.
    pub fn counter(&self, desc: Desc) -> Result<MetricVec<Counter>, RegisterError> {
        self.family(desc, Kind::Counter, Counter::default)
    }

    /// Registers a family of gauges.
    pub fn gauge(&self, desc: Desc) -> Result<MetricVec<Gauge>, RegisterError> {
        self.family(desc, Kind::Gauge, Gauge::default)
    }

    /// Registers a family of histograms with these upper bounds.
    pub fn histogram(
        &self,
        desc: Desc,
        bounds: &[f64],
    ) -> Result<MetricVec<Histogram>, RegisterError> {
        let bounds = bounds.to_vec();
        self.family(desc, Kind::Histogram, move || Histogram::new(&bounds))
    }

    /// Registers a family of summaries with the usual quantiles.
    pub fn summary(
        &self,
        desc: Desc,
        clock: &Arc<dyn Clock>,
    ) -> Result<MetricVec<Summary>, RegisterError> {
        let clock = Arc::clone(clock);
        self.family(desc, Kind::Summary, move || Summary::new(Arc::clone(&clock)))
    }

    fn family<M: Metric>(
        &self,
        desc: Desc,
        kind: Kind,
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Result<MetricVec<M>, RegisterError> {
        let dropped = self.dropped.clone();
        let on_refusal = move || dropped.with(&[desc.name]).inc();
        let family = MetricVec::new(desc, kind, DEFAULT_SERIES_LIMIT, on_refusal, make);
        self.register(&[desc], Arc::new(family.clone()))?;
        Ok(family)
    }

    /// Calls `hook` before each scrape, to refresh gauges that are cheap to read and frequent to
    /// change. It must not block.
    pub fn before_scrape(&self, hook: impl Fn() + Send + Sync + 'static) {
        self.state.write().hooks.push(Arc::new(hook));
    }

    /// All families that have series, in the order of their names.
    pub fn gather(&self) -> Vec<Family> {
        let (hooks, collectors) = {
            let state = self.state.read();
            (state.hooks.clone(), state.collectors.clone())
        };
        for hook in hooks {
            hook();
        }
        let mut families = Vec::new();
        for collector in collectors {
            collector.collect(&mut families);
        }
        families.retain(|family| !family.series.is_empty());
        families.sort_by_key(|family| family.desc.name);
        families
    }

    /// The page in the text format.
    pub fn render(&self) -> String {
        let mut page = String::new();
        encode(&self.gather(), &mut page);
        page
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("names", &self.state.read().names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_checked() {
        let registry = Registry::new();
        let desc = Desc::new("a_total", "A.");
        assert!(registry.counter(desc).is_ok());
        assert_eq!(registry.gauge(desc).err(), Some(RegisterError::Duplicate("a_total")));
        assert!(registry.counter(Desc::new("a-b", "")).is_err());
    }

    #[test]
    fn families_appear_sorted_with_their_first_series() {
        let registry = Registry::new();
        let late = registry.counter(Desc::new("z_total", "Z.")).expect("a new name");
        let early = Arc::new(registry.gauge(Desc::new("a", "A.")).expect("a new name"));
        assert_eq!(registry.render(), "");
        late.with(&[]).inc();
        registry.before_scrape(move || early.with(&[]).set(-7));
        let want = "# HELP a A.\n# TYPE a gauge\na -7\n\
                    # HELP z_total Z.\n# TYPE z_total counter\nz_total 1\n";
        assert_eq!(registry.render(), want);
    }

    #[test]
    fn look_ups_beyond_the_limit_are_counted_by_family() {
        let registry = Registry::new();
        let family =
            registry.counter(Desc::with_labels("a_total", "A.", &["l"])).expect("a new name");
        for n in 0..=DEFAULT_SERIES_LIMIT {
            family.with(&[&n.to_string()]).inc();
        }
        assert_eq!(family.len(), DEFAULT_SERIES_LIMIT);
        let page = registry.render();
        assert!(page.contains("berth_metrics_series_dropped_total{family=\"a_total\"} 1\n"));
    }
}
