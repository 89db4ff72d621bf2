// SPDX-License-Identifier: Apache-2.0
//! A store in another process, which can be killed: lines of words over a socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use apistore::{Error, Event, Expect, KeyValue, List, Page, Revision, Store, Watch, WatchItem};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;

fn unavailable(error: impl std::fmt::Display) -> Error {
    Error::Unavailable(error.to_string())
}

fn item(item: &KeyValue) -> String {
    let value = std::str::from_utf8(&item.value).unwrap();
    format!("{} {} {} {value}", item.key, item.created, item.modified)
}

fn error(error: &Error) -> String {
    match error {
        Error::Exists => "error exists".to_owned(),
        Error::NotFound => "error missing".to_owned(),
        Error::Conflict(now) => format!("error conflict {}", item(now)),
        Error::Compacted { asked, oldest } => format!("error compacted {asked} {oldest}"),
        Error::Future { asked, newest } => format!("error future {asked} {newest}"),
        other => format!("error other {other}"),
    }
}

/// Answers until the process is killed.
pub async fn serve(store: Arc<dyn Store>, socket: &Path) {
    let listener = UnixListener::bind(socket).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let words: Vec<&str> = line.split(' ').collect();
                if words[0] == "watch" {
                    match store.watch(words[1], words[2].parse().unwrap()).await {
                        Err(failure) => {
                            drop(
                                write.write_all(format!("{}\n", error(&failure)).as_bytes()).await,
                            );
                        }
                        Ok(mut changes) => {
                            write.write_all(b"watching\n").await.unwrap_or_default();
                            while let Some(next) = changes.next().await {
                                if write
                                    .write_all(format!("{} .\n", change(&next)).as_bytes())
                                    .await
                                    .is_err()
                                {
                                    break;
                                }
                            }
                        }
                    }
                    return;
                }
                let answer =
                    answer(&*store, &words).await.unwrap_or_else(|failure| error(&failure));
                if write.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

fn change(next: &Result<WatchItem, Error>) -> String {
    match next {
        Ok(WatchItem::Progress(revision)) => format!("progress {revision}"),
        Ok(WatchItem::Event(Event::Put { now, previous: None })) => format!("put {}", item(now)),
        Ok(WatchItem::Event(Event::Put { now, previous: Some(previous) })) => {
            format!("put {} {}", item(now), item(previous))
        }
        Ok(WatchItem::Event(Event::Delete { previous, revision })) => {
            format!("delete {revision} {}", item(previous))
        }
        Err(failure) => error(failure),
    }
}

async fn answer(store: &dyn Store, words: &[&str]) -> Result<String, Error> {
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    let expect = |at: usize| words[at].parse().map_or(Expect::Exists, Expect::Modified);
    let value = |at: usize| Bytes::copy_from_slice(words[at].as_bytes());
    Ok(match words[0] {
        "get" => store
            .get(words[1])
            .await?
            .map_or("none".to_owned(), |found| format!("item {}", item(&found))),
        "list" => {
            let list = List { revision: words[2].parse().ok(), ..List::default() };
            let page = store.list(words[1], list).await?;
            let items: String =
                page.items.iter().map(|found| format!(" {}", item(found))).collect();
            format!("page {}{items}", page.revision)
        }
        "create" => format!("item {}", item(&store.create(words[1], value(2), None).await?)),
        "update" => {
            format!("item {}", item(&store.update(words[1], value(2), expect(3), None).await?))
        }
        "delete" => {
            let (previous, revision) = store.delete(words[1], expect(2)).await?;
            format!("deleted {revision} {}", item(&previous))
        }
        "revision" => format!("revision {}", store.revision().await?),
        "compact" => store.compact(number(1)).await.map(|()| "done".to_owned())?,
        other => panic!("{other}"),
    })
}

/// The other end; one call at a time.
pub struct Remote {
    socket: PathBuf,
    connection: Mutex<Option<UnixStream>>,
}

impl Remote {
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), connection: Mutex::default() }
    }

    async fn call(&self, line: String) -> Result<Vec<String>, Error> {
        let mut slot = self.connection.lock().await;
        // Taken out: a call that fails on the way leaves no half of an answer behind.
        let stream = match slot.take() {
            Some(stream) => stream,
            None => UnixStream::connect(&self.socket).await.map_err(unavailable)?,
        };
        let mut stream = BufReader::new(stream);
        stream.write_all(format!("{line}\n").as_bytes()).await.map_err(unavailable)?;
        let mut answer = String::new();
        stream.read_line(&mut answer).await.map_err(unavailable)?;
        if !answer.ends_with('\n') {
            return Err(unavailable("the store went away"));
        }
        *slot = Some(stream.into_inner());
        let words: Vec<String> = answer.trim_end().split(' ').map(str::to_owned).collect();
        if words[0] == "error" { Err(failure(&words[1..])) } else { Ok(words) }
    }
}

fn failure(words: &[String]) -> Error {
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    match words[0].as_str() {
        "exists" => Error::Exists,
        "missing" => Error::NotFound,
        "conflict" => Error::Conflict(Box::new(parsed(&words[1..]))),
        "compacted" => Error::Compacted { asked: number(1), oldest: number(2) },
        "future" => Error::Future { asked: number(1), newest: number(2) },
        _ => unavailable(words.join(" ")),
    }
}

fn parsed(words: &[String]) -> KeyValue {
    KeyValue {
        key: words[0].clone(),
        created: words[1].parse().unwrap(),
        modified: words[2].parse().unwrap(),
        value: words[3].clone().into(),
    }
}

fn told(line: &str) -> Result<WatchItem, Error> {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    Ok(match words[0].as_str() {
        "error" => return Err(failure(&words[1..])),
        "progress" => WatchItem::Progress(words[1].parse().unwrap()),
        "put" => WatchItem::Event(Event::Put {
            now: parsed(&words[1..]),
            previous: (words.len() > 5).then(|| parsed(&words[5..])),
        }),
        _ => WatchItem::Event(Event::Delete {
            revision: words[1].parse().unwrap(),
            previous: parsed(&words[2..]),
        }),
    })
}

fn expected(expect: Expect) -> String {
    match expect {
        Expect::Modified(revision) => revision.to_string(),
        Expect::Exists => "-".to_owned(),
    }
}

#[async_trait]
impl Store for Remote {
    async fn get(&self, key: &str) -> Result<Option<KeyValue>, Error> {
        let words = self.call(format!("get {key}")).await?;
        Ok((words[0] == "item").then(|| parsed(&words[1..])))
    }

    async fn list(&self, prefix: &str, list: List) -> Result<Page, Error> {
        let revision = list.revision.map_or("-".to_owned(), |revision| revision.to_string());
        let words = self.call(format!("list {prefix} {revision}")).await?;
        let items = words[2..].chunks(4).map(parsed).collect();
        Ok(Page { items, revision: words[1].parse().unwrap(), remaining: None })
    }

    async fn count(&self, _: &str) -> Result<u64, Error> {
        Err(unavailable("not carried"))
    }

    async fn create(
        &self,
        key: &str,
        value: Bytes,
        _: Option<Duration>,
    ) -> Result<KeyValue, Error> {
        let words = self.call(format!("create {key} {}", String::from_utf8_lossy(&value))).await?;
        Ok(parsed(&words[1..]))
    }

    async fn update(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        _: Option<Duration>,
    ) -> Result<KeyValue, Error> {
        let line = format!("update {key} {} {}", String::from_utf8_lossy(&value), expected(expect));
        Ok(parsed(&self.call(line).await?[1..]))
    }

    async fn delete(&self, key: &str, expect: Expect) -> Result<(KeyValue, Revision), Error> {
        let words = self.call(format!("delete {key} {}", expected(expect))).await?;
        Ok((parsed(&words[2..]), words[1].parse().unwrap()))
    }

    async fn watch(&self, prefix: &str, after: Revision) -> Result<Watch, Error> {
        let mut stream = UnixStream::connect(&self.socket).await.map_err(unavailable)?;
        stream
            .write_all(format!("watch {prefix} {after}\n").as_bytes())
            .await
            .map_err(unavailable)?;
        let (read, write) = stream.into_split();
        let mut lines: Lines<BufReader<OwnedReadHalf>> = BufReader::new(read).lines();
        match lines.next_line().await.map_err(unavailable)? {
            Some(line) if line == "watching" => {}
            Some(line) => {
                return Err(told(&line).err().unwrap_or_else(|| unavailable("a strange answer")));
            }
            None => return Err(unavailable("the store went away")),
        }
        Ok(Box::pin(futures_util::stream::unfold(Some((lines, write)), |state| async move {
            let (mut lines, write) = state?;
            match lines.next_line().await {
                // The end mark: a line may be cut in the middle by a kill.
                Ok(Some(line)) if line.ends_with(" .") => match told(&line[..line.len() - 2]) {
                    Ok(item) => Some((Ok(item), Some((lines, write)))),
                    Err(error) => Some((Err(error), None)),
                },
                _ => Some((Err(unavailable("the store went away")), None)),
            }
        })))
    }

    async fn revision(&self) -> Result<Revision, Error> {
        Ok(self.call("revision".to_owned()).await?[1].parse().unwrap())
    }

    async fn progress(&self) -> Result<Option<Revision>, Error> {
        Ok(None)
    }

    async fn compact(&self, revision: Revision) -> Result<(), Error> {
        self.call(format!("compact {revision}")).await.map(drop)
    }
}
