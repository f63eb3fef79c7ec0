//! Both kinds of polls, answered by a batch. They keep nothing between two requests: where a client stands is in its
//! cursor alone, so that polls that are lost, repeated or made twice at once neither lose nor double anything.

use super::ask::{Ask, Beginning};
use super::begin::{self, Begun, Refused};
use super::{refuse, retry};
use crate::api;
use crate::broker::{Gap, Member, Order, Page, Read, Since};
use crate::channel::Channel;
use crate::code::{Code, Problem};
use crate::envelope;
use crate::identity::{Identity, Rights};
use crate::metrics::Transport;
use crate::position::{Cursor, Epoch, Offset, Position};
use crate::publication::Publication;
use crate::serve::body::Body;
use crate::session::{Departure, Entry, Session};
use crate::worker::Worker;
use bytes::Bytes;
use http::Response;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Answers a poll.
pub(super) async fn answer(worker: &Rc<Worker>, mut ask: Ask) -> Response<Body> {
    let batch = async {
        let identity = begin::identify(worker, ask.token.as_deref())?;
        if let Err(problem) = begin::admit(worker, &ask, &identity) {
            touch(worker, &ask, &identity, Duration::ZERO).await;
            return Err(problem);
        }
        if let Some(client) = &ask.client {
            touch(worker, &ask, &identity, worker.hub.polls.lease(client.id())).await;
        }
        ask.client.get_or_insert_with(|| worker.hub.authority.mint_client());
        if ask.wait.is_zero() || worker.hub.is_draining() {
            read(worker, &ask, identity).await
        } else {
            wait(worker, &ask, identity).await
        }
    };
    match batch.await {
        Ok(batch) => api::json(batch),
        Err(problem) => refuse(worker, &problem),
    }
}

/// A client that comes back is present until its next poll is overdue. One that polls once, without an id, is not.
async fn touch(worker: &Worker, ask: &Ask, identity: &Identity, lasting: Duration) {
    let Some(client) = &ask.client else { return };
    let member = Arc::new(Member {
        client: client.id().into(),
        user: identity.user.clone(),
        info: identity.info.clone(),
    });
    for channel in begin::channels(ask, identity).unwrap_or_default() {
        if identity.may(Rights::SUBSCRIBE, &channel, worker.hub.settings.namespace(&channel)) {
            worker.touch_presence(&channel, &member, lasting).await;
        }
    }
}

/// A long poll: a session that lasts until there is something.
async fn wait(worker: &Rc<Worker>, ask: &Ask, identity: Identity) -> Result<Bytes, Problem> {
    let Begun { session, refused, carried: mut cursor, .. } = begin::begin(worker, ask, identity).await?;
    let mut batch = Batch::new(worker, ask);
    let mut time_limit = pin!(tokio::time::sleep(ask.wait));
    poll_fn(|cx| {
        let gathered = batch.gather(&session, cx);
        if gathered.is_ready() { gathered } else { time_limit.as_mut().poll(cx) }
    })
    .await;
    session.cursor().positions().for_each(|position| cursor.merge(position));
    session.close(Departure::Closed);
    match session.ended().map(|problem| problem.code) {
        Some(Code::Draining) => batch.forget(ask),
        Some(Code::Disconnected) => {
            batch.forget(ask);
            let identity = session.identity().clone();
            touch(worker, ask, &identity, Duration::ZERO).await;
        }
        _ => {}
    }
    batch.messages.extend(refused);
    Ok(batch.end(ask, &cursor))
}

/// A plain poll: what the logs hold, the channels' publications merged by their time.
async fn read(worker: &Rc<Worker>, ask: &Ask, identity: Identity) -> Result<Bytes, Problem> {
    worker.counters.transport(ask.transport).opened.increment();
    let (mut pages, mut refused, mut cursor) = (Vec::new(), Refused::default(), Cursor::default());
    for channel in begin::channels(ask, &identity).map_err(|problem| begin::refused(worker, problem))? {
        match read_channel(worker, ask, &identity, &channel).await {
            Ok(_) if pages.len() >= worker.hub.settings.limits.channels_http => {
                refused.add(&channel, Code::TooManyChannels.into());
            }
            Ok(page) => pages.push(page),
            Err(problem) => {
                if let Some(position) = begin::carry(&channel, &problem, since(ask, &channel)) {
                    cursor.merge(position);
                }
                refused.add(&channel, problem);
            }
        }
    }
    if let (true, Some(problem)) = (pages.is_empty(), refused.first) {
        return Err(begin::refused(worker, problem));
    }
    let mut batch = Batch::new(worker, ask);
    while let Some(page) = pages.iter_mut().filter(|page| !page.is_empty()).min_by_key(|page| page.time()) {
        if batch.take(page).is_none() {
            break;
        }
    }
    let has_all = pages.iter().all(Unread::is_last);
    for Unread { channel, place: (epoch, offset), .. } in pages {
        cursor.merge(Position { channel, epoch, offset });
    }
    batch.messages.extend(refused.errors);
    if has_all && worker.hub.is_draining() {
        batch.send_away(ask);
    }
    Ok(batch.end(ask, &cursor))
}

async fn read_channel(
    worker: &Worker,
    ask: &Ask,
    identity: &Identity,
    channel: &Channel,
) -> Result<Unread, Problem> {
    let namespace = worker.hub.settings.namespace(channel);
    if !identity.may(Rights::SUBSCRIBE, channel, namespace) {
        return Err(Problem::new(Code::NotPermitted, format_args!("you may not subscribe to {channel}")));
    }
    let since = since(ask, channel);
    let read = match since {
        Since::Now if namespace.last_value => Read { since, limit: 1, order: Order::Reverse },
        _ => Read { since, limit: ask.limit, order: Order::Forward },
    };
    let page = worker.hub.broker.read(channel, read).await.map_err(unavailable)?;
    Ok(Unread::new(channel.clone(), since, page))
}

fn since(ask: &Ask, channel: &Channel) -> Since {
    let otherwise = if ask.transport == Transport::Poll { Beginning::Start } else { Beginning::Now };
    ask.since.as_ref().unwrap_or(&otherwise).since(channel)
}

fn unavailable(error: crate::broker::BrokerError) -> Problem {
    Problem::new(Code::Unavailable, error)
}

/// What was read of a channel, and is not in the batch yet.
struct Unread {
    channel: Channel,
    /// Where the batch stands in the channel.
    place: (Epoch, Offset),
    gap: Option<Gap>,
    publications: VecDeque<Arc<Publication>>,
    /// The last publication that there is.
    top: Offset,
}

impl Unread {
    fn new(channel: Channel, since: Since, page: Page) -> Self {
        let place = match (since, page.publications.first()) {
            (Since::After(epoch, offset), _) => (epoch, offset),
            (_, Some(first)) => (first.epoch, first.offset.saturating_sub(1)),
            (_, None) => (page.top.epoch, page.top.offset),
        };
        Self { channel, place, gap: page.gap, publications: page.publications.into(), top: page.top.offset }
    }

    /// Whether nothing is left of the channel, here or in its log.
    fn is_last(&self) -> bool {
        self.is_empty() && self.place.1 >= self.top
    }

    fn is_empty(&self) -> bool {
        self.gap.is_none() && self.publications.is_empty()
    }

    /// When the first of them was published; a gap comes before all.
    fn time(&self) -> u64 {
        match (&self.gap, self.publications.front()) {
            (None, Some(first)) => first.meta.time,
            _ => 0,
        }
    }
}

/// Messages for one answer: so many, and so many bytes, but one at least.
struct Batch<'a> {
    worker: &'a Worker,
    limit: usize,
    messages: Vec<Bytes>,
    bytes: usize,
}

impl<'a> Batch<'a> {
    fn new(worker: &'a Worker, ask: &Ask) -> Self {
        Self { worker, limit: ask.limit, messages: Vec::new(), bytes: 0 }
    }

    /// Takes what a session has. Ready once there is something, and no more for now or no room.
    fn gather(&mut self, session: &Session, cx: &mut Context<'_>) -> Poll<()> {
        while self.has_room() {
            match session.poll_entry(cx) {
                Poll::Ready(Some(entry)) => self.put(entry),
                Poll::Ready(None) => {
                    let problem = session.ended().unwrap_or_else(|| Code::Unavailable.into());
                    self.push(envelope::close(&problem, retry(&problem)));
                    return Poll::Ready(());
                }
                Poll::Pending if self.messages.is_empty() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(()),
            }
        }
        Poll::Ready(())
    }

    fn put(&mut self, entry: Entry) {
        match entry {
            Entry::Publication(publication) => self.push(publication.json(&self.worker.counters).clone()),
            Entry::Gap(channel, gap) => self.push(envelope::gap(&channel, &gap)),
            Entry::Join(channel, member) => self.push(envelope::join(&channel, &member)),
            Entry::Leave(channel, member) => self.push(envelope::leave(&channel, &member)),
            Entry::Own(message) => self.push(message),
            // An empty batch at the time limit says it.
            Entry::Heartbeat => {}
        }
    }

    /// Takes the next message of a channel; none if there is no room for it.
    fn take(&mut self, page: &mut Unread) -> Option<()> {
        if !self.has_room() {
            return None;
        }
        if let Some(gap) = page.gap.take() {
            page.place = (gap.epoch, gap.to);
            self.worker.counters.gaps.increment();
            self.push(envelope::gap(&page.channel, &gap));
            return Some(());
        }
        let publication = page.publications.front()?;
        let message = publication.json(&self.worker.counters).clone();
        if !self.messages.is_empty() && self.bytes + message.len() > self.max_bytes() {
            return None;
        }
        page.place = (publication.epoch, publication.offset);
        page.publications.pop_front();
        self.push(message);
        Some(())
    }

    /// Ends the batch with a `close`: the server drains, and the client has all that there is.
    fn send_away(&mut self, ask: &Ask) {
        let problem = begin::refused(self.worker, Code::Draining);
        self.push(envelope::close(&problem, retry(&problem)));
        self.forget(ask);
    }

    /// Whoever was sent away is not waited for.
    fn forget(&self, ask: &Ask) {
        if let Some(client) = &ask.client {
            self.worker.hub.polls.forget(client.id());
        }
    }

    fn push(&mut self, message: Bytes) {
        self.bytes += message.len();
        self.messages.push(message);
    }

    fn has_room(&self) -> bool {
        self.messages.len() < self.limit && self.bytes < self.max_bytes()
    }

    fn max_bytes(&self) -> usize {
        self.worker.hub.settings.limits.outbox
    }

    fn end(self, ask: &Ask, cursor: &Cursor) -> Bytes {
        let counters = self.worker.counters.transport(ask.transport);
        counters.messages_sent.add(self.messages.len() as u64);
        counters.bytes_sent.add(self.messages.iter().map(|message| message.len() as u64).sum());
        let client = ask.client.as_ref().map(ToString::to_string).unwrap_or_default();
        envelope::batch(&client, &self.messages, cursor)
    }
}
