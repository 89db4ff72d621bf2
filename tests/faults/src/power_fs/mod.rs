// SPDX-License-Identifier: Apache-2.0
//! T-03 without a model of a filesystem: the power fails under the kernel's own ones.
//!
//! ```text
//!   script ─▶ berth ─▶ ext4, XFS, btrfs ─▶ loop device ─▶ FUSE ─▶ [`disk`]: writes and flushes in order
//!                                                                       │ cut anywhere: [`log`]
//!   verify ◀─ berth ◀─ the filesystem replays its journal ◀─ loop ◀─ image of the disk
//! ```

pub mod disk;
pub mod log;
pub mod mount;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use self::disk::Disk;
use self::log::{Content, Event, Survival, crash};
use self::mount::{Kind, Mounted};
use crate::kill::{each, lock};
use crate::oracle::Oracle;
use crate::random::Random;
use crate::report::{Report, Violation};
use crate::script::{self, Action, Answer, Step};
use crate::world::{Mode, World, scratch};

/// A filesystem may itself be lost when its superblock, which is two sectors of ext4, is torn. That
/// says nothing of Berth; but if it happens to more than one image in so many, the test is wrong.
const LOST_PART: usize = 20;

/// Images made at a random moment for each that is made at the moment of an acknowledgement.
const RANDOM_MOMENTS: usize = 2;

/// What a disk saw while the script ran, and what the client knew.
struct Recording {
    kind: Kind,
    mode: Mode,
    /// The disk before.
    base: Content,
    events: Vec<Event>,
    actions: Vec<Action>,
    /// How many events had happened when the client had the answer to each action.
    answered: Vec<usize>,
    /// What the client knew after so many answers, with the next action under way.
    oracles: Vec<Oracle>,
}

/// What became of an image.
enum Outcome {
    /// A registry was started over it; what contradicts the promises.
    Read(Vec<String>),
    /// The kernel does not mount it, for this reason.
    Lost(String),
}

struct Case {
    recording: usize,
    position: usize,
    survival: Survival,
}

/// Tries `limit` images of each filesystem and mode.
pub fn run(seed: u64, kinds: &[Kind], modes: &[Mode], limit: usize, jobs: usize) -> Result<Report> {
    let script = script::script(seed);
    let mut report = Report::new("power-fs", seed);
    let mut random = Random::new(seed);
    let (mut recordings, mut cases) = (Vec::new(), Vec::new());
    if let Err(cause) = Disk::new(1 << 20).and_then(|disk| usable(&disk)) {
        eprintln!("skipped: no recording disk: {cause:#}");
        report.figure("skipped", true);
        return Ok(report);
    }
    for kind in kinds {
        if !kind.present() {
            eprintln!("skipped: {}: its mkfs is not installed", kind.name);
            continue;
        }
        for mode in modes {
            let recording = record(*kind, *mode, &script)
                .with_context(|| format!("record {} on {}", mode.word(), kind.name))?;
            let flushes = recording.events.iter().filter(|it| **it == Event::Flush).count();
            let name = format!("{}_{}", kind.name, mode.word());
            report.figure(&format!("writes_{name}"), recording.events.len() - flushes);
            report.figure(&format!("flushes_{name}"), flushes);
            cases.extend(draw(recordings.len(), &recording, limit, &mut random));
            recordings.push(recording);
        }
    }
    report.figure("images_tried", cases.len());
    let report = Mutex::new(report);
    let distinct = Mutex::new(HashSet::new());
    let lost = Mutex::new(Vec::new());
    each(cases, jobs, |case| {
        let recording = &recordings[case.recording];
        let content = crash(&recording.base, &recording.events, case.position, case.survival);
        let acknowledged = recording.acknowledged(case.position);
        let mut hash = DefaultHasher::new();
        (case.recording, acknowledged, &content).hash(&mut hash);
        if !lock(&distinct).insert(hash.finish()) {
            return Ok(());
        }
        let outcome = try_image(recording, &content, acknowledged)
            .unwrap_or_else(|cause| Outcome::Read(vec![format!("{cause:#}")]));
        let wrong = match outcome {
            Outcome::Read(wrong) => wrong,
            Outcome::Lost(cause) => {
                lock(&lost).push((recording.kind.name, cause));
                return Ok(());
            }
        };
        if !wrong.is_empty() {
            let (kind, mode) = (recording.kind.name, recording.mode.word());
            let kept = tempfile::Builder::new().prefix("berth-image-").tempdir_in(scratch())?;
            content.store(&kept.path().join(kind), recording.kind.size)?;
            lock(&report).violation(Violation {
                point: format!(
                    "{kind}, {mode} store, after event {} of the disk, {acknowledged} actions \
                     acknowledged, {:?}",
                    case.position, case.survival
                ),
                what: wrong,
                store: Some(kept.keep()),
            });
        }
        Ok(())
    })?;
    let mut report = report.into_inner().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
    let (distinct, lost) = (lock(&distinct).len(), lock(&lost));
    report.figure("distinct_images", distinct);
    report.figure("filesystems_lost", lost.len());
    for (kind, cause) in lost.iter() {
        eprintln!("lost: {kind}: {cause}");
    }
    if lost.len() > distinct / LOST_PART {
        let what = lost.iter().map(|(kind, cause)| format!("{kind}: {cause}")).collect();
        report.violation(Violation { point: "too many lost".into(), what, store: None });
    }
    Ok(report)
}

/// Whether a loop device can lie on the recording disk here.
fn usable(disk: &Disk) -> Result<()> {
    mount::EXT4.make(&disk.path())?;
    Mounted::new(mount::EXT4, &disk.path()).map(drop)
}

impl Recording {
    /// Actions whose answer the client had when so many events had happened.
    fn acknowledged(&self, position: usize) -> usize {
        self.answered.iter().filter(|answered| **answered <= position).count()
    }
}

/// Runs the script once on a recording disk.
fn record(kind: Kind, mode: Mode, script: &[Step]) -> Result<Recording> {
    let disk = Disk::new(kind.size)?;
    kind.make(&disk.path())?;
    let mounted = Mounted::new(kind, &disk.path())?;
    let store = mounted.store()?;
    rustix::fs::sync();
    let base = disk.begin();
    let mut world = World::new(mode, &store);
    let (mut actions, mut answered, mut oracles) = (Vec::new(), Vec::new(), Vec::new());
    world.start(None)?;
    for step in script {
        let script::Kind::Act(action) = &step.kind else {
            world.step(step, None)?;
            continue;
        };
        let mut during = world.oracle.clone();
        during.begin(&action.effects(&world.oracle));
        oracles.push(during);
        match world.act(action)? {
            Answer::Acknowledged => answered.push(disk.position()),
            other => bail!("{}: {other:?}", step.name),
        }
        actions.push(action.clone());
    }
    oracles.push(world.oracle.clone());
    let events = disk.events();
    world.kill()?;
    Ok(Recording { kind, mode, base, events, actions, answered, oracles })
}

/// Moments for the power to fail: right after an answer, which is when a missing flush shows most,
/// and any other.
fn draw(index: usize, recording: &Recording, limit: usize, random: &mut Random) -> Vec<Case> {
    let mut positions = Vec::new();
    let mut answers = recording.answered.clone();
    answers.retain(|answered| *answered > 0);
    while positions.len() < limit {
        let round: Vec<usize> =
            random.sample(answers.clone(), limit.div_ceil(RANDOM_MOMENTS + 1).max(1));
        for answered in round {
            positions.push(answered);
            for _ in 0..RANDOM_MOMENTS {
                positions.push(1 + random.below(recording.events.len()));
            }
        }
    }
    positions.truncate(limit);
    positions
        .into_iter()
        .map(|position| {
            let survival = match random.below(8) {
                0 | 1 => Survival::Nothing,
                2 => Survival::Everything,
                3 | 4 => Survival::Sectors(random.draw()),
                _ => Survival::Writes(random.draw()),
            };
            Case { recording: index, position, survival }
        })
        .collect()
}

/// Mounts an image, starts a registry on it and reads everything back.
fn try_image(recording: &Recording, content: &Content, acknowledged: usize) -> Result<Outcome> {
    let folder = tempfile::Builder::new().prefix("berth-image-").tempdir_in(scratch())?;
    let image = folder.path().join("disk");
    content.store(&image, recording.kind.size)?;
    let mounted = match Mounted::new(recording.kind, &image) {
        Ok(mounted) => mounted,
        Err(cause) => return Ok(Outcome::Lost(format!("{cause:#}"))),
    };
    read_back(recording, acknowledged, &mounted.store()?).map(Outcome::Read)
}

fn read_back(recording: &Recording, acknowledged: usize, store: &Path) -> Result<Vec<String>> {
    let mut world = World::new(recording.mode, store);
    world.oracle = recording.oracles[acknowledged].clone();
    world.start(None).context("start over the image")?;
    let mut wrong = world.verify()?;
    // What the power cut interrupted can be done again.
    if let Some(action) = recording.actions.get(acknowledged) {
        if let Err(cause) = world.act_again(action) {
            wrong.push(format!("what was under way cannot be done again: {cause:#}"));
        }
        wrong.extend(world.verify()?.into_iter().map(|it| format!("after doing it again: {it}")));
    }
    world.stop()?;
    wrong.extend(world.check()?);
    wrong.extend(world.leftovers()?);
    Ok(wrong)
}
