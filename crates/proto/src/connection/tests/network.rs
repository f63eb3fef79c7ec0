//! I9: a client and a server joined by any pipe that delays, splits, stalls or cuts both reach `Closed` as virtual
//! time advances.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

/// Bytes that one direction of the network holds before a writer has to wait.
const IN_FLIGHT: usize = 3000;

/// How the network treats what is sent through it.
#[derive(Debug, Clone)]
struct Network {
    /// Delays in milliseconds, used in turn.
    delays: Vec<u64>,
    /// The most bytes that travel together, used in turn.
    splits: Vec<usize>,
    /// From this second on, something happens to it.
    fate: Option<(u64, Fate)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// Nothing is delivered any more, and nobody is told.
    Silence,
    /// Nothing is delivered for this many seconds.
    Stall(u64),
    /// Both ends see the transport end.
    Cut,
    /// Both ends see it fail.
    Reset,
}

/// What travels.
#[derive(Debug)]
enum Parcel {
    Bytes(Vec<u8>),
    Eof,
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    parcels: VecDeque<(Instant, Parcel)>,
    sent: usize,
    is_ended: bool,
}

impl Pipe {
    fn in_flight(&self) -> usize {
        let len =
            |(_, parcel): &(Instant, Parcel)| if let Parcel::Bytes(bytes) = parcel { bytes.len() } else { 0 };
        self.parcels.iter().map(len).sum()
    }

    /// Parcels arrive in order, each after a delay of its own.
    fn push(&mut self, parcel: Parcel, now: Instant, network: &Network) {
        let delay = MILLISECOND * u32::try_from(network.delays[self.sent % network.delays.len()]).unwrap();
        self.sent += 1;
        let earliest = self.parcels.back().map_or(now, |(at, _)| *at);
        self.parcels.push_back((earliest.max(now + delay), parcel));
    }

    fn end(&mut self, now: Instant, network: &Network) {
        if !std::mem::replace(&mut self.is_ended, true) {
            self.push(Parcel::Eof, now, network);
        }
    }
}

/// One step of what a user does at one end.
#[derive(Debug, Clone)]
enum Act {
    Feed(usize),
    Begin,
    Piece(usize, bool),
    Ping,
    Close,
}

/// When, in milliseconds; at which end; what.
type Step = (u64, usize, Act);

/// Client and server, and what lies between them: `pipes[n]` carries what end `n` writes.
struct Pair {
    ends: [End; 2],
    pipes: [Pipe; 2],
    closed: [Vec<Closed>; 2],
    network: Network,
    start: Instant,
    now: Instant,
}

impl Pair {
    fn new(network: Network) -> Self {
        let ends = [End::client(), End::server()];
        let start = ends[0].now.max(ends[1].now);
        Self { ends, pipes: Default::default(), closed: Default::default(), network, start, now: start }
    }

    fn is_closed(&self, n: usize) -> bool {
        !self.closed[n].is_empty()
    }

    fn run(&mut self, script: &[Step]) {
        let mut script: VecDeque<&Step> = script.iter().collect();
        let mut steps = 0;
        while !(self.is_closed(0) && self.is_closed(1)) {
            let act = script.front().map(|(at, ..)| self.start + MILLISECOND * u32::try_from(*at).unwrap());
            let times =
                [act, self.fate_due(), self.arrival_due(0), self.arrival_due(1), self.due(0), self.due(1)];
            self.now = times
                .into_iter()
                .flatten()
                .min()
                .expect("something is due until both are closed")
                .max(self.now);
            if act == Some(self.now) {
                let (_, end, act) = script.pop_front().unwrap();
                self.acts(*end, act);
            }
            self.strikes();
            (0..2).for_each(|n| self.arrives(n));
            (0..2).for_each(|n| self.elapses(n));
            steps += 1;
            assert!(steps < 100_000, "no end in sight");
        }
    }

    fn due(&self, n: usize) -> Option<Instant> {
        if self.is_closed(n) { None } else { self.ends[n].connection.poll_timeout() }
    }

    /// When the next parcel for end `n` arrives.
    fn arrival_due(&self, n: usize) -> Option<Instant> {
        let (at, _) = self.pipes[1 - n].parcels.front()?;
        match self.network.fate {
            Some((second, Fate::Silence)) if *at >= self.start + SECOND * u32::try_from(second).unwrap() => {
                None
            }
            Some((second, Fate::Stall(time))) => {
                let from = self.start + SECOND * u32::try_from(second).unwrap();
                let until = from + SECOND * u32::try_from(time).unwrap();
                Some(if (from..until).contains(at) { until } else { *at })
            }
            _ => Some(*at),
        }
    }

    fn fate_due(&self) -> Option<Instant> {
        let (second, fate) = self.network.fate?;
        let at = self.start + SECOND * u32::try_from(second).unwrap();
        (matches!(fate, Fate::Cut | Fate::Reset)).then_some(at)
    }

    fn acts(&mut self, n: usize, act: &Act) {
        let end = &mut self.ends[n];
        let outbound = &mut end.connection.outbound;
        // What is refused is dropped: the queue is full, or the connection closes.
        match act {
            Act::Feed(len) => _ = outbound.feed(noise(*len).into(), Compress::Auto),
            Act::Begin => _ = outbound.begin_message(Kind::Binary, Compress::Auto),
            Act::Piece(len, last) => {
                let payload = noise(*len).into();
                _ = outbound.feed_piece(MessagePiece {
                    kind: Kind::Binary,
                    payload,
                    first: false,
                    last: *last,
                });
            }
            Act::Ping => _ = outbound.ping("ping".into(), self.now),
            Act::Close => _ = outbound.close(CloseFrame::new(CloseCode::NORMAL, "done")),
        }
        self.drives(n);
    }

    /// The network's end.
    fn strikes(&mut self) {
        if self.fate_due().is_none_or(|at| at > self.now) {
            return;
        }
        let fate = self.network.fate.take().map(|(_, fate)| fate);
        for n in 0..2 {
            self.pipes[n] = Pipe { is_ended: true, ..Pipe::default() };
            match fate {
                Some(Fate::Cut) => self.ends[n].connection.handle_eof(),
                _ => self.ends[n].connection.handle_transport_error(io::ErrorKind::ConnectionReset),
            }
        }
        (0..2).for_each(|n| self.drives(n));
    }

    fn arrives(&mut self, n: usize) {
        while self.arrival_due(n).is_some_and(|at| at <= self.now) {
            let (_, parcel) = self.pipes[1 - n].parcels.pop_front().unwrap();
            if self.is_closed(n) {
                continue;
            }
            let end = &mut self.ends[n];
            match parcel {
                Parcel::Bytes(bytes) => {
                    end.input.extend_from_slice(&bytes);
                    end.connection.handle_read(bytes.len(), self.now);
                }
                Parcel::Eof => end.connection.handle_eof(),
            }
            self.drives(n);
            self.drives(1 - n); // there is room in the pipe again
        }
    }

    fn elapses(&mut self, n: usize) {
        if self.due(n).is_some_and(|at| at <= self.now) {
            self.ends[n].connection.handle_timeout(self.now);
            self.drives(n);
        }
    }

    /// What a driver does whenever something has happened.
    fn drives(&mut self, n: usize) {
        if self.is_closed(n) {
            return;
        }
        self.ends[n].now = self.now;
        loop {
            let events = self.ends[n].polls();
            let ends = events
                .into_iter()
                .filter_map(|event| if let Event::Closed(closed) = event { Some(*closed) } else { None });
            self.closed[n].extend(ends);
            if !self.writes(n) {
                break;
            }
        }
        if self.is_closed(n) || self.ends[n].connection.inbound.wants_shutdown() {
            self.pipes[n].end(self.now, &self.network);
        }
    }

    /// Writes what the pipe takes. Whether it was anything.
    fn writes(&mut self, n: usize) -> bool {
        let (outbound, pipe) = (&mut self.ends[n].connection.outbound, &mut self.pipes[n]);
        let mut any = false;
        while outbound.has_remaining() && !pipe.is_ended {
            let split = self.network.splits[pipe.sent % self.network.splits.len()];
            let len = split.min(outbound.remaining()).min(IN_FLIGHT - pipe.in_flight());
            if len == 0 {
                outbound.handle_blocked(self.now);
                break;
            }
            let bytes = outbound.copy_to_bytes(len).to_vec();
            pipe.push(Parcel::Bytes(bytes), self.now, &self.network);
            any = true;
        }
        any
    }
}

fn network() -> impl Strategy<Value = Network> {
    let fate = prop_oneof![
        Just(Fate::Silence),
        (1u64..60).prop_map(Fate::Stall),
        Just(Fate::Cut),
        Just(Fate::Reset),
    ];
    let delays = prop::collection::vec(prop_oneof![4 => 0u64..200, 1 => 0u64..15_000], 1..6);
    let splits = prop::collection::vec(prop_oneof![1usize..20, 100usize..3000], 1..6);
    (delays, splits, prop::option::of((0u64..150, fate))).prop_map(|(delays, splits, fate)| Network {
        delays,
        splits,
        fate,
    })
}

/// A script in the order of time that ends with a close.
fn script() -> impl Strategy<Value = Vec<Step>> {
    let act = prop_oneof![
        4 => (0usize..6000).prop_map(Act::Feed),
        1 => Just(Act::Begin),
        2 => (0usize..3000, any::<bool>()).prop_map(|(len, last)| Act::Piece(len, last)),
        2 => Just(Act::Ping),
        1 => Just(Act::Close),
    ];
    let steps = prop::collection::vec((0u64..100_000, 0usize..2, act), 0..25);
    (steps, prop::collection::vec((100_000u64..100_100, 0usize..2, Just(Act::Close)), 1..3)).prop_map(
        |(mut steps, closes)| {
            steps.extend(closes);
            steps.sort_by_key(|(at, ..)| *at);
            steps
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn i9_both_ends_reach_closed_whatever_the_network_does(network in network(), script in script()) {
        let mut pair = Pair::new(network);
        pair.run(&script);
        prop_assert_eq!(pair.closed.each_ref().map(Vec::len), [1, 1]);
        // Stalls and deadlines of 20 seconds each, counted generously.
        prop_assert!(pair.now - pair.start < SECOND * 600);
    }

    #[test]
    fn i9_on_a_good_network_both_ends_close_cleanly(
        delays in prop::collection::vec(0u64..300, 1..4),
        splits in prop::collection::vec(1usize..5000, 1..4),
        script in script(),
    ) {
        // A message that is left open would meet its deadline.
        let script: Vec<Step> = script.into_iter().filter(|(_, _, act)| !matches!(act, Act::Begin)).collect();
        let mut pair = Pair::new(Network { delays, splits, fate: None });
        pair.run(&script);
        for closed in pair.closed.iter().flatten() {
            prop_assert!(closed.is_clean(), "{}", closed);
        }
    }
}

/// A peer that has vanished is found by keep-alive: 20 seconds of silence, 20 for the answer, 10 to close.
#[test]
fn i9_a_silent_network_is_found_within_50_seconds() {
    let network = Network { delays: vec![10], splits: vec![1000], fate: Some((0, Fate::Silence)) };
    let mut pair = Pair::new(network);
    pair.run(&[]);
    assert_eq!(pair.now - pair.start, SECOND * 50);
    for closed in pair.closed.iter().flatten() {
        assert_eq!(closed.cause, Cause::Timeout(Deadline::Ping));
    }
}

#[test]
fn i9_both_ends_tell_who_closed_first() {
    let mut pair = Pair::new(Network { delays: vec![50], splits: vec![3], fate: None });
    pair.run(&[(1000, 0, Act::Feed(5000)), (1001, 0, Act::Close)]);
    let [client, server] = pair.closed.each_ref().map(|closed| &closed[0]);
    assert_eq!((client.initiator, server.initiator), (Initiator::Local, Initiator::Remote));
    assert_eq!(client.sent, server.received);
    assert_eq!(server.sent, client.received);
}
