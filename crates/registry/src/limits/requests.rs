// SPDX-License-Identifier: Apache-2.0
//! The request queue of the guide (registry.md 6.6): so many run, so many wait, each for so long;
//! readers and writers apart.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// `openshift.requests.{read,write}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueSettings {
    /// `maxrunning`; 0 switches the queue off.
    pub max_running: usize,
    /// `maxinqueue`
    pub max_in_queue: usize,
    /// `maxwaitinqueue`; zero waits until the client leaves.
    pub max_wait: Duration,
}

/// Both queues.
pub(crate) struct RequestQueues {
    read: Option<Queue>,
    write: Option<Queue>,
}

struct Queue {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    max_wait: Duration,
}

/// The right to run, given back when dropped.
pub(crate) type Slot = Option<OwnedSemaphorePermit>;

/// No slot, no place in the queue, or too long in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused;

impl RequestQueues {
    pub(crate) fn new(read: QueueSettings, write: QueueSettings) -> Self {
        Self { read: Queue::new(read), write: Queue::new(write) }
    }

    /// Waits for a slot of the method's class.
    pub(crate) async fn enter(&self, method: &Method) -> Result<Slot, Refused> {
        let reads = *method == Method::GET || *method == Method::HEAD || *method == Method::OPTIONS;
        match if reads { &self.read } else { &self.write } {
            None => Ok(None),
            Some(queue) => queue.enter().await.map(Some),
        }
    }
}

impl Queue {
    fn new(settings: QueueSettings) -> Option<Self> {
        let bound = |n: usize| Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS)));
        (settings.max_running > 0).then(|| Self {
            running: bound(settings.max_running),
            waiting: bound(settings.max_in_queue),
            max_wait: settings.max_wait,
        })
    }

    async fn enter(&self) -> Result<OwnedSemaphorePermit, Refused> {
        if let Ok(slot) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(slot);
        }
        let _place = self.waiting.try_acquire().map_err(|_| Refused)?;
        let slot = Arc::clone(&self.running).acquire_owned();
        let slot = if self.max_wait.is_zero() {
            slot.await
        } else {
            tokio::time::timeout(self.max_wait, slot).await.map_err(|_| Refused)?
        };
        slot.map_err(|_| Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn queues(max_running: usize, max_in_queue: usize, max_wait: Duration) -> RequestQueues {
        let settings = QueueSettings { max_running, max_in_queue, max_wait };
        RequestQueues::new(settings, settings)
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn without_a_limit_everything_runs() {
        let queues = queues(0, 0, Duration::ZERO);
        assert!(queues.enter(&Method::GET).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn the_queue_overflows_at_once_and_slots_come_back() {
        let queues = queues(1, 1, Duration::ZERO);
        let first = queues.enter(&Method::GET).await.unwrap();
        let mut second = pin!(queues.enter(&Method::GET));
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(queues.enter(&Method::GET).await.unwrap_err(), Refused);
        drop(first);
        let Poll::Ready(Ok(slot)) = poll(second.as_mut()) else { panic!("the slot is free") };
        assert!(slot.is_some());
    }

    #[tokio::test]
    async fn readers_and_writers_do_not_wait_for_each_other() {
        let queues = queues(1, 0, Duration::ZERO);
        let _reader = queues.enter(&Method::HEAD).await.unwrap();
        assert!(queues.enter(&Method::PATCH).await.is_ok());
        assert_eq!(queues.enter(&Method::OPTIONS).await.unwrap_err(), Refused);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_has_an_end() {
        let queues = queues(1, 1, Duration::from_secs(5));
        let _first = queues.enter(&Method::PUT).await.unwrap();
        assert_eq!(queues.enter(&Method::PUT).await.unwrap_err(), Refused);
    }

    #[tokio::test]
    async fn a_client_that_leaves_gives_up_its_place() {
        let queues = queues(1, 1, Duration::ZERO);
        let _first = queues.enter(&Method::GET).await.unwrap();
        {
            let mut second = pin!(queues.enter(&Method::GET));
            assert!(poll(second.as_mut()).is_pending());
        }
        let mut third = pin!(queues.enter(&Method::GET));
        assert!(poll(third.as_mut()).is_pending(), "has a place in the queue again");
    }
}
