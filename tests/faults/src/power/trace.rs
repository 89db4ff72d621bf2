// SPDX-License-Identifier: Apache-2.0
//! From strace's log to what happened to the filesystem.
//!
//! The log is written with `-f -y -xx -ttt`: every string is in hexadecimal, so that no content can be
//! mistaken for syntax, and every line has a time, by which the logs of several processes are merged.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Arguments for strace under which a registry is recorded.
pub const ARGUMENTS: &[&str] = &[
    "-y",
    "-xx",
    "-ttt",
    "-s",
    "2000000",
    "-e",
    "trace=openat,openat2,open,write,pwrite64,pwritev,writev,sendto,sendmsg,ftruncate,\
     fallocate,copy_file_range,fsync,fdatasync,syncfs,sync_file_range,sync,rename,renameat,\
     renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,symlinkat,close,dup,dup2,dup3",
];

/// An open file as a call names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which process.
    pub process: usize,
    /// Its number there.
    pub number: i32,
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A file or directory was opened, perhaps created or emptied. Paths are absolute.
    Open {
        /// Known by this from now on.
        open: Open,
        /// What was opened.
        path: PathBuf,
        /// `O_CREAT`.
        create: bool,
        /// `O_TRUNC`.
        truncate: bool,
    },
    /// The number is free again.
    Close(Open),
    /// Bytes were written; without an offset at the current position.
    Write {
        /// Where.
        open: Open,
        /// At which offset.
        offset: Option<u64>,
        /// What.
        bytes: Vec<u8>,
    },
    /// The size was set.
    Truncate {
        /// Of what.
        open: Open,
        /// To what.
        size: u64,
    },
    /// A directory was made.
    MakeDir(PathBuf),
    /// A name was removed.
    Remove(PathBuf),
    /// A name was changed, replacing what had the new one.
    Rename(PathBuf, PathBuf),
    /// A second name was given.
    Link(PathBuf, PathBuf),
    /// A sync of a file or directory began.
    SyncBegin {
        /// To find the end.
        thread: u32,
        /// Of what; `None`: of the whole filesystem.
        open: Option<Open>,
    },
    /// It ended with success.
    SyncEnd {
        /// Whose sync.
        thread: u32,
    },
    /// A registry began to send an answer.
    Reply {
        /// The status.
        status: u16,
    },
}

impl Event {
    /// In short, for reports.
    pub fn describe(&self) -> String {
        match self {
            Self::Write { open, offset, bytes } => {
                format!("write of {} bytes at {offset:?} to file {}", bytes.len(), open.number)
            }
            other => format!("{other:?}"),
        }
    }
}

/// A line of one of the logs.
struct Line<'a> {
    time: f64,
    process: usize,
    thread: u32,
    text: &'a str,
}

/// Parses and merges the logs of processes. Only what touches `root` is kept.
pub fn parse(logs: &[String], root: &Path) -> Result<Vec<Event>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (process, log) in logs.iter().enumerate() {
        for text in log.lines() {
            lines.extend(line(process, text));
        }
    }
    lines.sort_by(|a, b| a.time.total_cmp(&b.time));
    let mut parser =
        Parser { root, pending: HashMap::new(), opened: HashMap::new(), events: Vec::new() };
    for line in lines {
        parser.take(&line).with_context(|| format!("{:.300}", line.text))?;
    }
    Ok(parser.events)
}

fn line(process: usize, text: &str) -> Option<Line<'_>> {
    let (thread, rest) = text.split_once(' ')?;
    let (time, text) = rest.trim_start().split_once(' ')?;
    Some(Line { time: time.parse().ok()?, process, thread: thread.parse().ok()?, text })
}

struct Parser<'a> {
    root: &'a Path,
    /// First halves of calls that were interrupted by another thread's line.
    pending: HashMap<(usize, u32), String>,
    /// Open files below the root.
    opened: HashMap<(usize, i32), PathBuf>,
    events: Vec<Event>,
}

impl Parser<'_> {
    fn take(&mut self, line: &Line<'_>) -> Result<()> {
        let who = (line.process, line.thread);
        if let Some(begun) = line.text.strip_suffix("<unfinished ...>") {
            self.begin(line, begun)?;
            self.pending.insert(who, begun.trim_end().to_owned());
            return Ok(());
        }
        if let Some(rest) = line.text.strip_prefix("<... ") {
            let Some((_, end)) = rest.split_once("resumed>") else { return Ok(()) };
            let Some(mut whole) = self.pending.remove(&who) else { return Ok(()) };
            whole.push_str(end);
            return self.end(line, &whole);
        }
        if line.text.starts_with("---") || line.text.starts_with("+++") {
            return Ok(());
        }
        self.begin(line, line.text)?;
        self.end(line, line.text)
    }

    /// What counts from the moment a call begins: a sync covers only what came before it, and an
    /// answer may have been received before the call has ended.
    fn begin(&mut self, line: &Line<'_>, text: &str) -> Result<()> {
        let Some((name, arguments)) = text.split_once('(') else { return Ok(()) };
        match name {
            "fsync" | "fdatasync" | "syncfs" => {
                let open = number(arguments)?;
                if self.opened.contains_key(&(line.process, open)) {
                    let open =
                        (name != "syncfs").then_some(Open { process: line.process, number: open });
                    self.events.push(Event::SyncBegin { thread: line.thread, open });
                }
            }
            "write" | "writev" | "sendto" | "sendmsg" => {
                if let Some(bytes) = strings(arguments)?.first()
                    && let Some(status) = bytes.strip_prefix(b"HTTP/1.1 ")
                {
                    let status = std::str::from_utf8(status.get(..3).unwrap_or_default())?;
                    self.events.push(Event::Reply { status: status.parse()? });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What has happened when a call has ended, if it succeeded.
    fn end(&mut self, line: &Line<'_>, text: &str) -> Result<()> {
        let Some((name, rest)) = text.split_once('(') else { return Ok(()) };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else { return Ok(()) };
        let result: i64 = match result.split(['<', ' ', '(']).next().map(str::parse) {
            Some(Ok(result)) if result >= 0 => result,
            _ => return Ok(()),
        };
        let arguments = arguments.trim_end().strip_suffix(')').context("no closing bracket")?;
        let list = split(arguments);
        let process = line.process;
        let of_store =
            number(arguments).is_ok_and(|number| self.opened.contains_key(&(process, number)));
        match name {
            "openat" | "openat2" => {
                let path = self.path(&list, 0)?;
                self.open(process, result as i32, path, list.get(2).copied().unwrap_or_default());
            }
            "open" => {
                let path = strings(arguments)?.into_iter().next().context("path")?;
                let flags = list.get(1).copied().unwrap_or_default();
                self.open(process, result as i32, path_of_bytes(path), flags);
            }
            "close" => {
                let key = (process, number(arguments)?);
                if self.opened.remove(&key).is_some() {
                    self.events.push(Event::Close(Open { process, number: key.1 }));
                }
            }
            "dup" | "dup2" | "dup3" if of_store => {
                bail!("a duplicated file of the store is not modelled");
            }
            "write" | "writev" | "pwrite64" | "pwritev" => {
                let key = (process, number(arguments)?);
                if !self.opened.contains_key(&key) {
                    return Ok(());
                }
                let mut bytes = strings(arguments)?.concat();
                bytes.truncate(result as usize);
                anyhow::ensure!(bytes.len() == result as usize, "the log is cut short");
                let offset = match name {
                    "pwrite64" | "pwritev" => Some(list.last().context("offset")?.parse()?),
                    _ => None,
                };
                let open = Open { process, number: key.1 };
                self.events.push(Event::Write { open, offset, bytes });
            }
            "ftruncate" => {
                let open = Open { process, number: number(arguments)? };
                if self.opened.contains_key(&(process, open.number)) {
                    let size = list.get(1).context("size")?.parse()?;
                    self.events.push(Event::Truncate { open, size });
                }
            }
            // Only space is reserved (FALLOC_FL_KEEP_SIZE).
            "fallocate" if arguments.contains("KEEP_SIZE") => {}
            "fallocate" | "copy_file_range" | "sync_file_range" | "sync" | "symlinkat"
                if arguments.contains(&hex(self.root)) =>
            {
                bail!("{name} is not modelled");
            }
            "fsync" | "fdatasync" | "syncfs" if of_store => {
                self.events.push(Event::SyncEnd { thread: line.thread });
            }
            "mkdirat" => {
                let path = self.path(&list, 0)?;
                self.push(&path.clone(), Event::MakeDir(path));
            }
            "unlinkat" => {
                let path = self.path(&list, 0)?;
                self.push(&path.clone(), Event::Remove(path));
            }
            "renameat" | "renameat2" | "linkat" => {
                let (from, to) = (self.path(&list, 0)?, self.path(&list, 2)?);
                if name == "linkat" {
                    self.push(&to.clone(), Event::Link(from, to));
                } else {
                    self.push(&to.clone(), Event::Rename(from, to));
                }
            }
            "mkdir" | "unlink" | "rmdir" | "rename" | "link" => {
                let mut paths = strings(arguments)?.into_iter().map(path_of_bytes);
                let first = paths.next().context("path")?;
                let event = match name {
                    "mkdir" => Event::MakeDir(first.clone()),
                    "unlink" | "rmdir" => Event::Remove(first.clone()),
                    "rename" => Event::Rename(first.clone(), paths.next().context("path")?),
                    _ => Event::Link(first.clone(), paths.next().context("path")?),
                };
                self.push(&first, event);
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, process: usize, number: i32, path: PathBuf, flags: &str) {
        if !path.starts_with(self.root) {
            self.opened.remove(&(process, number));
            return;
        }
        self.opened.insert((process, number), path.clone());
        self.events.push(Event::Open {
            open: Open { process, number },
            path,
            create: flags.contains("O_CREAT"),
            truncate: flags.contains("O_TRUNC"),
        });
    }

    fn push(&mut self, path: &Path, event: Event) {
        if path.starts_with(self.root) {
            self.events.push(event);
        }
    }

    /// The absolute path that a directory's descriptor and a relative path at `index` make.
    fn path(&self, list: &[&str], index: usize) -> Result<PathBuf> {
        let directory = list.get(index).context("directory")?;
        let relative = strings(list.get(index + 1).context("path")?)?;
        let relative = path_of_bytes(relative.into_iter().next().context("path")?);
        let (_, below) = directory.split_once('<').context("a descriptor without its path")?;
        let (below, _) = below.rsplit_once('>').context("a descriptor without its path")?;
        let path = path_of_bytes(unhex(below)?).join(relative);
        Ok(path.components().filter(|it| !matches!(it, std::path::Component::CurDir)).collect())
    }
}

fn path_of_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

/// A descriptor's number at the start of arguments.
fn number(arguments: &str) -> Result<i32> {
    let end = arguments.find(|it: char| !it.is_ascii_digit()).unwrap_or(arguments.len());
    arguments[..end].parse().context("a descriptor")
}

/// Arguments at the top level.
fn split(arguments: &str) -> Vec<&str> {
    let (mut depth, mut start) = (0_usize, 0);
    let mut list = Vec::new();
    for (index, byte) in arguments.bytes().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                list.push(arguments[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    list.push(arguments[start..].trim());
    list
}

/// All strings.
fn strings(text: &str) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, from)) = rest.split_once('"') {
        let (inside, after) = from.split_once('"').context("a string without end")?;
        anyhow::ensure!(!after.starts_with("..."), "a string is cut short");
        found.push(unhex(inside)?);
        rest = after;
    }
    Ok(found)
}

/// `\x41\x42` as bytes.
fn unhex(text: &str) -> Result<Vec<u8>> {
    let text = text.as_bytes();
    let digit = |byte: u8| (byte as char).to_digit(16).map(|it| it as u8);
    text.chunks(4)
        .map(|chunk| match chunk {
            [b'\\', b'x', high, low] => {
                Ok(digit(*high).context("digit")? * 16 + digit(*low).context("digit")?)
            }
            _ => bail!("not in hexadecimal: {:?}", String::from_utf8_lossy(chunk)),
        })
        .collect()
}

fn hex(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[(&str, f64, &str)]) -> String {
        lines.iter().map(|(thread, time, text)| format!("{thread} {time:.6} {text}\n")).collect()
    }

    #[test]
    fn calls_become_events_and_a_sync_counts_from_its_beginning() {
        let root = hex(Path::new("/s"));
        let log = log(&[
            (
                "7",
                1.0,
                &format!(
                    "openat2(3<{root}>, \"\\x61\", {{flags=O_WRONLY|O_CREAT, mode=0666, resolve=0}}, 24) = 5<{root}\\x2f\\x61>"
                ),
            ),
            ("7", 2.0, &format!("fdatasync(5<{root}\\x2f\\x61> <unfinished ...>")),
            ("8", 3.0, &format!("pwrite64(5<{root}\\x2f\\x61>, \"\\x22\\x28\", 2, 9) = 2")),
            ("7", 4.0, "<... fdatasync resumed>) = 0"),
            ("8", 5.0, &format!("mkdirat(3<{root}>, \"\\x62\", 0777) = -1 EEXIST (File exists)")),
            (
                "8",
                6.0,
                "write(9<\\x73>, \"\\x48\\x54\\x54\\x50\\x2f\\x31\\x2e\\x31\\x20\\x32\\x30\\x31\\x20\", 13) = 13",
            ),
            ("7", 7.0, &format!("close(5<{root}\\x2f\\x61>) = 0")),
        ]);
        let open = Open { process: 0, number: 5 };
        let expected = vec![
            Event::Open { open: open.clone(), path: "/s/a".into(), create: true, truncate: false },
            Event::SyncBegin { thread: 7, open: Some(open.clone()) },
            Event::Write { open: open.clone(), offset: Some(9), bytes: b"\"(".to_vec() },
            Event::SyncEnd { thread: 7 },
            Event::Reply { status: 201 },
            Event::Close(open),
        ];
        assert_eq!(parse(&[log], Path::new("/s")).unwrap(), expected);
    }
}
