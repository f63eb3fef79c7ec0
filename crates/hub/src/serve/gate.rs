//! How many may come in: connections in all, and per address connections and handshakes per second.
//!
//! One short lock when a connection or a stream begins, and one when it ends; none for messages. What is remembered is
//! bounded: an address is forgotten once nothing of it is open and its credit is whole again, after a second.

use crate::code::Code;
use crate::settings::Limits;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Addresses that are remembered although nothing of them is open, at most.
const REMEMBERED: usize = 1 << 16;

/// After so long without a handshake an address may begin as many as if it had never come.
const CREDIT_IS_WHOLE: Duration = Duration::from_secs(1);

/// Connections beyond all limits that are told so; further ones are dropped.
const TURNED_AWAY: usize = 1024;

/// Who is in.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: GateLimits,
    state: Mutex<State>,
    emptied: Notify,
}

#[derive(Debug)]
struct GateLimits {
    connections: usize,
    per_address: usize,
    handshakes: f64,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    turned_away: usize,
    addresses: HashMap<IpAddr, Address>,
    /// With so many addresses those that can be forgotten are looked for.
    sweep_at: usize,
    /// When that was done last.
    swept: Option<Instant>,
}

/// What is known of an address.
#[derive(Debug)]
struct Address {
    open: usize,
    /// Handshakes that it may begin at once.
    credit: f64,
    /// When the credit was reckoned.
    at: Instant,
}

/// One that is in, until this is dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    gate: Arc<Gate>,
    counts: Counts,
    address: Option<IpAddr>,
}

/// The place of a connection for one stream; others at the same time need one of their own. It is taken until what
/// [`take`](Self::take) gives is dropped.
#[derive(Debug, Default)]
pub(crate) struct Seat(Rc<()>);

impl Seat {
    /// Takes it, if it is free.
    pub(crate) fn take(&self) -> Option<Taken> {
        (Rc::strong_count(&self.0) == 1).then(|| Taken(self.0.clone()))
    }
}

/// A seat that is taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken(#[expect(dead_code, reason = "it counts for as long as it is there")] Rc<()>);

/// What a pass counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// A connection, or a stream beside another one.
    Connection,
    /// A connection that is being turned away.
    TurnedAway,
    /// A stream of a client behind a proxy, on a connection that counts already.
    Stream,
}

/// What becomes of a new connection.
#[derive(Debug)]
pub(crate) enum Entry {
    /// It is served.
    Open(Pass),
    /// It is told why it is not served.
    Refused(Pass, Code),
    /// It is dropped: too many are being told already.
    Full,
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A client's own.
    Client(IpAddr),
    /// A proxy's, whose clients are counted by their own addresses.
    Proxy,
    /// Whoever operates the server, on a listener of their own: never refused.
    Operator,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        let limits = GateLimits {
            connections: limits.connections,
            per_address: limits.connections_per_address,
            handshakes: limits.handshakes_per_second.into(),
        };
        Arc::new(Self { limits, state: Mutex::default(), emptied: Notify::new() })
    }

    /// A connection has come.
    pub(crate) fn connect(self: &Arc<Self>, peer: Peer, now: Instant) -> Entry {
        let mut state = self.state();
        let admitted = match peer {
            Peer::Operator => Ok(None),
            _ if state.open >= self.limits.connections => Err(Code::Overloaded),
            Peer::Client(address) => state.begin(address, &self.limits, now).map(Some),
            Peer::Proxy => Ok(None),
        };
        match admitted {
            Ok(address) => {
                state.open += 1;
                Entry::Open(self.pass(Counts::Connection, address))
            }
            Err(_) if state.turned_away >= TURNED_AWAY => Entry::Full,
            Err(code) => {
                state.turned_away += 1;
                Entry::Refused(self.pass(Counts::TurnedAway, None), code)
            }
        }
    }

    /// A client behind a proxy begins a stream.
    pub(crate) fn begin(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<Pass, Code> {
        let address = self.state().begin(address, &self.limits, now)?;
        Ok(self.pass(Counts::Stream, Some(address)))
    }

    /// A client begins a stream beside another one of its connection: it counts as if it had a connection of its own.
    pub(crate) fn beside(self: &Arc<Self>, address: IpAddr, now: Instant) -> Result<Pass, Code> {
        let mut state = self.state();
        if state.open >= self.limits.connections {
            return Err(Code::Overloaded);
        }
        let address = state.begin(address, &self.limits, now)?;
        state.open += 1;
        Ok(self.pass(Counts::Connection, Some(address)))
    }

    /// A client begins a further stream on its own connection.
    pub(crate) fn again(&self, address: IpAddr, now: Instant) -> Result<(), Code> {
        let mut state = self.state();
        let address = state.address(address, &self.limits, now)?;
        address.spend()
    }

    /// Ready when nobody is in.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.state().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn pass(self: &Arc<Self>, counts: Counts, address: Option<IpAddr>) -> Pass {
        Pass { gate: self.clone(), counts, address }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts something of an address that stays open; the answer is the address as it is remembered.
    fn begin(&mut self, address: IpAddr, limits: &GateLimits, now: Instant) -> Result<IpAddr, Code> {
        let known = self.address(address, limits, now)?;
        if known.open >= limits.per_address {
            return Err(Code::TooManyConnections);
        }
        known.spend()?;
        known.open += 1;
        Ok(holder(address))
    }

    fn address(&mut self, address: IpAddr, limits: &GateLimits, now: Instant) -> Result<&mut Address, Code> {
        let address = holder(address);
        if self.addresses.len() >= self.sweep_at && !self.addresses.contains_key(&address) {
            self.make_room(limits, now)?;
        }
        let known = self.addresses.entry(address);
        let known = known.or_insert_with(|| Address { open: 0, credit: limits.handshakes, at: now });
        known.earn(limits.handshakes, now);
        Ok(known)
    }

    /// Forgets what can be forgotten; at most once a second where that does not help.
    fn make_room(&mut self, limits: &GateLimits, now: Instant) -> Result<(), Code> {
        let most = REMEMBERED + self.open;
        if self.addresses.len() >= most && self.swept.is_some_and(|swept| now - swept < CREDIT_IS_WHOLE) {
            return Err(Code::Overloaded);
        }
        self.addresses.retain(|_, known| {
            known.earn(limits.handshakes, now);
            known.open > 0 || known.credit < limits.handshakes
        });
        self.swept = Some(now);
        self.sweep_at = (2 * self.addresses.len()).clamp(64, most);
        if self.addresses.len() < most { Ok(()) } else { Err(Code::Overloaded) }
    }

    fn is_empty(&self) -> bool {
        self.open == 0 && self.turned_away == 0
    }
}

impl Address {
    fn earn(&mut self, per_second: f64, now: Instant) {
        let earned = now.saturating_duration_since(self.at).as_secs_f64() * per_second;
        self.credit = (self.credit + earned).min(per_second);
        self.at = now;
    }

    fn spend(&mut self) -> Result<(), Code> {
        if self.credit < 1.0 {
            return Err(Code::TooManyConnections);
        }
        self.credit -= 1.0;
        Ok(())
    }
}

/// Whose address it is. Whoever has one IPv6 address has the 2^64 of its network: they count as one.
pub(crate) fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        match self.counts {
            Counts::Connection => state.open -= 1,
            Counts::TurnedAway => state.turned_away -= 1,
            Counts::Stream => {}
        }
        if let Some(known) = self.address.and_then(|address| state.addresses.get_mut(&address)) {
            known.open -= 1;
        }
        if state.is_empty() {
            self.gate.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(connections: usize, per_address: usize, handshakes: u32) -> Arc<Gate> {
        Gate::new(&Limits {
            connections,
            connections_per_address: per_address,
            handshakes_per_second: handshakes,
            ..Limits::default()
        })
    }

    fn client(n: u8) -> Peer {
        Peer::Client([192, 0, 2, n].into())
    }

    fn open(gate: &Arc<Gate>, peer: Peer) -> Result<Pass, Code> {
        match gate.connect(peer, Instant::now()) {
            Entry::Open(pass) => Ok(pass),
            Entry::Refused(_, code) => Err(code),
            Entry::Full => panic!("full"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_connections_as_there_may_be() {
        let gate = gate(2, 9, 9);
        let first = open(&gate, client(1)).unwrap();
        let _second = open(&gate, Peer::Proxy).unwrap();
        assert_eq!(open(&gate, client(3)).unwrap_err(), Code::Overloaded);
        assert_eq!(open(&gate, Peer::Proxy).unwrap_err(), Code::Overloaded);
        let operator = open(&gate, Peer::Operator).unwrap();
        drop(first);
        assert!(open(&gate, client(3)).is_err(), "an operator's connection counts");
        drop(operator);
        assert!(open(&gate, client(3)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_of_one_address_as_there_may_be() {
        let gate = gate(9, 2, 9);
        let (first, _second) = (open(&gate, client(1)).unwrap(), open(&gate, client(1)).unwrap());
        assert_eq!(open(&gate, client(1)).unwrap_err(), Code::TooManyConnections);
        assert!(open(&gate, client(2)).is_ok());
        drop(first);
        assert!(open(&gate, client(1)).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn streams_behind_a_proxy_count_for_their_own_address() {
        let gate = gate(1, 2, 9);
        let address = [192, 0, 2, 1].into();
        let _proxy = open(&gate, Peer::Proxy).unwrap();
        let (first, _second) = (gate.begin(address, Instant::now()), gate.begin(address, Instant::now()));
        assert_eq!(gate.begin(address, Instant::now()).unwrap_err(), Code::TooManyConnections);
        drop(first);
        assert!(gate.begin(address, Instant::now()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn streams_beside_others_count_as_connections() {
        let (gate, now) = (gate(3, 2, 9), Instant::now());
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let _connection = open(&gate, client(1)).unwrap();
        let beside = gate.beside(one, now).unwrap();
        assert_eq!(gate.beside(one, now).unwrap_err(), Code::TooManyConnections);
        let _other = gate.beside(other, now).unwrap();
        assert_eq!(gate.beside(other, now).unwrap_err(), Code::Overloaded);
        drop(beside);
        assert!(gate.beside(one, now).is_ok());
    }

    #[test]
    fn a_seat_is_for_one_at_a_time() {
        let seat = Seat::default();
        let taken = seat.take().unwrap();
        assert!(seat.take().is_none());
        drop(taken);
        assert!(seat.take().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_handshakes_per_second_as_there_may_be() {
        let gate = gate(99, 99, 4);
        for _ in 0..3 {
            drop(open(&gate, client(1)).unwrap());
        }
        assert_eq!(gate.again([192, 0, 2, 1].into(), Instant::now()), Ok(()));
        assert_eq!(open(&gate, client(1)).unwrap_err(), Code::TooManyConnections);
        tokio::time::advance(Duration::from_millis(249)).await;
        assert!(open(&gate, client(1)).is_err());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(open(&gate, client(1)).is_ok());
        assert!(open(&gate, client(1)).is_err());
        tokio::time::advance(Duration::from_hours(1)).await;
        for _ in 0..4 {
            drop(open(&gate, client(1)).unwrap());
        }
        assert!(open(&gate, client(1)).is_err(), "credit does not grow for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn the_addresses_of_an_ipv6_network_count_as_one() {
        let gate = gate(9, 1, 9);
        let connect = |text: &str| open(&gate, Peer::Client(text.parse().unwrap()));
        let _first = connect("2001:db8:1:2::1").unwrap();
        assert!(connect("2001:db8:1:2:ffff::9").is_err());
        assert!(connect("2001:db8:1:3::1").is_ok());
        let _v4 = connect("192.0.2.1").unwrap();
        assert!(connect("::ffff:192.0.2.1").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let gate = gate(9, 9, 9);
        let address = |n: u32| Peer::Client(IpAddr::from(n.to_be_bytes()));
        let kept = open(&gate, address(0)).unwrap();
        let mut refused = 0;
        for n in 1..=200_000 {
            refused += u32::from(open(&gate, address(n)).is_err());
        }
        assert!(refused > 0);
        assert!(gate.state().addresses.len() <= REMEMBERED + 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(open(&gate, address(200_001)).is_ok());
        assert!(gate.state().addresses.len() <= 2, "{}", gate.state().addresses.len());
        assert!(gate.state().addresses.contains_key(&IpAddr::from([0, 0, 0, 0])));
        drop(kept);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_turned_away_is_bounded_too() {
        let gate = gate(0, 9, 9);
        let turned: Vec<_> = (0..TURNED_AWAY).map(|_| gate.connect(client(1), Instant::now())).collect();
        assert!(turned.iter().all(|entry| matches!(entry, Entry::Refused(_, Code::Overloaded))));
        assert!(matches!(gate.connect(client(1), Instant::now()), Entry::Full));
        drop(turned);
        assert!(matches!(gate.connect(client(1), Instant::now()), Entry::Refused(..)));
    }

    #[tokio::test(start_paused = true)]
    async fn it_tells_when_nobody_is_in() {
        let gate = gate(9, 9, 9);
        gate.emptied().await;
        let (one, other) = (open(&gate, client(1)).unwrap(), open(&gate, Peer::Proxy).unwrap());
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.emptied().await }
        });
        tokio::task::yield_now().await;
        drop(one);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(other);
        waiting.await.unwrap();
    }
}
