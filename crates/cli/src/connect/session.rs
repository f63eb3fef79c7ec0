//! An open connection: what the input asks for goes out, what comes goes to the output.
//!
//! Both directions and the signals are futures of one task, so they share what they must in cells.

use super::output::{Output, visible};
use crate::exit::{Exit, Failure, Outcome};
use crate::signals::Signals;
use sockeye::{
    CloseCode, CloseFrame, Closed, Event, Initiator, Message, Payload, ReadHalf, WebSocket, WriteHalf,
};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Requests that may wait for the connection; then the input waits.
pub(super) const QUEUE: usize = 64;

/// Something to do with the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Send a message.
    Send(Message),
    /// Send a ping.
    Ping(Payload),
    /// Begin the closing handshake; nothing comes after it.
    Close(CloseFrame),
    /// The input cannot go on, for this reason: close, and fail. Nothing comes after it.
    Fail(String),
}

/// What the user wants of the session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// The time from ping to ping, if there are to be any.
    pub(super) ping: Option<Duration>,
    pub(super) until: Until,
}

/// When to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// When the input asks for it.
    InputEnds,
    /// When the first message has come.
    FirstMessage,
}

/// What the directions of one session tell each other.
#[derive(Default)]
struct Shared {
    /// Pings of the user's that are not answered yet.
    pings: RefCell<Vec<Payload>>,
    /// What to close with, once something other than the input asks for it.
    stop: Cell<Option<CloseCode>>,
    stopped: Notify,
    /// The closing handshake has begun.
    closing: Cell<bool>,
    /// The user interrupted the session.
    interrupted: Cell<bool>,
    /// Why the input could not go on.
    failure: RefCell<Option<String>>,
}

/// Runs until the connection has ended.
pub(super) async fn run<S>(
    ws: WebSocket<S>,
    plan: Plan,
    requests: mpsc::Receiver<Request>,
    mut output: Output,
) -> Outcome
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let signals = Signals::new().map_err(Failure::local("cannot hear signals"))?;
    let (read, write) = ws.split();
    let shared = Shared::default();
    tokio::select! {
        outcome = receive(read, plan.until, &shared, &mut output) => outcome,
        never = send(write, plan.ping, &shared, requests) => match never {},
        () = interrupt(signals, &shared) => Ok(Exit::Interrupted),
    }
}

/// Receives until the connection has ended.
async fn receive<S>(mut read: ReadHalf<S>, until: Until, shared: &Shared, output: &mut Output) -> Outcome
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut printed = print(&mut read, until, shared, output).await;
    shared.stop(if printed.is_ok() { CloseCode::NORMAL } else { CloseCode::GOING_AWAY });
    while let Ok(Some(_)) = read.next_event().await {} // no more is wanted, but the peer's Close
    if let (Ok(messages), Some(closed)) = (&printed, read.closed()) {
        let messages = *messages;
        printed = output.closed(closed).await.map(|()| messages);
    }
    let messages = match printed {
        Ok(messages) => messages,
        // The program that reads our output has had enough, and has ended.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Exit::Success),
        Err(error) => return Err(Failure::local("cannot write to standard output")(error)),
    };
    if let Some(cause) = shared.failure.take() {
        return Err(Failure::new(Exit::Failure, cause));
    }
    if shared.interrupted.get() {
        return Ok(Exit::Interrupted);
    }
    read.closed().map_or(Ok(Exit::Success), verdict)?;
    if until == Until::FirstMessage && messages == 0 {
        return Err(Failure::new(Exit::NoAnswer, "the connection ended before a message came"));
    }
    Ok(Exit::Success)
}

/// Prints what comes, until the connection has ended or the plan is fulfilled. How many messages came.
async fn print<S>(
    read: &mut ReadHalf<S>,
    until: Until,
    shared: &Shared,
    output: &mut Output,
) -> io::Result<u64>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut messages = 0;
    while until == Until::InputEnds || messages == 0 {
        let next = tokio::select! {
            biased;
            next = read.next_event() => next,
            flushed = output.flush() => { // there is time for it
                flushed?;
                read.next_event().await
            }
        };
        let Ok(Some(event)) = next else { break };
        if shared.concerns_user(&event) {
            output.event(&event).await?;
            messages += u64::from(matches!(event, Event::Message(_)));
        }
    }
    Ok(messages)
}

/// What the end of the connection means for the program's.
fn verdict(closed: &Closed) -> Outcome {
    if !closed.is_clean() {
        return Err(Failure::new(Exit::Broken, closed));
    }
    let (Some(received), sent) = (&closed.received, closed.sent.as_ref()) else { return Ok(Exit::Success) };
    let is_echo = closed.initiator == Initiator::Local && sent.is_some_and(|sent| sent.code == received.code);
    match received.code {
        CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS => Ok(Exit::Success),
        _ if is_echo => Ok(Exit::Success),
        code if received.reason.is_empty() => {
            Err(Failure::new(Exit::PeerError, format_args!("the server closed with {code}")))
        }
        code => {
            let reason = visible(&received.reason);
            Err(Failure::new(Exit::PeerError, format_args!("the server closed with {code}: {reason}")))
        }
    }
}

/// Does what the input asks for. Never ready, so that it can stand beside `receive`.
async fn send<S>(
    mut write: WriteHalf<S>,
    ping: Option<Duration>,
    shared: &Shared,
    requests: mpsc::Receiver<Request>,
) -> Infallible
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let frame = tokio::select! {
        frame = forward(&mut write, ping, shared, requests) => frame,
        frame = shared.stopped() => Some(frame),
    };
    if let Some(frame) = frame {
        shared.closing.set(true);
        let _ = write.close(frame.code, &frame.reason).await; // refused only where it is closing already
    }
    pending().await
}

/// Sends what the input asks for, until it asks for the end: with this Close frame. `None` if the connection takes
/// nothing more.
async fn forward<S>(
    write: &mut WriteHalf<S>,
    ping: Option<Duration>,
    shared: &Shared,
    mut requests: mpsc::Receiver<Request>,
) -> Option<CloseFrame>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ticks = ping.map(|period| {
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    });
    loop {
        let request = tokio::select! {
            Some(request) = requests.recv() => request,
            () = tick(&mut ticks) => Request::Ping(Payload::new()),
        };
        match request {
            Request::Send(message) => write.feed(message).await.ok()?,
            Request::Ping(payload) => {
                shared.pings.borrow_mut().push(payload.clone());
                write.ping(payload).await.ok()?;
            }
            Request::Close(frame) => return Some(frame),
            Request::Fail(cause) => {
                shared.failure.replace(Some(cause));
                return Some(CloseFrame::new(CloseCode::GOING_AWAY, ""));
            }
        }
        if requests.is_empty() {
            write.flush().await.ok()?; // what came at once leaves at once
        }
    }
}

async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => pending().await,
    }
}

/// The first signal closes the connection; ready at the next one, or at the first if it is closing already.
async fn interrupt(mut signals: Signals, shared: &Shared) {
    signals.next().await;
    shared.interrupted.set(true);
    if !shared.closing.get() {
        shared.stop(CloseCode::GOING_AWAY);
        signals.next().await;
    }
}

impl Shared {
    fn stop(&self, code: CloseCode) {
        self.stop.set(Some(code));
        self.stopped.notify_one();
    }

    /// Waits until something other than the input has asked for the end.
    async fn stopped(&self) -> CloseFrame {
        self.stopped.notified().await;
        CloseFrame::new(self.stop.get().unwrap_or(CloseCode::NORMAL), "")
    }

    /// Whether to print this: all but the answers to the pings that keep the connection alive by themselves.
    fn concerns_user(&self, event: &Event) -> bool {
        let Event::Pong { payload, rtt: Some(_) } = event else { return true };
        let mut pings = self.pings.borrow_mut();
        let asked = pings.iter().position(|ping| ping == payload);
        asked.is_some_and(|position| {
            pings.drain(..=position);
            true
        })
    }
}
