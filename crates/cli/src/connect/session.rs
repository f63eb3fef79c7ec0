//! An open connection: what the input asks for goes out, what comes goes to the output.
//!
//! Both directions and the signals are futures of one task, so they share what they must in cells.

use super::output::{Output, described};
use crate::args::ConnectArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::signals::Signals;
use sockeye::{
    Cause, CloseCode, CloseFrame, Closed, Event, Initiator, Message, Payload, ProtocolError, ReadHalf,
    Timing, WebSocket, WriteHalf,
};
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::pending;
use std::io::{self, IsTerminal as _};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};

/// Requests that may wait for the connection; then the input waits.
pub(super) const QUEUE: usize = 64;

/// How long a server may take for its Close before the person who waits is told.
const UNTOLD: Duration = Duration::from_secs(1);

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

impl Until {
    pub(super) fn of(args: &ConnectArgs) -> Self {
        if args.session.once { Self::FirstMessage } else { Self::InputEnds }
    }
}

/// What the directions of one session tell each other.
#[derive(Default)]
struct Shared {
    /// The user's last ping, until it is answered.
    ping: RefCell<Option<Payload>>,
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
        biased; // an end that has come goes before one that is given up
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
    let printed = print(&mut read, until, shared, output).await;
    shared.stop(if printed.is_ok() { CloseCode::NORMAL } else { CloseCode::GOING_AWAY });
    while let Ok(Some(_)) = read.next_event().await {} // no more is wanted, but the peer's Close
    let Some(closed) = read.closed() else { return Ok(Exit::Success) };
    let outcome = match &printed {
        Ok(messages) => shared.verdict(closed, until, *messages),
        Err(error) => unwritable(error),
    };
    match output.closed(closed, &outcome).await {
        Err(error) if printed.is_ok() => unwritable(&error),
        _ => outcome,
    }
}

fn unwritable(error: &io::Error) -> Outcome {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(Exit::Success), // the next program of the pipe has had enough
        _ => Err(Failure::local("cannot write to standard output")(error)),
    }
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
    output.flush().await?;
    Ok(messages)
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
        sleep(UNTOLD).await;
        if io::stderr().is_terminal() {
            eprintln!("waiting for the server's Close; Ctrl-C ends");
        }
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
                shared.ping.replace(Some(payload.clone()));
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

/// The first signal closes the connection; ready at the next one, or when the server has had its time to close. At the
/// first if it is closing already.
async fn interrupt(mut signals: Signals, shared: &Shared) {
    signals.next().await;
    shared.interrupted.set(true);
    if !shared.closing.get() {
        shared.stop(CloseCode::GOING_AWAY);
        let _ = timeout(Timing::default().close, signals.next()).await;
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
        match event {
            Event::Pong { payload, rtt: Some(_) } => {
                self.ping.borrow_mut().take_if(|ping| *ping == *payload).is_some()
            }
            _ => true,
        }
    }

    /// What the session comes to.
    fn verdict(&self, closed: &Closed, until: Until, messages: u64) -> Outcome {
        if let Some(cause) = self.failure.take() {
            return Err(Failure::new(Exit::Failure, cause));
        }
        if self.interrupted.get() {
            return Ok(Exit::Interrupted);
        }
        judge(closed)?;
        if until == Until::FirstMessage && messages == 0 {
            return Err(Failure::new(Exit::NoAnswer, "the connection ended before a message came"));
        }
        Ok(Exit::Success)
    }
}

/// What the end of the connection means for the program's: a failure where it was not clean, and where the server
/// closed with another code than 1000, 1001 or none, unless it echoes ours.
fn judge(closed: &Closed) -> Result<(), Failure> {
    // The limit is the user's: the peer has done nothing wrong.
    if let Cause::Protocol(ProtocolError::MessageTooBig(limit)) = closed.cause {
        let told = format_args!("a message is longer than {limit} bytes; raise --max-message to receive it");
        return Err(Failure::new(Exit::Broken, told));
    }
    if !closed.is_clean() {
        return Err(Failure::new(Exit::Broken, closed));
    }
    let Some(received) = &closed.received else { return Ok(()) };
    let is_usual = [CloseCode::NORMAL, CloseCode::GOING_AWAY, CloseCode::NO_STATUS].contains(&received.code);
    let is_echo = closed.initiator == Initiator::Local
        && closed.sent.as_ref().is_some_and(|sent| sent.code == received.code);
    if is_usual || is_echo {
        return Ok(());
    }
    Err(Failure::new(Exit::PeerError, format_args!("the server closed with {}", described(received))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye::Deadline;

    #[test]
    fn only_pongs_that_the_user_asked_for_are_printed() {
        let pong = |text: &'static str, rtt| Event::Pong { payload: text.into(), rtt };
        let answered = Some(Duration::ZERO);
        let shared = Shared::default();
        assert!(!shared.concerns_user(&pong("", answered)), "keeps alive");
        assert!(shared.concerns_user(&pong("", None)), "unasked by anyone");
        shared.ping.replace(Some("mine".into()));
        assert!(!shared.concerns_user(&pong("other", answered)));
        assert!(shared.concerns_user(&pong("mine", answered)));
        assert!(!shared.concerns_user(&pong("mine", answered)), "is answered already");
    }

    fn closed(initiator: Initiator, received: u16, sent: u16) -> Closed {
        let frame = |code| Some(CloseFrame::new(CloseCode::new(code), "why"));
        Closed { received: frame(received), sent: frame(sent), initiator, cause: Cause::Handshake }
    }

    fn exit(closed: &Closed) -> Option<Exit> {
        judge(closed).err().map(|failure| failure.exit)
    }

    #[test]
    fn only_unusual_codes_of_the_server_are_failures() {
        for code in [1000, 1001, 1005] {
            assert_eq!(exit(&closed(Initiator::Remote, code, code)), None, "{code}");
            assert_eq!(exit(&closed(Initiator::Local, code, 4000)), None, "{code}");
        }
        assert_eq!(exit(&closed(Initiator::Remote, 4000, 4000)), Some(Exit::PeerError));
        assert_eq!(exit(&closed(Initiator::Local, 4000, 4000)), None, "an echo");
        assert_eq!(exit(&closed(Initiator::Local, 1011, 1000)), Some(Exit::PeerError));
        let failure = judge(&closed(Initiator::Remote, 4000, 4000)).unwrap_err();
        assert_eq!(failure.message, "the server closed with 4000: why");
    }

    #[test]
    fn an_end_without_closing_handshake_is_a_failure() {
        for cause in [Cause::Eof, Cause::Timeout(Deadline::Close)] {
            let closed = Closed { cause, ..closed(Initiator::Local, 1000, 1000) };
            assert_eq!(exit(&closed), Some(Exit::Broken));
        }
    }
}
