//! A broker that cannot be reached for a while, for the tests of those who use one.

use crate::broker::*;
use std::collections::HashSet;
use std::sync::Mutex;

/// One that keeps everything in memory, and cannot read some channels.
#[derive(Debug)]
pub(crate) struct Failing {
    memory: Arc<MemoryBroker>,
    channels: Mutex<HashSet<Channel>>,
}

impl Failing {
    pub(crate) fn new(memory: Arc<MemoryBroker>) -> Self {
        Self { memory, channels: Mutex::default() }
    }

    /// From now on the channel cannot be read.
    pub(crate) fn fail(&self, channel: &str) {
        self.channels.lock().unwrap().insert(channel.parse().unwrap());
    }

    /// It can be read again.
    pub(crate) fn recover(&self, channel: &str) {
        self.channels.lock().unwrap().remove(channel);
    }
}

impl Broker for Failing {
    fn publish(&self, draft: Draft) -> Reply<Result<Published, BrokerError>> {
        self.memory.publish(draft)
    }

    fn read(&self, channel: &Channel, read: Read) -> Reply<Result<Page, BrokerError>> {
        if self.channels.lock().unwrap().contains(channel) {
            return Reply::now(Err(BrokerError::Unavailable("it fails".into())));
        }
        self.memory.read(channel, read)
    }

    fn subscribe(&self, channel: &Channel, inbox: &Arc<Inbox>) -> Reply<Result<Top, BrokerError>> {
        self.memory.subscribe(channel, inbox)
    }

    fn unsubscribe(&self, channel: &Channel, inbox: &Arc<Inbox>) {
        self.memory.unsubscribe(channel, inbox);
    }

    fn channels(&self, pattern: &Pattern, limit: usize) -> Reply<Result<Vec<ChannelInfo>, BrokerError>> {
        self.memory.channels(pattern, limit)
    }

    fn join(&self, channel: &Channel, member: &Arc<Member>, lease: Lease) -> Reply<Result<(), BrokerError>> {
        self.memory.join(channel, member, lease)
    }

    fn leave(&self, channel: &Channel, client: &str, linger: Duration) -> Reply<Result<(), BrokerError>> {
        self.memory.leave(channel, client, linger)
    }

    fn members(&self, channel: &Channel) -> Reply<Result<Vec<Arc<Member>>, BrokerError>> {
        self.memory.members(channel)
    }

    fn sweep(&self) {
        self.memory.sweep();
    }

    fn usage(&self) -> Usage {
        self.memory.usage()
    }
}
