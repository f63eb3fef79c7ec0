//! A broker that answers later, as one across a network does: the contract asks for no more than it says.

use super::*;
use tokio::task::yield_now;

/// One that keeps everything in memory, and takes its time.
#[derive(Debug)]
pub(crate) struct Delayed(pub(crate) Arc<MemoryBroker>);

impl Delayed {
    /// Asks the broker after a turn of the scheduler, and answers after another.
    fn ask<T: Unpin + Send + 'static>(
        &self,
        ask: impl FnOnce(&MemoryBroker) -> Reply<T> + Send + 'static,
    ) -> Reply<T> {
        let broker = Arc::clone(&self.0);
        Reply::later(async move {
            yield_now().await;
            let answer = ask(&broker).await;
            yield_now().await;
            answer
        })
    }
}

impl Broker for Delayed {
    fn publish(&self, draft: Draft) -> Reply<Result<Published, BrokerError>> {
        self.ask(|broker| broker.publish(draft))
    }

    fn read(&self, channel: &Channel, read: Read) -> Reply<Result<Page, BrokerError>> {
        let channel = channel.clone();
        self.ask(move |broker| broker.read(&channel, read))
    }

    fn subscribe(&self, channel: &Channel, inbox: &Arc<Inbox>) -> Reply<Result<Top, BrokerError>> {
        let (channel, inbox) = (channel.clone(), Arc::clone(inbox));
        self.ask(move |broker| broker.subscribe(&channel, &inbox))
    }

    fn unsubscribe(&self, channel: &Channel, inbox: &Arc<Inbox>) {
        self.0.unsubscribe(channel, inbox);
    }

    fn channels(&self, pattern: &Pattern, limit: usize) -> Reply<Result<Vec<ChannelInfo>, BrokerError>> {
        let pattern = pattern.clone();
        self.ask(move |broker| broker.channels(&pattern, limit))
    }

    fn join(&self, channel: &Channel, member: &Arc<Member>, lease: Lease) -> Reply<Result<(), BrokerError>> {
        let (channel, member) = (channel.clone(), Arc::clone(member));
        self.ask(move |broker| broker.join(&channel, &member, lease))
    }

    fn leave(&self, channel: &Channel, client: &str, linger: Duration) -> Reply<Result<(), BrokerError>> {
        let (channel, client) = (channel.clone(), client.to_owned());
        self.ask(move |broker| broker.leave(&channel, &client, linger))
    }

    fn members(&self, channel: &Channel) -> Reply<Result<Vec<Arc<Member>>, BrokerError>> {
        let channel = channel.clone();
        self.ask(move |broker| broker.members(&channel))
    }

    fn sweep(&self) {
        self.0.sweep();
    }

    fn usage(&self) -> Usage {
        self.0.usage()
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_answers_later_keeps_the_contract_too() {
    contract::check(|| Arc::new(Delayed(Arc::new(MemoryBroker::new(64 << 20))))).await;
}
