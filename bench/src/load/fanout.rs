//! Fan-out: one publisher, many subscribers, each of which gets every publication, in order.

use super::handshake::{self, Opening};
use super::{Figures, Span, histogram};
use crate::server::Server;
use hdrhistogram::Histogram;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use wire::poll::{Interest, Patience, Poll, now};
use wire::{MASK, PONG, TEXT, frame_in, push_frame};

/// Bytes of a publication, and of one read.
const PUBLICATION: usize = 128;
const BLOCK: usize = 64 << 10;

/// Between the last subscriber's handshake and the first publication, for servers that subscribe later than they answer.
const SETTLING: Duration = Duration::from_millis(500);

/// The longest that a publication may be under way.
const PATIENCE: Duration = Duration::from_secs(10);

/// The number of the publisher's socket; subscribers count from 0.
const PUBLISHER: u64 = u64::MAX;

/// How a server is spoken to.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    pub subscribe: Opening<'static>,
    pub publish: Opening<'static>,
    /// What each WebSocket says first.
    pub greeting: Option<&'static str>,
    /// How the message with a publication begins; others are of no interest.
    pub marker: &'static str,
    /// What the publisher writes to publish a JSON string.
    pub publication: fn(&str) -> Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub subscribers: usize,
    pub in_flight: usize,
}

/// Publishes to a server, and measures it. Messages are deliveries; latency is that of the last subscriber.
pub fn run(server: &Server, dialect: Dialect, shape: Shape, span: Span) -> io::Result<Figures> {
    let mut crowd = Crowd::open(server, dialect, shape)?;
    for _ in 0..shape.in_flight {
        crowd.publish()?;
    }
    let begun = Instant::now();
    // Whatever the span, each subscriber has had a publication before anything is measured.
    while begun.elapsed() < span.warm_up || crowd.completed() == 0 {
        crowd.turn()?;
    }
    crowd.latency.clear();
    let (delivered, cpu, begun) = (crowd.delivered, server.cpu_time()?, Instant::now());
    while begun.elapsed() < span.measured {
        crowd.turn()?;
    }
    let (cpu, wall) = (server.cpu_time()?.saturating_sub(cpu), begun.elapsed());
    Ok(Figures { messages: crowd.delivered - delivered, cpu, wall, latency: crowd.latency })
}

/// The frame of a client's text message.
pub fn text(message: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    push_frame(&mut frame, TEXT, message.as_bytes(), Some(MASK));
    frame
}

struct Crowd {
    poll: Poll,
    dialect: Dialect,
    publisher: TcpStream,
    subscribers: Vec<Subscriber>,
    block: Vec<u8>,
    published: u64,
    delivered: u64,
    under_way: VecDeque<Publication>,
    latency: Histogram<u32>,
}

struct Publication {
    payload: String,
    since: Instant,
    missing: usize,
    /// The frame that the first subscriber got, and that all others have to get.
    frame: Vec<u8>,
}

struct Subscriber {
    socket: TcpStream,
    /// Publications that it got.
    got: u64,
    /// The beginning of a frame.
    rest: Vec<u8>,
}

impl Crowd {
    fn open(server: &Server, dialect: Dialect, shape: Shape) -> io::Result<Self> {
        let poll = Poll::new()?;
        let join = |(number, (mut socket, rest)): (u64, (TcpStream, Vec<u8>))| {
            if let Some(greeting) = dialect.greeting {
                socket.write_all(&text(greeting))?;
            }
            socket.set_nonblocking(true)?;
            poll.add(&socket, number, Interest::Read)?;
            Ok::<_, io::Error>(Subscriber { socket, got: 0, rest })
        };
        let publisher = join((PUBLISHER, handshake::open(server.address, dialect.publish)?))?.socket;
        let opened = handshake::open_many(server.address, dialect.subscribe, shape.subscribers)?;
        let subscribers = (0..).zip(opened).map(join).collect::<io::Result<_>>()?;
        std::thread::sleep(SETTLING);
        let (block, under_way, latency) = (vec![0; BLOCK], VecDeque::new(), histogram()?);
        Ok(Self {
            poll,
            dialect,
            publisher,
            subscribers,
            block,
            published: 0,
            delivered: 0,
            under_way,
            latency,
        })
    }

    /// Publications that every subscriber got.
    fn completed(&self) -> u64 {
        self.published - self.under_way.len() as u64
    }

    fn publish(&mut self) -> io::Result<()> {
        let payload = format!("\"{:0width$}\"", self.published, width = PUBLICATION - 2);
        // A socket that takes a part of it would be worth an error: so little is in flight.
        self.publisher.write_all(&(self.dialect.publication)(&payload))?;
        let (since, missing) = (Instant::now(), self.subscribers.len());
        self.under_way.push_back(Publication { payload, since, missing, frame: Vec::new() });
        self.published += 1;
        Ok(())
    }

    /// Reads what came, and publishes anew for each publication that everybody has.
    fn turn(&mut self) -> io::Result<()> {
        let completed = self.completed();
        for ready in self.poll.wait(Patience::None)? {
            let Some(subscriber) = self.subscribers.get_mut(ready.number as usize) else {
                read(&mut self.publisher, &mut self.block)?;
                continue;
            };
            let before = subscriber.got;
            let read = read(&mut subscriber.socket, &mut self.block)?;
            subscriber.take(&self.block[..read], self.dialect.marker, (completed, &mut self.under_way))?;
            self.delivered += subscriber.got - before;
        }
        while let Some(done) = self.under_way.pop_front_if(|publication| publication.missing == 0) {
            self.latency.saturating_record(done.since.elapsed().as_nanos() as u64);
            self.publish()?;
        }
        match self.under_way.front() {
            Some(oldest) if oldest.since.elapsed() > PATIENCE => {
                Err(io::Error::other(format!("{} subscribers wait for a publication", oldest.missing)))
            }
            _ => Ok(()),
        }
    }
}

impl Subscriber {
    /// Takes the frames that are whole. `under_way` begins with the publication of the number that stands before it.
    fn take(
        &mut self,
        bytes: &[u8],
        marker: &str,
        (completed, under_way): (u64, &mut VecDeque<Publication>),
    ) -> io::Result<()> {
        let joined = (!self.rest.is_empty()).then(|| [&*std::mem::take(&mut self.rest), bytes].concat());
        let mut bytes = joined.as_deref().unwrap_or(bytes);
        loop {
            let expected = under_way.get_mut((self.got - completed) as usize);
            if let Some(rest) = expected.and_then(|publication| publication.taken_from(bytes)) {
                bytes = rest;
                self.got += 1;
                continue;
            }
            let Some((first, start, end)) = frame_in(bytes).filter(|frame| frame.2 <= bytes.len()) else {
                break;
            };
            let (frame, rest) = bytes.split_at(end);
            if frame[start..].starts_with(marker.as_bytes()) {
                // Nobody had it yet. It is taken in the next turn, as that of everybody else.
                let expected = under_way.get_mut((self.got - completed) as usize);
                expected.and_then(|publication| publication.first(frame)).ok_or_else(wrong)?;
            } else {
                self.answer(first, &frame[start..])?;
                bytes = rest;
            }
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    /// Answers what asks whether it is there: a ping, or that of Engine.IO.
    fn answer(&mut self, first: u8, payload: &[u8]) -> io::Result<()> {
        match (first & 0xf, payload) {
            (0x9, payload) => {
                let mut frame = Vec::new();
                push_frame(&mut frame, PONG, payload, Some(MASK));
                self.socket.write_all(&frame)
            }
            (0x1, b"2") => self.socket.write_all(&text("3")),
            (0x8, _) => Err(io::Error::other("the server has closed a connection")),
            _ => Ok(()),
        }
    }
}

impl Publication {
    /// What stands behind its frame, if `bytes` begin with that.
    fn taken_from<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let rest = bytes.strip_prefix(&*self.frame).filter(|_| !self.frame.is_empty())?;
        self.missing -= 1;
        Some(rest)
    }

    /// Takes the frame of the first subscriber that has it; none if it is not right.
    fn first(&mut self, frame: &[u8]) -> Option<()> {
        let payload = self.payload.as_bytes();
        let is_right = self.frame.is_empty() && frame.windows(payload.len()).any(|window| window == payload);
        is_right.then(|| self.frame = frame.to_vec())
    }
}

fn wrong() -> io::Error {
    io::Error::other("a subscriber got something else than the next publication")
}

fn read(socket: &mut TcpStream, block: &mut [u8]) -> io::Result<usize> {
    match now(socket.read(block))? {
        Some(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server has closed a connection")),
        read => Ok(read.unwrap_or(0)),
    }
}
