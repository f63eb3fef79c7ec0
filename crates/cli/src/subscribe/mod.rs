//! `sockeye subscribe`: prints what channels are sent, from one connection to the next without a hole.

mod backoff;
mod envelope;
mod events;
mod link;
mod output;
mod place;
mod polls;

use crate::args::SubscribeArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::remote::Remote;
use crate::signals::Signals;
use backoff::Backoff;
use envelope::Envelope;
use link::{End, Link};
use output::Output;
use place::Place;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long a server may be silent that has not said how often it is heard.
const SILENCE: Duration = Duration::from_mins(1);

/// How long the server may take to answer a Close.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs until the server says to stop, or a signal comes.
pub(crate) fn run(args: &SubscribeArgs) -> Outcome {
    let remote = Remote::new(&args.remote)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::local("cannot start"))?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::new().map_err(Failure::local("cannot hear signals"))?;
        let (mut output, mut link) = (Output::new(args), None);
        tokio::select! {
            outcome = subscribe(&remote, args, &mut output, &mut link) => return outcome,
            () = signals.next() => {}
        }
        if let Some(link) = &mut link {
            let _ = timeout(FAREWELL, link.close()).await; // others see at once that this client has left
        }
        Ok(Exit::Interrupted)
    });
    runtime.shutdown_background(); // a write to a program that does not read would keep it
    outcome
}

async fn subscribe<'a>(
    remote: &'a Remote,
    args: &'a SubscribeArgs,
    output: &mut Output,
    link: &mut Option<Link<'a>>,
) -> Outcome {
    let mut place = Place::new(&args.since);
    let mut backoff = Backoff::default();
    let mut has_been_open = false;
    loop {
        let end = match Link::open(remote, args, &place).await {
            Ok(opened) => {
                let end = follow(link.insert(opened), &mut place, output).await;
                *link = None;
                if place.take_progress() {
                    has_been_open = true;
                    backoff = Backoff::default();
                }
                end
            }
            Err(end) => end,
        };
        let (cause, retry) = match end {
            End::Lost { cause, retry } => (cause, retry),
            // Where nothing has worked yet, the mistake is in the command rather than in the network.
            End::Unreachable(failure) if !has_been_open => return Err(failure),
            End::Unreachable(failure) => (failure.message, None),
            End::Stop(failure) => return Err(failure),
            End::Unwritable(outcome) => return outcome,
        };
        let pause = retry.unwrap_or_else(|| backoff.next());
        output::tell(&format!("{cause}; connecting again in {:.1} s", pause.as_secs_f64()));
        sleep(pause).await;
    }
}

/// Prints what comes until the connection has ended.
async fn follow(link: &mut Link<'_>, place: &mut Place, output: &mut Output) -> End {
    let end = print(link, place, output).await;
    output.flush().await.map_or_else(|error| End::unwritable(&error), |()| end)
}

async fn print(link: &mut Link<'_>, place: &mut Place, output: &mut Output) -> End {
    let mut silence = SILENCE;
    loop {
        let text = match timeout(silence, next(link, place, output)).await {
            Ok(Ok(text)) => text,
            Ok(Err(end)) => return end,
            Err(_) => return End::lost("the server has fallen silent"),
        };
        let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(&text) else {
            return End::lost("the server sent something that is no envelope of the protocol");
        };
        if let Some(seconds) = envelope.heartbeat {
            silence = Duration::from_secs(2 * seconds.clamp(1, 3600));
        }
        place.advance(&envelope);
        if let Err(error) = output.envelope(&envelope, &text).await {
            return End::unwritable(&error);
        }
        if let Some(end) = End::told(&envelope) {
            return end;
        }
    }
}

/// The next message; what has been printed leaves meanwhile.
async fn next(link: &mut Link<'_>, place: &Place, output: &mut Output) -> Result<String, End> {
    let mut next = pin!(link.next(place));
    tokio::select! {
        biased;
        next = &mut next => next,
        flushed = output.flush() => {
            flushed.map_err(|error| End::unwritable(&error))?;
            next.await
        }
    }
}
