// SPDX-License-Identifier: Apache-2.0
//! T-03: the power fails. What a real registry did is recorded, replayed into the [`model`] of a
//! filesystem, and at every moment images are made of what that filesystem may have kept.

pub mod model;
pub mod record;
pub mod trace;

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result};

use self::model::{Image, Model, Node, Rules, Survival};
use self::record::{Recording, Replicas, record};
use crate::kill::{each, lock};
use crate::random::Random;
use crate::report::{Report, Violation};
use crate::script::script;
use crate::verify::verify;
use crate::world::{Mode, World, client, launch, new_store};

/// Images drawn at each moment beside the extreme ones.
const DRAWS: u64 = 4;

/// One image to be tried.
struct Case {
    recording: usize,
    /// Index of the last event before the power failed.
    position: usize,
    rules: Rules,
    /// Actions acknowledged by then.
    acknowledged: usize,
    survival: Survival,
}

/// Tries at most `limit` images of each recording under each set of rules.
pub fn run(seed: u64, modes: &[Mode], limit: usize, jobs: usize) -> Result<Report> {
    let script = script(seed);
    let mut recordings = Vec::new();
    for mode in modes {
        recordings.push(record(*mode, Replicas::One, &script)?);
        if *mode == Mode::Shared {
            recordings.push(record(*mode, Replicas::Two, &script)?);
        }
    }
    let mut report = Report::new("power", seed);
    let mut random = Random::new(seed);
    let mut cases = Vec::new();
    let mut possible = 0;
    for (index, recording) in recordings.iter().enumerate() {
        report.figure(&format!("events_{}", recording.name), recording.events.len());
        for rules in [Rules::Strict, Rules::Journalled] {
            let all = moments(index, recording, rules, &mut random)?;
            possible += all.len();
            cases.extend(random.sample(all, limit));
        }
    }
    report.figure("images_possible", possible);
    report.figure("images_tried", cases.len());
    let report = Mutex::new(report);
    let distinct = Mutex::new(HashSet::new());
    let broken: Mutex<BTreeMap<String, u64>> = Mutex::default();
    each(cases, jobs, |case| {
        let recording = &recordings[case.recording];
        let image = image_of(recording, &case)?;
        let mut hash = DefaultHasher::new();
        (case.recording, case.acknowledged, &image).hash(&mut hash);
        if !lock(&distinct).insert(hash.finish()) {
            return Ok(());
        }
        let store = new_store()?;
        // The image stays as it was for inspection; the registry runs over a copy.
        let wrong = write_image(&image, store.path())
            .and_then(|()| try_image(recording, &case, store.path()))
            .unwrap_or_else(|cause| vec![format!("{cause:#}")]);
        if !wrong.is_empty() {
            let kept = new_store()?;
            write_image(&image, kept.path())?;
            let kind = format!("broken_{}_{:?}_{:?}", recording.name, case.rules, case.survival);
            let kind = kind.split('(').next().unwrap_or_default().to_owned();
            *lock(&broken).entry(kind).or_default() += 1;
            lock(&report).violation(Violation {
                point: format!(
                    "{}, after event {} ({}), {} actions acknowledged, {:?}, {:?}",
                    recording.name,
                    case.position,
                    recording.events[case.position].describe(),
                    case.acknowledged,
                    case.rules,
                    case.survival
                ),
                what: wrong,
                store: Some(kept.keep()),
            });
        }
        Ok(())
    })?;
    let mut report = report.into_inner().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
    report.figure("distinct_images", lock(&distinct).len());
    for (kind, count) in lock(&broken).iter() {
        report.figure(kind, *count);
    }
    Ok(report)
}

/// Every moment at which a power cut may leave something new, with the images to be made of it.
fn moments(
    index: usize,
    recording: &Recording,
    rules: Rules,
    random: &mut Random,
) -> Result<Vec<Case>> {
    let mut model = Model::new(&recording.root, rules);
    let mut cases = Vec::new();
    let mut replies = 0;
    let mut acknowledged = 0;
    for (position, event) in recording.events.iter().enumerate() {
        let mut changed = model
            .apply(event)
            .with_context(|| format!("event {position} of {}: {event:?}", recording.name))?;
        if matches!(event, trace::Event::Reply { .. }) {
            let meaning = recording.replies.get(replies).context("an answer nobody asked for")?;
            replies += 1;
            acknowledged += usize::from(*meaning);
            changed |= *meaning;
        }
        if !changed {
            continue;
        }
        let extreme =
            [Survival::Nothing, Survival::NamesOnly, Survival::ContentOnly, Survival::Everything];
        let drawn: Vec<_> = (0..DRAWS).map(|_| Survival::Any(random.draw())).collect();
        cases.extend(extreme.into_iter().chain(drawn).map(|survival| Case {
            recording: index,
            position,
            rules,
            acknowledged,
            survival,
        }));
    }
    anyhow::ensure!(replies == recording.replies.len(), "the log lacks answers");
    Ok(cases)
}

fn image_of(recording: &Recording, case: &Case) -> Result<Image> {
    let mut model = Model::new(&recording.root, case.rules);
    for event in &recording.events[..=case.position] {
        model.apply(event)?;
    }
    Ok(model.image(case.survival))
}

fn write_image(image: &Image, directory: &Path) -> Result<()> {
    for (path, node) in image {
        let path = directory.join(path);
        match node {
            Node::Directory => std::fs::create_dir(&path)?,
            Node::File(content) => std::fs::write(&path, content)?,
        }
    }
    Ok(())
}

/// Starts registries over an image and reads everything back.
fn try_image(recording: &Recording, case: &Case, store: &Path) -> Result<Vec<String>> {
    let mut world = World::new(recording.mode, store);
    world.oracle = recording.oracles[case.acknowledged].clone();
    world.start(None).context("start over the image")?;
    let mut wrong = world.verify()?;
    if recording.replicas == Replicas::Two {
        let second = launch(recording.mode, store, "", None)?;
        let found = verify(&mut client(&second)?, &world.oracle)?;
        wrong.extend(found.into_iter().map(|it| format!("second replica: {it}")));
    }
    // What the power cut interrupted can be done again.
    if let Some(action) = recording.actions.get(case.acknowledged) {
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
