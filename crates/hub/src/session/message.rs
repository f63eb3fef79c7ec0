//! What sessions hold and hand out.

use crate::broker::{Gap, Member};
use crate::channel::Channel;
use crate::publication::{Data, Publication};
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
    weight: usize,
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
    /// A publication with what a worker wants to know of it at every delivery.
    pub(crate) fn new(publication: Arc<Publication>, source: Source) -> Rc<Self> {
        let weight = envelope_len(&publication);
        Rc::new(Self { publication, weight, source })
    }

    /// What it counts in an outbox: about the bytes of its envelope.
    pub(crate) fn weight(&self) -> usize {
        self.weight
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

/// What an envelope has beside payload and names: braces, field names, position, time.
const ENVELOPE: usize = 128;

/// What a publication counts in an outbox: about the bytes of its envelope.
pub(crate) fn envelope_len(publication: &Publication) -> usize {
    let payload = match &publication.data {
        Data::Json(bytes) | Data::Text(bytes) => bytes.len(),
        Data::Binary(bytes) => bytes.len().div_ceil(3) * 4,
    };
    let meta = &publication.meta;
    let texts = [meta.content_type.as_deref(), meta.client.as_deref(), meta.user.as_deref()];
    let texts: usize = texts.into_iter().flatten().map(str::len).sum();
    let fields = meta.fields.as_ref().map_or(0, |fields| fields.get().len());
    // The channel's name stands in the position, too.
    payload + 2 * publication.channel.as_str().len() + texts + fields + ENVELOPE
}

/// What someone's coming or going counts in an outbox.
pub(crate) fn member_len(member: &Member) -> usize {
    ENVELOPE + member.info.as_ref().map_or(0, |info| info.get().len())
}
