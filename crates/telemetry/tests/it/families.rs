// SPDX-License-Identifier: Apache-2.0
//! The families of the contract, and what the page's own tool says about the page.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use telemetry::clock::{Clock, ManualClock};
use telemetry::families::{
    BuildInfo, CacheResult, DescriptorCacheEvent, Finished, Operation, RegistryMetrics,
    RemoteOperation, ScrapeCode, StorageErrorCode, StorageOperation, Total,
};
use telemetry::metrics::{Family, LabelValue as _, Reading};

const FAMILIES: &str = include_str!("../golden/metric-families.json");
const PAGE: &str = include_str!("../golden/metrics-page.txt");

const MS: Duration = Duration::from_millis(1);

fn metrics(per_route: bool) -> RegistryMetrics {
    let clock: Arc<dyn Clock> = ManualClock::new();
    RegistryMetrics::new(&BuildInfo::default(), per_route, &clock).expect("distinct names")
}

/// Uses every family at least once, with the label values of the recording among others.
fn touch_everything(metrics: &RegistryMetrics) {
    for (method, status) in [("GET", 200), ("GET", 206), ("GET", 401), ("HEAD", 404)] {
        let _serving = metrics.http.started();
        metrics.http.header_written(MS);
        let finished =
            Finished { method, status, duration: 2 * MS, request_size: 169, response_size: 1821 };
        metrics.http.finished(&finished);
        if let Some(routes) = &metrics.routes {
            let _serving = routes.started("blob");
            routes.finished("blob", &finished);
        }
    }
    for operation in Operation::ALL {
        metrics.http.operation(*operation, MS);
    }
    let storage = metrics.storage.driver("filesystem");
    for operation in StorageOperation::ALL {
        storage.observe(*operation, MS);
    }
    for code in StorageErrorCode::ALL {
        storage.failed(StorageOperation::Stat, *code);
    }
    storage.failed(StorageOperation::GetContent, StorageErrorCode::PathNotFound);
    storage.failed(StorageOperation::WriterCancel, StorageErrorCode::Unknown);
    for event in DescriptorCacheEvent::ALL {
        metrics.storage.descriptor_cache(*event);
    }
    metrics.digest_cache.record(CacheResult::Hit);
    metrics.digest_cache_scoped.record(CacheResult::Miss);
    metrics.pullthrough.blobstore_cache.record(CacheResult::Hit);
    for host in ["127.0.0.1:5001", "127.0.0.1:5002", "127.0.0.1:5999"] {
        for operation in RemoteOperation::ALL {
            metrics.pullthrough.observe(host, *operation, MS);
            metrics.pullthrough.failed(host, *operation, "UNKNOWN");
            metrics.pullthrough.failed(host, *operation, "UNAUTHORIZED");
        }
    }
    for (verb, code) in [("GET", "200"), ("POST", "201"), ("GET", "401")] {
        let url = "https://127.0.0.1:17443/%7Bprefix%7D";
        metrics.rest_client.latency(verb, url, MS);
        metrics.rest_client.request(code, verb, "127.0.0.1:17443");
    }
    metrics.own.advance(Total::UploadRereadBytes, 1 << 30);
    metrics.own.advance(Total::UploadRereadBytes, 1 << 20);
    metrics.own.cache("manifests", 3, 4096);
    metrics.own.upload_sessions(2);
    metrics.own.open_connections(1);
    metrics.own.refused("requests");
    let queue = metrics.own.notifications("audit \"log\"");
    queue.length(4);
    queue.dropped(1);
    metrics.scrape_failed(ScrapeCode::Busy);
}

fn by_name(families: Vec<Family>) -> BTreeMap<&'static str, Family> {
    families.into_iter().map(|family| (family.desc.name, family)).collect()
}

#[test]
fn families_are_those_recorded() {
    let metrics = metrics(false);
    touch_everything(&metrics);
    let ours = by_name(metrics.registry().gather());
    let recorded: BTreeMap<String, serde_json::Value> =
        serde_json::from_str(FAMILIES).expect("the recording is JSON");
    let mut compared = 0;
    for (name, recorded) in recorded.iter().filter(|(name, _)| !name.starts_with("go_")) {
        let family = ours.get(name.as_str()).unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(family.desc.help, recorded["help"], "{name}");
        assert_eq!(family.kind.as_str(), recorded["type"], "{name}");
        let mut labels: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for series in &family.series {
            for (label, value) in &series.labels {
                labels.entry(label).or_default().insert(value.clone());
            }
            let (label, bounds) = match &series.reading {
                Reading::Number(_) => continue,
                Reading::Histogram { buckets, .. } => (
                    "le",
                    [
                        buckets.as_slice().iter().map(|(bound, _)| *bound).collect(),
                        vec![f64::INFINITY],
                    ]
                    .concat(),
                ),
                Reading::Summary { quantiles, .. } => {
                    ("quantile", quantiles.iter().map(|(quantile, _)| *quantile).collect())
                }
            };
            let bounds = bounds.into_iter().map(|bound| telemetry::go::go_float(bound).to_string());
            labels.entry(label).or_default().extend(bounds);
        }
        let none = serde_json::Map::new();
        let recorded = recorded
            .get("labels")
            .map_or(&none, |labels| labels.as_object().expect("labels by name"));
        let names: BTreeSet<&str> = recorded.keys().map(String::as_str).collect();
        assert_eq!(labels.keys().copied().collect::<BTreeSet<_>>(), names, "{name}");
        for (label, values) in recorded {
            for value in values.as_array().expect("a list of values") {
                let value = value.as_str().expect("a text");
                assert!(labels[label.as_str()].contains(value), "{name}{{{label}={value:?}}}");
            }
        }
        for bound in ["le", "quantile"] {
            if let (Some(ours), Some(theirs)) = (labels.get(bound), recorded.get(bound)) {
                assert_eq!(ours.len(), theirs.as_array().map_or(0, Vec::len), "{name} {bound}");
            }
        }
        compared += 1;
    }
    assert_eq!(compared, 27, "families in the recording that are not go_*");
    let ours_only: Vec<_> = ours
        .keys()
        .filter(|name| !recorded.contains_key(**name) && !name.starts_with("berth_"))
        .collect();
    assert_eq!(ours_only, [&"imageregistry_http_time_to_write_header_seconds"]);
}

/// The lines of a page without their values.
fn skeleton(page: &str) -> BTreeSet<String> {
    page.lines()
        .map(|line| match line.starts_with('#') {
            true => line.to_owned(),
            false => line.rsplit_once(' ').expect("a value").0.to_owned(),
        })
        .collect()
}

#[test]
fn every_recorded_line_has_its_counterpart() {
    let metrics = metrics(false);
    touch_everything(&metrics);
    for method in ["GET", "HEAD"] {
        for status in [200, 404] {
            let finished =
                Finished { method, status, duration: MS, request_size: 1, response_size: 1 };
            metrics.http.finished(&finished);
        }
    }
    let ours = skeleton(&metrics.scrape());
    let missing: Vec<_> = skeleton(PAGE)
        .into_iter()
        .filter(|line| !line.contains("go_") && !ours.contains(line))
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn recorded_numbers_are_written_the_same_way() {
    for line in PAGE.lines().filter(|line| !line.starts_with('#')) {
        let (_, text) = line.rsplit_once(' ').expect("a value");
        let number: f64 = text.parse().expect("a number");
        assert_eq!(telemetry::go::go_float(number).to_string(), text, "{line}");
    }
}

#[test]
fn only_what_upstream_shows_unused_is_shown_unused() {
    let metrics = metrics(true);
    let page = metrics.scrape();
    let names: Vec<_> = page
        .lines()
        .filter(|line| !["#", "process_", "berth_"].iter().any(|start| line.starts_with(start)))
        .collect();
    assert_eq!(
        names,
        [
            "imageregistry_build_info{gitCommit=\"\",gitVersion=\"\",major=\"\",minor=\"\"} 1",
            "imageregistry_http_in_flight_requests 0",
            "promhttp_metric_handler_requests_in_flight 1",
            "promhttp_metric_handler_requests_total{code=\"200\"} 0",
            "promhttp_metric_handler_requests_total{code=\"500\"} 0",
            "promhttp_metric_handler_requests_total{code=\"503\"} 0",
        ]
    );
    // A page does not count itself, the next one does.
    assert!(metrics.scrape().contains("requests_total{code=\"200\"} 1\n"));
}

/// registry.md 9, metricspullthrough.
#[test]
fn a_refused_pull_through_shows_in_the_page() {
    let metrics = metrics(false);
    let storage = metrics.storage.driver("filesystem");
    storage.observe(StorageOperation::Stat, Duration::from_nanos(12_340));
    storage.failed(StorageOperation::Stat, StorageErrorCode::PathNotFound);
    metrics.pullthrough.blobstore_cache.record(CacheResult::Miss);
    metrics.pullthrough.observe("127.0.0.1:5002", RemoteOperation::Init, 6 * MS);
    metrics.pullthrough.observe("127.0.0.1:5002", RemoteOperation::BlobStoreStat, MS);
    metrics.pullthrough.failed("127.0.0.1:5002", RemoteOperation::BlobStoreStat, "UNAUTHORIZED");
    let page = metrics.scrape();
    for line in [
        "imageregistry_storage_duration_seconds{operation=\"StorageDriver.Stat\",quantile=\"0.5\"} 1.234e-05",
        "imageregistry_storage_duration_seconds_count{operation=\"StorageDriver.Stat\"} 1",
        "imageregistry_storage_errors_total{code=\"PATH_NOT_FOUND\",operation=\"StorageDriver.Stat\"} 1",
        "imageregistry_pullthrough_blobstore_cache_requests_total{type=\"Hit\"} 0",
        "imageregistry_pullthrough_blobstore_cache_requests_total{type=\"Miss\"} 1",
        "imageregistry_pullthrough_repository_duration_seconds_count{operation=\"Init\",registry=\"127.0.0.1:5002\"} 1",
        "imageregistry_pullthrough_repository_errors_total{code=\"UNAUTHORIZED\",operation=\"BlobStore.Stat\",registry=\"127.0.0.1:5002\"} 1",
        "registry_storage_action_seconds_bucket{action=\"Stat\",driver=\"filesystem\",le=\"0.005\"} 1",
    ] {
        assert!(page.lines().any(|other| other == line), "{line} is not in\n{page}");
    }
}

#[test]
fn methods_that_clients_invent_share_a_series() {
    let metrics = metrics(false);
    for n in 0..100 {
        metrics.http.finished(&Finished {
            method: &format!("M{n}"),
            status: 405,
            duration: MS,
            request_size: 1,
            response_size: 1,
        });
    }
    let page = metrics.scrape();
    assert!(
        page.contains("imageregistry_http_requests_total{code=\"405\",method=\"unknown\"} 100\n")
    );
}

/// `promtool check metrics` parses the page strictly and lints it. The tool is part of Prometheus
/// and not everywhere; without it the test proves nothing and says so.
#[test]
fn promtool_accepts_the_page() {
    let metrics = metrics(true);
    touch_everything(&metrics);
    let page = metrics.scrape();
    let spawned = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = spawned else {
        eprintln!("promtool is not installed; the page was not checked");
        return;
    };
    let mut input = promtool.stdin.take().expect("piped");
    input.write_all(page.as_bytes()).expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("promtool speaks UTF-8");
    // The contract's own names are not all to the taste of the tool.
    let complaints: Vec<_> = said
        .lines()
        .filter(|line| {
            !(line.starts_with("imageregistry_build_info") && line.contains("camelCase"))
        })
        .collect();
    assert_eq!(complaints, Vec::<&str>::new(), "{page}");
}
