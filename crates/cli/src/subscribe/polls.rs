//! Both kinds of polling: one request after the other, each from where the last batch ended.

use super::envelope::Envelope;
use super::link::{End, accepted, ask};
use super::place::Place;
use crate::args::{SubscribeArgs, Transport};
use crate::remote::{Http, Remote, body};
use http::HeaderValue;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Seconds of a long poll.
const WAIT: &str = "25";
/// From one plain poll to the next.
const INTERVAL: Duration = Duration::from_secs(3);

/// A sequence of polls.
pub(super) struct Polls<'a> {
    remote: &'a Remote,
    args: &'a SubscribeArgs,
    token: Option<HeaderValue>,
    http: Option<Http>,
    /// Messages of the last batch that have not been asked for.
    waiting: VecDeque<String>,
    next: Instant,
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    messages: Vec<&'a RawValue>,
}

impl<'a> Polls<'a> {
    pub(super) fn new(remote: &'a Remote, args: &'a SubscribeArgs, token: Option<HeaderValue>) -> Self {
        Self { remote, args, token, http: None, waiting: VecDeque::new(), next: Instant::now() }
    }

    /// The messages of a batch, each by itself, and behind them the batch, which has the cursor. Only a `close` comes
    /// later still: nothing is read behind it.
    pub(super) async fn next(&mut self, place: &Place) -> Result<String, End> {
        while self.waiting.is_empty() {
            self.poll(place).await?;
        }
        Ok(self.waiting.pop_front().unwrap_or_default())
    }

    async fn poll(&mut self, place: &Place) -> Result<(), End> {
        sleep_until(self.next).await;
        let mut target = place.target(&self.args.channels);
        if self.args.transport == Transport::LongPoll {
            target.extend(["&wait=", WAIT]);
        }
        let answer = self.remote.ask(&mut self.http, ask(target, self.token.as_ref())).await;
        let body = body(accepted(answer.map_err(End::unasked)?).await?).await.map_err(End::unasked)?;
        let text = String::from_utf8_lossy(&body);
        let Ok(batch) = serde_json::from_str::<Batch<'_>>(&text) else {
            return Err(End::lost("the server sent something that is no batch"));
        };
        self.waiting.extend(batch.messages.iter().map(|message| message.get().to_owned()));
        if batch.messages.is_empty() && self.args.transport == Transport::Poll {
            self.next = Instant::now() + INTERVAL; // where there was something, there may be more
        }
        let closes = usize::from(batch.messages.last().is_some_and(|message| is_close(message)));
        self.waiting.insert(batch.messages.len() - closes, text.to_string());
        Ok(())
    }
}

fn is_close(message: &RawValue) -> bool {
    serde_json::from_str::<Envelope<'_>>(message.get()).is_ok_and(|envelope| envelope.kind == "close")
}
