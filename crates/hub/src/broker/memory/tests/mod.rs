mod budget;
mod delayed;
mod failing;
mod history;
mod model;
mod oracle;

pub(crate) use delayed::Delayed;
pub(crate) use failing::Failing;

use super::*;
use crate::broker::{Drained, Retention, contract};
use crate::position::Position;
use crate::publication::{Data, Meta, Publication};
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn it_keeps_the_contract() {
    contract::check(|| Arc::new(MemoryBroker::new(64 << 20))).await;
}

#[tokio::test(start_paused = true)]
async fn it_keeps_the_contract_when_memory_is_just_enough() {
    contract::check(|| Arc::new(MemoryBroker::new(2 << 20))).await;
}

const EPOCH: Epoch = Epoch(0x5f);
const HOUR: Duration = Duration::from_hours(1);

fn channel(name: &str) -> Channel {
    name.parse().unwrap()
}

fn draft(name: &str, len: usize, size: usize) -> Draft {
    Draft {
        channel: channel(name),
        data: Data::Binary(vec![0; len].into()),
        meta: Meta::default(),
        key: None,
        retention: Retention { size, ttl: HOUR },
    }
}

/// What a publication of a draft of so many bytes weighs.
fn weight(name: &str, len: usize) -> usize {
    let Draft { channel, data, meta, .. } = draft(name, len, 0);
    Publication::new(Position { channel, epoch: EPOCH, offset: 1 }, data, meta).weight()
}

/// What a broker in memory answers is there at once.
fn now<T: Unpin>(reply: Reply<Result<T, BrokerError>>) -> T {
    match reply {
        Reply::Now(Some(answer)) => answer.unwrap(),
        other => panic!("not there: {other:?}"),
    }
}

#[test]
fn every_start_is_an_epoch_of_its_own() {
    let seconds = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let epoch = || now(MemoryBroker::new(0).subscribe(&channel("a"), &Arc::new(Inbox::new(1)))).epoch;
    let (before, epochs, after) = (seconds(), [(); 8].map(|()| epoch()), seconds());
    assert!(epochs.iter().all(|epoch| (before..=after).contains(&(epoch.0 >> 20))), "the time is in it");
    assert!(epochs.iter().any(|epoch| *epoch != epochs[0]), "and chance");
    assert!(
        epochs.iter().any(|epoch| epoch.0 & 0x3ff != 0) && epochs.iter().any(|epoch| epoch.0 & 0xf_fc00 != 0)
    );
}

/// A worker that looks at its channel as soon as it is woken.
struct Eager(MemoryBroker, mpsc::Sender<Usage>);

impl Wake for Eager {
    fn wake(self: Arc<Self>) {
        self.1.send(self.0.usage()).unwrap();
    }
}

#[test]
fn workers_are_woken_when_no_lock_is_held() {
    let (sender, woken) = mpsc::channel();
    let eager = Arc::new(Eager(MemoryBroker::new(usize::MAX), sender));
    let inbox = Arc::new(Inbox::new(1));
    now(eager.0.subscribe(&channel("a"), &inbox));
    let waker = Waker::from(eager.clone());
    assert!(inbox.poll_drain(&mut Drained::default(), &mut Context::from_waker(&waker)).is_pending());
    std::thread::spawn(move || now(eager.0.publish(draft("a", 1, 1))));
    assert_eq!(woken.recv_timeout(Duration::from_secs(5)).expect("no deadlock").publications, 1);
}
