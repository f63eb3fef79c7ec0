//! A broker across a bad network: its answers come late and in any order, deliveries lag behind the log, pages are
//! short, and logs begin anew.

use crate::broker::{
    Broker, BrokerError, ChannelInfo, Delivery, Draft, Gap, GapReason, Inbox, Lease, Member, Order, Page,
    Published, Read, Reply, Since, Top, Usage, Wakers,
};
use crate::channel::{Channel, Pattern};
use crate::position::{Epoch, Offset, Position};
use crate::publication::Publication;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::sleep;

#[derive(Debug)]
pub(super) struct Late {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
pub(super) struct State {
    random: StdRng,
    /// How late it may be.
    pub(super) delay: Delay,
    /// Publications that each history holds.
    history: usize,
    logs: BTreeMap<Channel, Log>,
    /// What is on its way to each inbox, in order.
    pipes: Vec<Pipe>,
    /// Leases of presence that are held.
    leases: usize,
}

type Pipe = (Arc<Inbox>, VecDeque<Delivery>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delay {
    None,
    UpTo(u64),
}

#[derive(Debug)]
pub(super) struct Log {
    /// All epochs there were; the last one is today's.
    pub(super) epochs: Vec<Epoch>,
    pub(super) top: Offset,
    pub(super) history: VecDeque<Arc<Publication>>,
    /// How often each inbox has subscribed.
    followers: Vec<(Arc<Inbox>, usize)>,
}

impl Late {
    pub(super) fn new(seed: u64, history: usize, delay: Delay) -> Self {
        let (random, logs, pipes) = (StdRng::seed_from_u64(seed), BTreeMap::new(), Vec::new());
        Self { state: Arc::new(Mutex::new(State { random, delay, history, logs, pipes, leases: 0 })) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Brings deliveries on their way, for ever.
    pub(super) async fn deliver(self: Arc<Self>) {
        loop {
            let pause = self.state().deliver();
            sleep(pause).await;
        }
    }

    /// Answers now or later; what is asked for happens somewhere between the question and the answer.
    fn reply<T: Send + 'static>(&self, act: impl FnOnce(&mut State) -> T + Send + 'static) -> Reply<T> {
        let mut state = self.state();
        let is_late = state.random.random_bool(0.8);
        let delay = match state.delay {
            Delay::UpTo(most) if is_late => most,
            _ => return Reply::now(act(&mut state)),
        };
        let mut pause = || Duration::from_millis(state.random.random_range(0..=delay));
        let (before, after) = (pause(), pause());
        let shared = self.state.clone();
        Reply::later(async move {
            sleep(before).await;
            let answer = act(&mut shared.lock().unwrap());
            sleep(after).await;
            answer
        })
    }
}

impl State {
    pub(super) fn log(&mut self, channel: &Channel) -> &mut Log {
        self.logs.entry(channel.clone()).or_insert_with(|| Log {
            epochs: vec![Epoch(7)],
            top: 0,
            history: VecDeque::new(),
            followers: Vec::new(),
        })
    }

    /// A log begins anew, in an epoch that says nothing about the order of epochs.
    pub(super) fn renew(&mut self, channel: &Channel) {
        let (epoch, top) = (Epoch(self.random.random()), self.random.random_range(0..40));
        let log = self.log(channel);
        log.epochs.push(epoch);
        log.top = top;
        log.history.clear();
    }

    /// Nobody follows anything, and nobody is present.
    pub(super) fn is_left(&self) -> bool {
        self.leases == 0 && self.logs.values().all(|log| log.followers.is_empty())
    }

    fn deliver(&mut self) -> Duration {
        let Delay::UpTo(most) = self.delay else {
            return Duration::from_hours(1);
        };
        for (inbox, pipe) in &mut self.pipes {
            let count = self.random.random_range(0..=pipe.len());
            pipe.drain(..count).for_each(|delivery| inbox.push(delivery, &mut Wakers::default()));
        }
        Duration::from_millis(self.random.random_range(1..=most.max(1)))
    }

    fn append(&mut self, draft: Draft) -> Published {
        let (size, delay) = (self.history, self.delay);
        let log = self.log(&draft.channel);
        log.top += 1;
        let position = Position { channel: draft.channel, epoch: log.epoch(), offset: log.top };
        let publication = Arc::new(Publication::new(position.clone(), draft.data, draft.meta));
        log.history.push_back(publication.clone());
        while log.history.len() > size {
            log.history.pop_front();
        }
        let followers: Vec<_> = log.followers.iter().map(|(inbox, _)| inbox.clone()).collect();
        for inbox in followers {
            let delivery = Delivery::Publication(publication.clone());
            match delay {
                Delay::None => inbox.push(delivery, &mut Wakers::default()),
                Delay::UpTo(_) => self.pipe(&inbox).push_back(delivery),
            }
        }
        Published { position, is_duplicate: false }
    }

    fn pipe(&mut self, inbox: &Arc<Inbox>) -> &mut VecDeque<Delivery> {
        let index = self.pipes.iter().position(|(other, _)| Arc::ptr_eq(other, inbox)).unwrap_or_else(|| {
            self.pipes.push((inbox.clone(), VecDeque::new()));
            self.pipes.len() - 1
        });
        &mut self.pipes[index].1
    }

    fn read(&mut self, channel: &Channel, read: Read) -> Page {
        let short = self.random.random_range(1..=read.limit);
        let log = self.log(channel);
        let top = Top { epoch: log.epoch(), offset: log.top };
        let first = log.history.front().map_or(log.top + 1, |publication| publication.offset);
        let (gap, from) = match read.since {
            Since::Now => (None, log.top + 1),
            Since::Start => (None, first),
            Since::After(epoch, offset) if epoch != log.epoch() || offset > log.top => {
                let gap = Gap { epoch: log.epoch(), from: 0, to: first - 1, reason: GapReason::Epoch };
                (Some(gap), first)
            }
            Since::After(_, offset) if offset + 1 < first => {
                let gap =
                    Gap { epoch: log.epoch(), from: offset + 1, to: first - 1, reason: GapReason::Expired };
                (Some(gap), first)
            }
            Since::After(_, offset) => (None, offset + 1),
        };
        let publications = match read.order {
            Order::Forward => log.history.iter().filter(|p| p.offset >= from).take(short).cloned().collect(),
            Order::Reverse => log.history.iter().rev().take(short).cloned().collect(),
        };
        Page { gap, publications, top }
    }
}

impl Log {
    pub(super) fn epoch(&self) -> Epoch {
        self.epochs[self.epochs.len() - 1]
    }
}

impl Broker for Late {
    fn publish(&self, draft: Draft) -> Reply<Result<Published, BrokerError>> {
        self.reply(|state| Ok(state.append(draft)))
    }

    fn read(&self, channel: &Channel, read: Read) -> Reply<Result<Page, BrokerError>> {
        let channel = channel.clone();
        self.reply(move |state| Ok(state.read(&channel, read)))
    }

    fn subscribe(&self, channel: &Channel, inbox: &Arc<Inbox>) -> Reply<Result<Top, BrokerError>> {
        let (channel, inbox) = (channel.clone(), inbox.clone());
        self.reply(move |state| {
            let log = state.log(&channel);
            match log.followers.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &inbox)) {
                Some((_, count)) => *count += 1,
                None => log.followers.push((inbox, 1)),
            }
            Ok(Top { epoch: log.epoch(), offset: log.top })
        })
    }

    fn unsubscribe(&self, channel: &Channel, inbox: &Arc<Inbox>) {
        let mut state = self.state();
        let followers = &mut state.log(channel).followers;
        let index = followers.iter().position(|(other, _)| Arc::ptr_eq(other, inbox));
        let index = index.expect("only what was subscribed is unsubscribed");
        followers[index].1 -= 1;
        if followers[index].1 == 0 {
            followers.remove(index);
        }
    }

    fn channels(&self, _: &Pattern, _: usize) -> Reply<Result<Vec<ChannelInfo>, BrokerError>> {
        Reply::now(Ok(Vec::new()))
    }

    fn join(&self, _: &Channel, _: &Arc<Member>, _: Lease) -> Reply<Result<(), BrokerError>> {
        self.reply(|state| {
            state.leases += 1;
            Ok(())
        })
    }

    fn leave(&self, _: &Channel, _: &str, _: Duration) -> Reply<Result<(), BrokerError>> {
        self.reply(|state| {
            state.leases -= 1;
            Ok(())
        })
    }

    fn members(&self, _: &Channel) -> Reply<Result<Vec<Arc<Member>>, BrokerError>> {
        Reply::now(Ok(Vec::new()))
    }

    fn sweep(&self) {}

    fn usage(&self) -> Usage {
        Usage::default()
    }
}
