// SPDX-License-Identifier: Apache-2.0
//! `berth registry check`, `garbage-collect` and `purge-uploads`: what they print.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use blobstore::BlobStore;
use blobstore::maintenance::check::{Finding, Observer, Progress, Severity};
use blobstore::maintenance::collect::{CollectOptions, Event};
use clap::ValueEnum;
use telemetry::log::{Level, Line};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::store::Purpose;
use super::{config, store};
use crate::cli::Source;

/// Exit code of a command that could not do its work: the configuration or the store is not usable.
const UNUSABLE: u8 = 2;

/// Time between two progress lines.
const PROGRESS: Duration = Duration::from_secs(2);

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A line for people: severity, code, place, explanation.
    #[default]
    Text,
    /// One JSON object a line, and one with the totals at the end.
    Json,
}

/// Reads an age in Go's notation.
pub(crate) fn parse_age(text: &str) -> Result<Duration, String> {
    registry_config::parse_duration(text)
        .ok_or_else(|| format!("{text:?} is not a duration such as 168h or 30m"))
}

/// Opens the store and lets `work` run on it.
pub(super) fn with_store<T>(
    source: &Source,
    purpose: Purpose,
    work: impl AsyncFnOnce(&BlobStore) -> Result<T>,
) -> Result<T> {
    let (config, warnings) = config::load(source)?;
    // Results go to standard output; of the log only what needs attention.
    config::init_log(&config, Some(Level::Warning), &warnings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let store = store::open(&config, purpose, None).await?;
        let result = work(&store).await;
        store.close().await;
        result
    })
}

/// What a command answers: `done` tells how its work ended; that it could not be done is said here.
fn conclude<T>(worked: Result<T>, done: impl FnOnce(T) -> ExitCode) -> ExitCode {
    match worked {
        Ok(result) => done(result),
        Err(error) => {
            eprintln!("berth: {error:#}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn success_if(fine: bool) -> ExitCode {
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Printer {
    output: Output,
    quiet: bool,
    last: Instant,
}

impl Observer for Printer {
    fn finding(&mut self, finding: &Finding) {
        let severity = match finding.problem.severity() {
            Severity::Damage => "damage",
            Severity::Note => "note",
        };
        let code = finding.problem.code();
        let (key, problem) = (&finding.key, &finding.problem);
        // A closed pipe ends the printing, not the check: the exit code still tells.
        let mut out = std::io::stdout().lock();
        let _ = match self.output {
            Output::Text => writeln!(out, "{severity}\t{code}\t{key}\t{problem}"),
            Output::Json => writeln!(
                out,
                "{}",
                serde_json::json!({
                    "severity": severity, "code": code, "path": key.as_str(),
                    "message": problem.to_string(),
                })
            ),
        };
    }

    fn progress(&mut self, progress: &Progress) {
        if self.quiet || self.last.elapsed() < PROGRESS {
            return;
        }
        self.last = Instant::now();
        eprintln!(
            "{} blobs ({} MiB), {} repositories, {} damaged",
            progress.blobs,
            progress.bytes >> 20,
            progress.repositories,
            progress.damaged
        );
    }
}

/// `berth registry check`.
pub(crate) fn check(source: &Source, output: Output, quiet: bool) -> ExitCode {
    let quiet = quiet || (output == Output::Json && !std::io::stderr().is_terminal());
    let mut printer = Printer { output, quiet, last: Instant::now() };
    let checked = with_store(source, Purpose::Read, async |store| {
        if store.journal_is_pending() && !quiet {
            eprintln!(
                "a registry is writing to this store, or has crashed and was not started again: \
                 what is reported may be changes that its journal still holds"
            );
        }
        store.check(&mut printer).await.context("the store cannot be read")
    });
    conclude(checked, |progress| {
        print_totals(&progress, output);
        success_if(progress.damaged == 0)
    })
}

fn print_totals(progress: &Progress, output: Output) {
    match output {
        Output::Text => println!(
            "{} blobs, {} bytes, {} repositories, {} links, {} manifests: {} damaged, {} notes",
            progress.blobs,
            progress.bytes,
            progress.repositories,
            progress.links,
            progress.manifests,
            progress.damaged,
            progress.notes
        ),
        Output::Json => println!(
            "{}",
            serde_json::json!({
                "blobs": progress.blobs, "bytes": progress.bytes,
                "repositories": progress.repositories, "links": progress.links,
                "manifests": progress.manifests, "damaged": progress.damaged,
                "notes": progress.notes,
            })
        ),
    }
}

/// `berth registry garbage-collect`.
pub(crate) fn garbage_collect(
    source: &Source,
    dry_run: bool,
    delete_untagged: bool,
    quiet: bool,
) -> ExitCode {
    let purpose = if dry_run { Purpose::Read } else { Purpose::Maintain };
    let options = CollectOptions { dry_run, delete_untagged };
    let collected = with_store(source, purpose, async |store| {
        store
            .collect_garbage(options, |event| {
                if !quiet {
                    print_event(&event);
                }
            })
            .await
            .context("garbage collection stopped; what was removed stays removed, run it again")
    });
    conclude(collected, |collected| {
        let verb = if dry_run { "eligible for deletion" } else { "deleted" };
        println!(
            "{} blobs marked, {} blobs ({} bytes) and {} manifests {verb}",
            collected.marked, collected.blobs, collected.bytes, collected.manifests
        );
        ExitCode::SUCCESS
    })
}

fn print_event(event: &Event<'_>) {
    match event {
        Event::Repository(name) => println!("{name}"),
        Event::MarkManifest(name, digest) => println!("{name}: marking manifest {digest}"),
        Event::MarkBlob(name, digest) => println!("{name}: marking blob {digest}"),
        Event::DeleteManifest(name, digest) => {
            println!("{name}: manifest eligible for deletion: {digest}");
        }
        Event::Marked { blobs, garbage_blobs, garbage_manifests } => println!(
            "\n{blobs} blobs marked, {garbage_blobs} blobs and {garbage_manifests} manifests eligible for deletion"
        ),
        Event::DeleteBlob(digest, _) => println!("blob eligible for deletion: {digest}"),
    }
}

/// `berth registry purge-uploads`.
pub(crate) fn purge_uploads(source: &Source, age: Duration, delete: bool) -> ExitCode {
    let purpose = if delete { Purpose::Maintain } else { Purpose::Read };
    let purged = with_store(source, purpose, async |store| {
        store
            .purge_uploads(age, SystemTime::now(), !delete, |stale| {
                let since = rfc3339(stale.since);
                println!("{}\tbegun {since}", stale.directory);
            })
            .await
            .context("the store cannot be read")
    });
    conclude(purged, |purged| {
        let verb = if delete { "removed" } else { "would be removed (--delete removes them)" };
        println!("{} upload sessions {verb}, {} errors", purged.sessions, purged.errors);
        success_if(purged.errors == 0)
    })
}

/// One purge of a running registry, with the lines of the contract (registry.md 5.7).
pub(super) async fn purge(store: &BlobStore, age: Duration, now: SystemTime, dry_run: bool) {
    let limit = rfc3339(now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH));
    Line::info(format!("PurgeUploads starting: olderThan={limit}, actuallyDelete={}", !dry_run))
        .emit();
    let purged = store
        .purge_uploads(age, now, dry_run, |stale| {
            Line::info(format!(
                "Upload files in {} have older date ({}) than purge date ({limit}).  Removing upload directory.",
                stale.directory,
                rfc3339(stale.since)
            ))
            .emit();
        })
        .await;
    match purged {
        Ok(purged) => Line::info(format!(
            "Purge uploads finished.  Num deleted={}, num errors={}",
            purged.sessions, purged.errors
        ))
        .emit(),
        Err(error) => {
            let error = anyhow::Error::from(error);
            Line::error(format!("Purge uploads stopped: {error:#}")).emit();
        }
    }
}

fn rfc3339(time: SystemTime) -> String {
    let time = OffsetDateTime::from(time);
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    whole.format(&Rfc3339).unwrap_or_default()
}
