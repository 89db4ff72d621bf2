// SPDX-License-Identifier: Apache-2.0
//! A small metrics library: counters, gauges, histograms and summaries with labels, exposed in the
//! Prometheus text format 0.0.4.
//!
//! ```text
//!   MetricVec::with(labels) ─▶ Arc<Counter | Gauge | Histogram | Summary>   (hot path: atomics)
//!                  ▲
//!   Registry::gather ─▶ Vec<Family> ─▶ text::encode ─▶ page
//! ```
//!
//! Own code, because the contract has summaries with quantiles and metric names that the common
//! libraries do not produce. Two properties matter: recording is cheap when the caller keeps the
//! handle that [`MetricVec::with`] returns, and the number of series of a family is bounded, so
//! that no client can fill memory by varying a label.

mod model;
mod process;
mod quantile;
mod registry;
mod summary;
mod text;
mod value;
mod vec;
mod window;

pub use model::{Desc, DescError, Family, Kind, Reading, Series};
pub use process::ProcessCollector;
pub use quantile::{Objective, Stream};
pub use registry::{Collect, RegisterError, Registry};
pub use summary::{SUMMARY_OBJECTIVES, Summary};
pub use text::{CONTENT_TYPE, encode};
pub use value::{Counter, DEFAULT_BUCKETS, Gauge, Histogram, exponential_buckets};
pub use vec::{DEFAULT_SERIES_LIMIT, LabelValue, Metric, MetricCell, MetricSet, MetricVec};
