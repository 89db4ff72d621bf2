// SPDX-License-Identifier: Apache-2.0
//! The filesystem that the power test assumes; README.md states its rules in words.
//!
//! A change of a name or of a file's content is an *atom*. Each atom is durable or not; after a power
//! cut all durable atoms are found and any of the others may be, within the rules of [`Model::choose`].

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result};

use super::trace::{Event, Open};
use crate::random::Random;

/// Smallest unit that a device writes as a whole.
const SECTOR: u64 = 512;

/// Index of a file or directory.
type Inode = usize;

const ROOT: Inode = 0;

#[derive(Clone, Debug)]
enum Atom {
    /// Names that change together: one, or the two of a rename.
    Names(Vec<(Inode, String, Option<Inode>)>),
    /// Bytes of a file.
    Data { file: Inode, offset: u64, bytes: Vec<u8> },
    /// The size of a file.
    Size { file: Inode, size: u64 },
}

/// What may happen to names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rules {
    /// What POSIX promises: names are durable only by a sync of their directory, and those of
    /// different directories in no order.
    Strict,
    /// As on ext4 and XFS: all changes of names go through one journal and survive in order, and a
    /// sync of a file commits its name and those of the directories above it.
    Journalled,
}

/// How much of what is not durable survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survival {
    /// Nothing.
    Nothing,
    /// All changes of names and sizes, no content.
    NamesOnly,
    /// All content, no names.
    ContentOnly,
    /// Everything: the state that a kill leaves.
    Everything,
    /// Drawn for each atom.
    Any(u64),
}

/// A file or directory of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A directory.
    Directory,
    /// A file with its content.
    File(Vec<u8>),
}

/// What is found after a power cut: paths below the root, parents first.
pub type Image = BTreeMap<String, Node>;

/// The state of a filesystem at one moment.
pub struct Model {
    root: std::path::PathBuf,
    rules: Rules,
    /// Whether each inode is a directory.
    directories: Vec<bool>,
    /// What processes see.
    names: HashMap<(Inode, String), Inode>,
    atoms: Vec<Atom>,
    durable: Vec<bool>,
    opened: HashMap<(usize, i32), (Inode, u64)>,
    /// For each thread in a sync: what it covers, and how many atoms there were when it began.
    syncing: HashMap<u32, (Option<Inode>, usize)>,
}

impl Model {
    /// An empty, durable root directory.
    pub fn new(root: &Path, rules: Rules) -> Self {
        Self {
            root: root.to_owned(),
            rules,
            directories: vec![true],
            names: HashMap::new(),
            atoms: Vec::new(),
            durable: Vec::new(),
            opened: HashMap::new(),
            syncing: HashMap::new(),
        }
    }

    /// Lets something happen; tells whether a crash now could leave something else than before.
    pub fn apply(&mut self, event: &Event) -> Result<bool> {
        let before = self.atoms.len();
        match event {
            Event::Open { open, path, create, truncate } => {
                let file = self.open(path, *create)?;
                if *truncate {
                    self.push(Atom::Size { file, size: 0 });
                }
                self.opened.insert((open.process, open.number), (file, 0));
            }
            Event::Close(open) => _ = self.opened.remove(&(open.process, open.number)),
            Event::Write { open, offset, bytes } => {
                let entry = self
                    .opened
                    .get_mut(&(open.process, open.number))
                    .context("a write to a file that is not open")?;
                let at = offset.unwrap_or(entry.1);
                if offset.is_none() {
                    entry.1 += bytes.len() as u64;
                }
                let file = entry.0;
                self.push(Atom::Data { file, offset: at, bytes: bytes.clone() });
            }
            Event::Truncate { open, size } => {
                let file = self.inode(open)?;
                self.push(Atom::Size { file, size: *size });
            }
            Event::MakeDir(path) => {
                let (directory, name) = self.split(path)?;
                let made = self.make(true);
                self.name(vec![(directory, name, Some(made))]);
            }
            Event::Remove(path) => {
                let (directory, name) = self.split(path)?;
                self.name(vec![(directory, name, None)]);
            }
            Event::Rename(from, to) => {
                let (source, old) = self.split(from)?;
                let (target, new) = self.split(to)?;
                let moved = self.names.get(&(source, old.clone())).copied();
                let moved = moved.with_context(|| format!("no {}", from.display()))?;
                self.name(vec![(source, old, None), (target, new, Some(moved))]);
            }
            Event::Link(from, to) => {
                let linked = self.find(from)?;
                let (directory, name) = self.split(to)?;
                self.name(vec![(directory, name, Some(linked))]);
            }
            Event::SyncBegin { thread, open } => {
                let covers = open.as_ref().map(|open| self.inode(open)).transpose()?;
                self.syncing.insert(*thread, (covers, self.atoms.len()));
            }
            Event::SyncEnd { thread } => {
                let (covers, until) =
                    self.syncing.remove(thread).context("the end of a sync that did not begin")?;
                return Ok(self.sync(covers, until));
            }
            Event::Reply { .. } => {}
        }
        Ok(self.atoms.len() != before)
    }

    fn push(&mut self, atom: Atom) {
        self.atoms.push(atom);
        self.durable.push(false);
    }

    fn name(&mut self, changes: Vec<(Inode, String, Option<Inode>)>) {
        for (directory, name, value) in &changes {
            match value {
                Some(inode) => _ = self.names.insert((*directory, name.clone()), *inode),
                None => _ = self.names.remove(&(*directory, name.clone())),
            }
        }
        self.push(Atom::Names(changes));
    }

    fn make(&mut self, directory: bool) -> Inode {
        self.directories.push(directory);
        self.directories.len() - 1
    }

    fn inode(&self, open: &Open) -> Result<Inode> {
        let entry = self.opened.get(&(open.process, open.number));
        entry.map(|(inode, _)| *inode).context("a file that is not open")
    }

    fn open(&mut self, path: &Path, create: bool) -> Result<Inode> {
        if let Ok(found) = self.find(path) {
            return Ok(found);
        }
        anyhow::ensure!(create, "{} was opened but is not there", path.display());
        let (directory, name) = self.split(path)?;
        let made = self.make(false);
        self.name(vec![(directory, name, Some(made))]);
        Ok(made)
    }

    fn find(&self, path: &Path) -> Result<Inode> {
        let below = path.strip_prefix(&self.root).context("a path outside the store")?;
        below.components().try_fold(ROOT, |at, component| {
            let name = component.as_os_str().to_string_lossy().into_owned();
            let found = self.names.get(&(at, name)).copied();
            found.with_context(|| format!("{} is not there", path.display()))
        })
    }

    fn split(&self, path: &Path) -> Result<(Inode, String)> {
        let parent = self.find(path.parent().context("no parent")?)?;
        let name = path.file_name().context("no name")?.to_string_lossy().into_owned();
        Ok((parent, name))
    }

    /// A sync has succeeded: what it covers, among the first `until` atoms, is durable.
    fn sync(&mut self, covers: Option<Inode>, until: usize) -> bool {
        let before = self.durable.iter().filter(|it| **it).count();
        let mut above = HashSet::new();
        if self.rules == Rules::Journalled
            && let Some(inode) = covers.filter(|inode| !self.directories[*inode])
        {
            self.names_above(inode, until, &mut above);
        }
        for (index, durable) in self.durable[..until].iter_mut().enumerate() {
            *durable |= above.contains(&index);
        }
        for (atom, durable) in self.atoms[..until].iter().zip(&mut self.durable) {
            *durable |= match (covers, atom) {
                (None, _) => true,
                (Some(inode), Atom::Names(changes)) => {
                    changes.iter().any(|(directory, _, _)| *directory == inode)
                }
                (Some(inode), Atom::Data { file, .. } | Atom::Size { file, .. }) => *file == inode,
            };
        }
        if self.rules == Rules::Journalled
            && let Some(last) = self.last_durable_name()
        {
            for (atom, durable) in self.atoms[..last].iter().zip(&mut self.durable) {
                *durable |= matches!(atom, Atom::Names(_));
            }
        }
        // What happened to a name before something durable happened to it is durable as well.
        let mut settled = HashSet::new();
        for (atom, durable) in self.atoms.iter().zip(&mut self.durable).rev() {
            let Atom::Names(changes) = atom else { continue };
            let key = |(directory, name, _): &(Inode, String, _)| (*directory, name.clone());
            *durable |= changes.iter().any(|change| settled.contains(&key(change)));
            if *durable {
                settled.extend(changes.iter().map(key));
            }
        }
        self.durable.iter().filter(|it| **it).count() != before
    }

    fn last_durable_name(&self) -> Option<usize> {
        (0..self.atoms.len())
            .rev()
            .find(|index| self.durable[*index] && matches!(self.atoms[*index], Atom::Names(_)))
    }

    /// The atoms that gave a file its name, and the directories above it theirs.
    fn names_above(&self, inode: Inode, until: usize, found: &mut HashSet<usize>) {
        for (index, atom) in self.atoms[..until].iter().enumerate() {
            let Atom::Names(changes) = atom else { continue };
            for (directory, _, value) in changes {
                if *value == Some(inode) && found.insert(index) {
                    self.names_above(*directory, until, found);
                }
            }
        }
    }

    /// What a power cut at this moment may leave.
    pub fn image(&self, survival: Survival) -> Image {
        let mut names: HashMap<(Inode, String), Inode> = HashMap::new();
        let mut contents: HashMap<Inode, Vec<u8>> = HashMap::new();
        for (atom, part) in self.atoms.iter().zip(self.choose(survival)) {
            match (atom, part) {
                (_, Part::Absent) => {}
                (Atom::Names(changes), _) => {
                    for (directory, name, value) in changes {
                        match value {
                            Some(inode) => _ = names.insert((*directory, name.clone()), *inode),
                            None => _ = names.remove(&(*directory, name.clone())),
                        }
                    }
                }
                (Atom::Size { file, size }, _) => {
                    contents.entry(*file).or_default().resize(*size as usize, 0);
                }
                (Atom::Data { file, offset, bytes }, part) => {
                    write(contents.entry(*file).or_default(), *offset, bytes, &part);
                }
            }
        }
        let mut children: HashMap<Inode, Vec<(String, Inode)>> = HashMap::new();
        for ((directory, name), inode) in names {
            children.entry(directory).or_default().push((name, inode));
        }
        let mut image = Image::new();
        let mut walk = vec![(ROOT, String::new())];
        while let Some((directory, path)) = walk.pop() {
            for (name, inode) in children.remove(&directory).unwrap_or_default() {
                let path = if path.is_empty() { name } else { format!("{path}/{name}") };
                if self.directories[inode] {
                    walk.push((inode, path.clone()));
                    image.insert(path, Node::Directory);
                } else {
                    image.insert(
                        path,
                        Node::File(contents.get(&inode).cloned().unwrap_or_default()),
                    );
                }
            }
        }
        image
    }

    /// How much of each atom survives.
    fn choose(&self, survival: Survival) -> Vec<Part> {
        let mut random = match survival {
            Survival::Any(seed) => Random::new(seed),
            _ => Random::new(0),
        };
        // Most draws should be near an end: few things lost, or few things kept.
        let lose_one_in = [2, 2, 4, 12][random.below(4)];
        let keep_few = random.one_in(4);
        let lost = |random: &mut Random| random.one_in(lose_one_in) != keep_few;
        let waiting = self.durable.iter().filter(|it| !**it).count();
        let cut = random.below(waiting + 1);
        let mut seen = 0;
        // A name whose change was lost cannot show a later change.
        let mut stale: HashSet<(Inode, &str)> = HashSet::new();
        let mut parts = Vec::with_capacity(self.atoms.len());
        for (atom, durable) in self.atoms.iter().zip(&self.durable) {
            if *durable {
                parts.push(Part::Whole);
                continue;
            }
            seen += 1;
            parts.push(match atom {
                Atom::Names(changes) => {
                    let keep = match survival {
                        Survival::Nothing | Survival::ContentOnly => false,
                        Survival::NamesOnly | Survival::Everything => true,
                        Survival::Any(_) if self.rules == Rules::Journalled => seen <= cut,
                        Survival::Any(_) => !lost(&mut random),
                    };
                    let blocked = changes.iter().any(|it| stale.contains(&(it.0, it.1.as_str())));
                    if keep && !blocked {
                        Part::Whole
                    } else {
                        stale.extend(changes.iter().map(|it| (it.0, it.1.as_str())));
                        Part::Absent
                    }
                }
                Atom::Size { .. } => match survival {
                    Survival::Nothing => Part::Absent,
                    Survival::Any(_) if lost(&mut random) => Part::Absent,
                    _ => Part::Whole,
                },
                Atom::Data { .. } => match survival {
                    Survival::Nothing => Part::Absent,
                    Survival::NamesOnly => Part::Holes,
                    Survival::ContentOnly | Survival::Everything => Part::Whole,
                    Survival::Any(_) => {
                        if lost(&mut random) {
                            match random.below(4) {
                                0 => Part::Absent,
                                1 => Part::Holes,
                                2 => Part::Start(random.draw()),
                                _ => Part::Sectors(random.draw()),
                            }
                        } else {
                            Part::Whole
                        }
                    }
                },
            });
        }
        parts
    }
}

/// How much of an atom survives.
enum Part {
    Absent,
    Whole,
    /// The size only; what was not there before reads as zeros.
    Holes,
    /// The first sectors; the file is short.
    Start(u64),
    /// Some sectors, the others are as before; the size is whole.
    Sectors(u64),
}

fn write(content: &mut Vec<u8>, offset: u64, bytes: &[u8], part: &Part) {
    let offset = offset as usize;
    let end = offset + bytes.len();
    let sectors = bytes.len() as u64 / SECTOR + 1;
    let kept = match part {
        Part::Absent => return,
        Part::Start(seed) => (Random::new(*seed).below(sectors as usize) as u64 * SECTOR) as usize,
        _ => bytes.len(),
    };
    let end = if matches!(part, Part::Start(_)) { offset + kept } else { end };
    if content.len() < end {
        content.resize(end, 0);
    }
    match part {
        Part::Absent | Part::Holes => {}
        Part::Whole | Part::Start(_) => content[offset..end].copy_from_slice(&bytes[..kept]),
        Part::Sectors(seed) => {
            let mut random = Random::new(*seed);
            for (index, chunk) in bytes.chunks(SECTOR as usize).enumerate() {
                if random.one_in(2) {
                    let at = offset + index * SECTOR as usize;
                    content[at..at + chunk.len()].copy_from_slice(chunk);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(number: i32) -> Open {
        Open { process: 0, number }
    }

    fn opened(number: i32, path: &str, create: bool) -> Event {
        Event::Open { open: open(number), path: path.into(), create, truncate: false }
    }

    fn synced(number: i32) -> [Event; 2] {
        [Event::SyncBegin { thread: 1, open: Some(open(number)) }, Event::SyncEnd { thread: 1 }]
    }

    fn model(events: &[Event]) -> Model {
        under(Rules::Strict, events)
    }

    fn under(rules: Rules, events: &[Event]) -> Model {
        let mut model = Model::new(Path::new("/s"), rules);
        events.iter().for_each(|event| _ = model.apply(event).unwrap());
        model
    }

    fn new_file() -> Vec<Event> {
        vec![
            opened(1, "/s", false),
            opened(2, "/s/a", true),
            Event::Write { open: open(2), offset: None, bytes: b"text".to_vec() },
        ]
    }

    #[test]
    fn without_a_sync_nothing_need_survive_and_everything_may() {
        let model = model(&new_file());
        assert!(model.image(Survival::Nothing).is_empty());
        assert_eq!(model.image(Survival::Everything)["a"], Node::File(b"text".to_vec()));
        assert_eq!(model.image(Survival::NamesOnly)["a"], Node::File(vec![0; 4]));
    }

    #[test]
    fn a_file_is_durable_only_with_its_directory() {
        let mut events = new_file();
        events.extend(synced(2));
        assert!(model(&events).image(Survival::Nothing).is_empty());
        let lenient = under(Rules::Journalled, &events);
        assert_eq!(lenient.image(Survival::Nothing)["a"], Node::File(b"text".to_vec()));
        events.extend(synced(1));
        assert_eq!(model(&events).image(Survival::Nothing)["a"], Node::File(b"text".to_vec()));
    }

    #[test]
    fn a_sync_covers_only_what_came_before_it_began() {
        let mut events = new_file();
        events.extend(synced(1));
        let [begin, end] = synced(2);
        let late = Event::Write { open: open(2), offset: None, bytes: b"more".to_vec() };
        events.extend([begin, late, end]);
        assert_eq!(model(&events).image(Survival::Nothing)["a"], Node::File(b"text".to_vec()));
    }

    #[test]
    fn a_rename_is_whole_and_its_history_is_kept_in_order() {
        let mut events = new_file();
        events.extend(synced(2));
        events
            .extend([Event::MakeDir("/s/d".into()), Event::Rename("/s/a".into(), "/s/d/b".into())]);
        let model = model(&events);
        for seed in 0..200 {
            let image = model.image(Survival::Any(seed));
            let (old, new) = (image.contains_key("a"), image.contains_key("d/b"));
            assert!(!(old && new), "both names");
            if new {
                assert_eq!(image["d/b"], Node::File(b"text".to_vec()));
            }
        }
    }

    #[test]
    fn syncing_the_target_directory_makes_the_rename_durable_but_not_the_directory() {
        let mut events = new_file();
        events.extend([
            Event::MakeDir("/s/d".into()),
            opened(3, "/s/d", false),
            Event::Rename("/s/a".into(), "/s/d/b".into()),
        ]);
        events.extend(synced(3));
        assert!(model(&events).image(Survival::Nothing).is_empty());
        events.extend(synced(1));
        assert!(model(&events).image(Survival::Nothing).contains_key("d/b"));
    }
}
