//! Fan-out: one publisher, many subscribers, each of which gets every publication, in order.

use super::handshake::{self, Opening};
use super::{Figures, Span, histogram, json};
use crate::server::Server;
use hdrhistogram::Histogram;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use wire::poll::{Interest, Patience, Poll, now};
use wire::{MASK, PONG, TEXT, frame_in, push_frame};

/// Bytes that one read may bring.
const BLOCK: usize = 64 << 10;

/// Between the last subscriber's handshake and the first publication, for servers that subscribe later than they answer.
pub const SETTLING: Duration = Duration::from_millis(500);

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
    /// How subscribers follow channels, where they do not when they connect.
    pub follow: Option<Follow>,
    /// How the message with a publication begins; others are of no interest.
    pub marker: &'static str,
    /// What the publisher writes to publish JSON in a channel.
    pub publication: fn(usize, &str) -> Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
pub struct Follow {
    /// What a subscriber says to follow a channel.
    pub request: fn(usize) -> String,
    /// What the answer to that holds.
    pub answer: &'static str,
}

#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// All of them follow all channels, but for `groups`.
    pub subscribers: usize,
    pub channels: usize,
    /// Groups of subscribers that have the channels dealt out among them: each publication is for one of them.
    pub groups: usize,
    /// Publications under way at once.
    pub in_flight: usize,
    /// The JSON of the publication with a number.
    pub payload: fn(u64) -> String,
}

/// A JSON string of 128 bytes.
pub fn digits(number: u64) -> String {
    format!("\"{number:0126}\"")
}

/// Publishes to a server, and measures it. Messages are deliveries; latency is that of the last subscriber. Beside that,
/// how many bytes the frame of a publication has.
pub fn run(server: &Server, dialect: Dialect, shape: Shape, span: Span) -> io::Result<(Figures, usize)> {
    let mut crowd = Crowd::open(server, dialect, shape)?;
    for _ in 0..shape.in_flight {
        crowd.publish()?;
    }
    let begun = Instant::now();
    // Whatever the span, each subscriber has had each channel's first publication before anything is measured.
    while begun.elapsed() < span.warm_up || crowd.completed() < shape.channels as u64 {
        crowd.turn()?;
    }
    crowd.latency.clear();
    let (delivered, cpu, begun) = (crowd.delivered, server.cpu_time()?, Instant::now());
    while begun.elapsed() < span.measured || crowd.delivered == delivered {
        crowd.turn()?;
    }
    let (cpu, wall) = (server.cpu_time()?.saturating_sub(cpu), begun.elapsed());
    let figures =
        Figures { messages: crowd.delivered - delivered, cpu, wall, latency: crowd.latency, ratio: None };
    Ok((figures, crowd.frame_len))
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
    shape: Shape,
    publisher: TcpStream,
    subscribers: Vec<Subscriber>,
    block: Vec<u8>,
    published: u64,
    delivered: u64,
    under_way: VecDeque<Publication>,
    latency: Histogram<u32>,
    frame_len: usize,
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
    /// The number of the publication that it gets next, and how many further the one behind that is.
    next: u64,
    step: u64,
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
            let group = if number == PUBLISHER { 0 } else { number % shape.groups as u64 };
            let rest = match dialect.follow.filter(|_| number != PUBLISHER) {
                Some(follow) => followed(
                    &mut socket,
                    rest,
                    follow,
                    (group as usize..shape.channels).step_by(shape.groups),
                )?,
                None => rest,
            };
            socket.set_nonblocking(true)?;
            poll.add(&socket, number, Interest::Read)?;
            Ok::<_, io::Error>(Subscriber { socket, next: group, step: shape.groups as u64, rest })
        };
        let publisher = join((PUBLISHER, handshake::open(server.address, dialect.publish)?))?.socket;
        let opened = handshake::open_many(server.address, dialect.subscribe, shape.subscribers)?;
        let subscribers = (0..).zip(opened).map(join).collect::<io::Result<_>>()?;
        std::thread::sleep(SETTLING);
        let (block, under_way, latency) = (vec![0; BLOCK], VecDeque::new(), histogram()?);
        Ok(Self {
            poll,
            dialect,
            shape,
            publisher,
            subscribers,
            block,
            published: 0,
            delivered: 0,
            under_way,
            latency,
            frame_len: 0,
        })
    }

    /// Publications that every subscriber got.
    fn completed(&self) -> u64 {
        self.published - self.under_way.len() as u64
    }

    fn publish(&mut self) -> io::Result<()> {
        let payload = (self.shape.payload)(self.published);
        let channel = self.published as usize % self.shape.channels;
        // A socket that takes a part of it would be worth an error: so little is in flight.
        self.publisher.write_all(&(self.dialect.publication)(channel, &payload))?;
        let (since, missing) = (Instant::now(), self.subscribers.len() / self.shape.groups);
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
            let before = subscriber.next;
            let read = read(&mut subscriber.socket, &mut self.block)?;
            subscriber.take(&self.block[..read], self.dialect.marker, (completed, &mut self.under_way))?;
            self.delivered += (subscriber.next - before) / subscriber.step;
        }
        while let Some(done) = self.under_way.pop_front_if(|publication| publication.missing == 0) {
            self.frame_len = done.frame.len();
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
            let expected = under_way.get_mut((self.next - completed) as usize);
            if let Some(rest) = expected.and_then(|publication| publication.taken_from(bytes)) {
                bytes = rest;
                self.next += self.step;
                continue;
            }
            let Some((first, start, end)) = frame_in(bytes).filter(|frame| frame.2 <= bytes.len()) else {
                break;
            };
            let (frame, rest) = bytes.split_at(end);
            let message = json::plain((first, &frame[start..]))?;
            if message.starts_with(marker.as_bytes()) {
                // Nobody had it yet. It is taken in the next turn, as that of everybody else.
                let expected = under_way.get_mut((self.next - completed) as usize);
                expected.and_then(|publication| publication.first(frame, &message)).ok_or_else(wrong)?;
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
    fn first(&mut self, frame: &[u8], message: &[u8]) -> Option<()> {
        let is_right = self.frame.is_empty() && holds(message, self.payload.as_bytes());
        is_right.then(|| self.frame = frame.to_vec())
    }
}

/// Has a subscriber follow channels. What came behind the answers.
fn followed(
    socket: &mut TcpStream,
    mut rest: Vec<u8>,
    follow: Follow,
    channels: impl Iterator<Item = usize> + Clone,
) -> io::Result<Vec<u8>> {
    let mut missing = channels.clone().count();
    socket.write_all(&channels.flat_map(|channel| text(&(follow.request)(channel))).collect::<Vec<_>>())?;
    let mut block = [0; 4 << 10];
    loop {
        let mut taken = 0;
        while let Some((_, start, end)) =
            frame_in(&rest[taken..]).filter(|frame| taken + frame.2 <= rest.len())
        {
            missing -= usize::from(holds(&rest[taken + start..taken + end], follow.answer.as_bytes()));
            taken += end;
        }
        rest.drain(..taken);
        if missing == 0 {
            return Ok(rest);
        }
        match socket.read(&mut block)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => rest.extend_from_slice(&block[..read]),
        }
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
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
