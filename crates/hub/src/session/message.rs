//! What sessions hold and hand out.

use super::outbox::Item;
use crate::broker::{Gap, Member};
use crate::channel::Channel;
use crate::publication::Publication;
use bytes::Bytes;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

/// What a client is told, in this order.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A publication.
    Publication(Rc<Message>),
    /// What is missing in a channel.
    Gap(Channel, Gap),
    /// Someone has come.
    Join(Channel, Arc<Member>),
    /// Someone has gone.
    Leave(Channel, Arc<Member>),
    /// What the transport has put among them: an answer, an error.
    Own(Bytes),
    /// Nothing else came for a while.
    Heartbeat,
}

/// A publication on its way to the sessions of one worker, which share it without an atomic count.
#[derive(Debug)]
pub(crate) struct Message {
    publication: Arc<Publication>,
    source: Source,
}

/// Where a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// It was published just now.
    Live,
    /// It was read from the log.
    Log,
}

impl Message {
    /// A publication from there.
    pub(crate) fn new(publication: Arc<Publication>, source: Source) -> Rc<Self> {
        Rc::new(Self { publication, source })
    }

    /// What it counts in an outbox: about the bytes of its envelope.
    pub(crate) fn weight(&self) -> usize {
        self.publication.envelope_len()
    }

    /// Where it comes from.
    pub(crate) fn source(&self) -> Source {
        self.source
    }
}

impl Deref for Message {
    type Target = Arc<Publication>;

    fn deref(&self) -> &Arc<Publication> {
        &self.publication
    }
}

/// What someone's coming or going counts in an outbox.
pub(crate) fn member_len(member: &Member) -> usize {
    Item::SMALL + member.info.as_ref().map_or(0, |info| info.get().len())
}
