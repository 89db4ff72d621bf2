// SPDX-License-Identifier: Apache-2.0
//! Log lines: fields, formats, filters, events.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use telemetry::log::{Capture, Format, InitError, Level, Line, LogConfig, Logger, Sink, Value};

const TIME: &str = "time=\"1970-01-01T00:00:00Z\" ";

fn config(format: Format) -> LogConfig {
    LogConfig {
        format,
        fields: BTreeMap::from([("go.version".to_owned(), "rust1".into())]),
        ..LogConfig::default()
    }
}

/// What `build` writes, without its line break.
fn written(config: &LogConfig, build: impl FnOnce(Line<'static>) -> Line<'static>) -> String {
    let capture = Capture::new();
    let logger = Arc::new(Logger::new(config, Box::new(capture.clone())));
    build(Line::to(Some(logger), Level::Info, "m")).at(SystemTime::UNIX_EPOCH).emit();
    let text = capture.text();
    text.strip_suffix('\n').expect("a line break at the end").to_owned()
}

#[test]
fn values_of_every_kind() {
    let line = |format| {
        written(&config(format), |line| {
            line.field("str", "a b")
                .field("bare", "aZ0-._/@^+")
                .field("empty", "")
                .field("bytes", &b"a\xff"[..])
                .field("int", -1_i64)
                .field("uint", u64::MAX)
                .field("float", 1e6)
                .field("bool", true)
                .field("duration", Duration::from_nanos(71_874))
                .field("long", Duration::from_secs(60))
                .field("nested", Value::Json { text: "t".into(), json: "{\"b\":1}".into() })
                .field("break", "a\nb\"<c>")
                .maybe("none", None::<&str>)
                .maybe("some", Some("x"))
        })
    };
    assert_eq!(
        line(Format::Text),
        format!(
            "{TIME}level=info msg=m bare=aZ0-._/@^+ bool=true break=\"a\\nb\\\"<c>\" \
             bytes=\"a\\xff\" duration=\"71.874µs\" empty= float=1e+06 go.version=rust1 int=-1 \
             long=1m0s nested=t some=x str=\"a b\" uint=18446744073709551615"
        )
    );
    assert_eq!(
        line(Format::Json),
        "{\"bare\":\"aZ0-._/@^+\",\"bool\":true,\"break\":\"a\\nb\\\"\\u003cc\\u003e\",\
         \"bytes\":\"a\\ufffd\",\"duration\":\"71.874µs\",\"empty\":\"\",\"float\":1000000,\
         \"go.version\":\"rust1\",\"int\":-1,\"level\":\"info\",\"long\":\"1m0s\",\"msg\":\"m\",\
         \"nested\":{\"b\":1},\"some\":\"x\",\"str\":\"a b\",\"time\":\"1970-01-01T00:00:00Z\",\
         \"uint\":18446744073709551615}"
    );
}

#[test]
fn fields_that_clash_with_the_fixed_ones_step_aside() {
    let build = |line: Line<'static>| {
        line.field("time", "t").field("level", "l").field("msg", "x").field("message", "y")
    };
    assert_eq!(
        written(&config(Format::Text), build),
        format!(
            "{TIME}level=info msg=m fields.level=l fields.msg=x fields.time=t go.version=rust1 \
             message=y"
        )
    );
    assert_eq!(
        written(&config(Format::Json), build),
        "{\"fields.level\":\"l\",\"fields.msg\":\"x\",\"fields.time\":\"t\",\
         \"go.version\":\"rust1\",\"level\":\"info\",\"message\":\"y\",\"msg\":\"m\",\
         \"time\":\"1970-01-01T00:00:00Z\"}"
    );
    assert_eq!(
        written(&config(Format::Logstash), build),
        "{\"@timestamp\":\"1970-01-01T00:00:00Z\",\"@version\":\"1\",\"fields.level\":\"l\",\
         \"fields.message\":\"y\",\"go.version\":\"rust1\",\"level\":\"info\",\"message\":\"m\",\
         \"msg\":\"x\",\"time\":\"t\"}"
    );
}

#[test]
fn the_last_of_equal_names_counts_and_beats_the_common_one() {
    let build = |line: Line<'static>| {
        line.field("b", 1_u8).field("go.version", "mine").field("a", 0_u8).field("b", 2_u8)
    };
    let mut config = config(Format::Text);
    config.fields.insert("aa".to_owned(), "common".into());
    config.fields.insert("z".to_owned(), serde_json::json!(1.5));
    config.fields.insert("y".to_owned(), serde_json::json!({"k": ["v"]}));
    let line = written(&config, build);
    let want =
        "level=info msg=m a=0 aa=common b=2 go.version=mine y=\"{\\\"k\\\":[\\\"v\\\"]}\" z=1.5";
    assert_eq!(line, format!("{TIME}{want}"));
}

#[test]
fn the_compiler_is_named_on_every_line() {
    let line = written(&LogConfig::default(), |line| line);
    let version = line.split_once(" go.version=rust").map(|(_, version)| version);
    assert!(version.is_some_and(|version| version.starts_with("1.")), "{line}");
}

#[test]
fn an_empty_message_is_left_out_of_text_only() {
    let capture = Capture::new();
    for format in [Format::Text, Format::Json] {
        let logger = Arc::new(Logger::new(&config(format), Box::new(capture.clone())));
        Line::to(Some(logger), Level::Error, "").at(SystemTime::UNIX_EPOCH).emit();
    }
    let lines = capture.lines();
    assert_eq!(lines[0], format!("{TIME}level=error go.version=rust1"));
    assert!(lines[1].contains("\"msg\":\"\""), "{}", lines[1]);
}

#[test]
fn a_client_cannot_forge_a_line() {
    let line = written(&config(Format::Text), |line| {
        line.field("http.request.useragent", "x\" level=error msg=\"y\ntime=\"z\" \u{1b}[31m")
    });
    assert_eq!(line.lines().count(), 1);
    let want = r#"http.request.useragent="x\" level=error msg=\"y\ntime=\"z\" \x1b[31m""#;
    assert!(line.ends_with(want), "{line}");
}

#[test]
fn levels_filter_lines_and_can_be_changed() {
    let capture = Capture::new();
    let _scope = capture.scope(&LogConfig { level: Level::Warning, ..config(Format::Text) });
    let all = |tag: &'static str| {
        Line::fatal(tag).emit();
        Line::error(tag).emit();
        Line::warning(tag).emit();
        assert_eq!(Line::info(tag).is_enabled(), tag != "first");
        Line::info(tag).emit();
        Line::debug(tag).emit();
        tracing::warn!("{tag} event");
        tracing::info!("{tag} event");
        tracing::debug!("{tag} event");
        tracing::trace!("{tag} event");
    };
    all("first");
    let logger = telemetry::log::current().expect("a scope is set");
    logger.set_level(Level::Info);
    assert_eq!(logger.level(), Level::Info);
    all("second");
    let shown: Vec<_> = capture
        .lines()
        .iter()
        .map(|line| {
            let line = line.split_once(" level=").expect("a level").1;
            line.strip_suffix(" go.version=rust1").expect("the common field").to_owned()
        })
        .collect();
    assert_eq!(
        shown,
        [
            "fatal msg=first",
            "error msg=first",
            "warning msg=first",
            "warning msg=\"first event\"",
            "fatal msg=second",
            "error msg=second",
            "warning msg=second",
            "info msg=second",
            "warning msg=\"second event\"",
            "info msg=\"second event\"",
        ]
    );
}

#[test]
fn events_carry_their_fields_and_those_of_their_spans() {
    let capture = Capture::new();
    let _scope = capture.scope(&config(Format::Text));
    let outer = tracing::info_span!(
        "request",
        http.request.id = "r1",
        vars.name = "a/b",
        late = tracing::field::Empty
    );
    let _outer = outer.enter();
    outer.record("late", 7_u64);
    let inner = tracing::info_span!("step", vars.name = "c/d");
    let _inner = inner.enter();
    let missing = io::Error::from(io::ErrorKind::NotFound);
    tracing::info!(
        http.request.host = "127.0.0.1:5000",
        number = -3_i64,
        ratio = 0.5,
        truth = false,
        shown = %missing,
        error = &missing as &dyn std::error::Error,
        debug = ?Some(1),
        "stored {}",
        "blob"
    );
    let line = capture.text();
    let want = "level=info msg=\"stored blob\" debug=\"Some(1)\" error=\"entity not found\" \
                go.version=rust1 http.request.host=\"127.0.0.1:5000\" http.request.id=r1 late=7 \
                number=-3 ratio=0.5 shown=\"entity not found\" truth=false vars.name=c/d\n";
    assert_eq!(line.split_once("Z\" ").map(|(_, rest)| rest), Some(want));
}

#[test]
fn events_of_other_crates_are_shown_from_warning_on() {
    let capture = Capture::new();
    let config =
        LogConfig { level: Level::Debug, own_crates: vec!["registry"], ..config(Format::Text) };
    let _scope = capture.scope(&config);
    tracing::debug!(target: "registry::blobs", "own");
    tracing::debug!(target: "registrypretender", "foreign debug");
    tracing::info!(target: "hyper::proto", "foreign info");
    tracing::warn!(target: "hyper::proto", "foreign warning");
    let lines = capture.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("msg=own") && lines[1].contains("msg=\"foreign warning\""));
}

#[test]
fn a_scope_ends_with_its_guard() {
    let (outer, inner) = (Capture::new(), Capture::new());
    let outer_guard = outer.scope(&config(Format::Text));
    {
        let _inner = inner.scope(&config(Format::Text));
        Line::info("in").emit();
    }
    Line::info("out").emit();
    drop(outer_guard);
    Line::info("nowhere").emit();
    assert_eq!((outer.lines().len(), inner.lines().len()), (1, 1));
}

#[test]
fn long_values_are_cut() {
    let line = written(&config(Format::Text), |line| line.field("uri", "a".repeat(1 << 20)));
    assert!(line.len() < telemetry::log::MAX_VALUE + 200);
    assert!(line.ends_with("aaa[truncated]\""), "{}", &line[line.len() - 40..]);
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_told_of_later() {
    /// A disk that is full for the first lines.
    struct Full {
        refusals: AtomicUsize,
        rest: Capture,
    }
    impl Sink for Full {
        fn write_line(&self, line: &[u8]) -> io::Result<()> {
            let left = self.refusals.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
            if left.is_ok() {
                Err(io::ErrorKind::StorageFull.into())
            } else {
                self.rest.write_line(line)
            }
        }
    }
    let rest = Capture::new();
    let sink = Full { refusals: AtomicUsize::new(2), rest: rest.clone() };
    let logger = Arc::new(Logger::new(&config(Format::Text), Box::new(sink)));
    for text in ["lost", "lost", "written", "after"] {
        Line::to(Some(Arc::clone(&logger)), Level::Info, text).emit();
    }
    assert_eq!(logger.lost_lines(), 2);
    let lines = rest.lines();
    let messages: Vec<_> =
        lines.iter().map(|line| line.split("msg=").nth(1).unwrap_or_default()).collect();
    assert_eq!(messages.len(), 3, "{lines:?}");
    assert!(messages[0].starts_with("written "), "{lines:?}");
    assert!(messages[1].starts_with("\"log lines could not be written\" "), "{lines:?}");
    assert!(messages[1].contains(" log.lost=2") && lines[1].contains("level=warning"), "{lines:?}");
    assert!(messages[2].starts_with("after "), "told once: {lines:?}");
}

/// Runs [`in_a_process_of_its_own`] with a datagram socket for standard error, where each write
/// arrives by itself.
#[test]
fn each_line_is_one_write_to_standard_error() {
    let (ours, theirs) = UnixDatagram::pair().expect("a pair of sockets");
    let child = std::env::current_exe().expect("the path of this program");
    let status = Command::new(child)
        .args(["--ignored", "--exact", "log::in_a_process_of_its_own"])
        .stdout(Stdio::null())
        .stderr(Stdio::from(OwnedFd::from(theirs)))
        .status();
    assert!(status.expect("the child runs").success());
    ours.set_nonblocking(true).expect("a socket");
    let mut packets = Vec::new();
    let mut buffer = vec![0; 100_000];
    while let Ok(length @ 1..) = ours.recv(&mut buffer) {
        packets.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
    }
    let shown: Vec<_> =
        packets.iter().map(|text| text.split_once(" level=").map(|(_, t)| t)).collect();
    let long = format!("info msg=long go.version=rust1 value={}\n", "a".repeat(16_000));
    assert_eq!(
        shown,
        [
            Some("info msg=first go.version=rust1\n"),
            Some(long.as_str()),
            Some("warning msg=event go.version=rust1 number=1\n"),
            Some("debug msg=\"after the change\" go.version=rust1\n"),
        ]
    );
}

#[test]
#[ignore = "run by each_line_is_one_write_to_standard_error"]
fn in_a_process_of_its_own() {
    Line::info("before set-up").emit();
    let logger = telemetry::log::init(&config(Format::Text)).expect("the first time");
    Line::info("first").emit();
    Line::info("long").field("value", "a".repeat(16_000)).emit();
    Line::debug("hidden").emit();
    tracing::warn!(number = 1, "event");
    tracing::debug!("hidden");
    logger.set_level(Level::Debug);
    Line::debug("after the change").emit();
    let again = telemetry::log::init(&LogConfig::default());
    assert!(matches!(again, Err(InitError::Twice)));
}
