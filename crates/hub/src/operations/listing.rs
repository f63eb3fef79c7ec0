//! Which channels there are.

use super::unavailable;
use crate::broker::ChannelInfo;
use crate::channel::Pattern;
use crate::code::Problem;
use crate::worker::Worker;

/// Channels of an answer that does not say how many: 1000.
pub(crate) const CHANNELS: usize = 1000;
/// Channels of an answer at most: 10 000.
pub(crate) const MAX_CHANNELS: usize = 10_000;

/// Some channels.
#[derive(Debug)]
pub(crate) struct Listing {
    /// By name.
    pub(crate) channels: Vec<ChannelInfo>,
    /// How many connections of this server have each of them.
    pub(crate) subscribers: Vec<usize>,
    /// Whether there are others behind them.
    pub(crate) has_more: bool,
}

/// The first channels by name that the pattern names.
pub(crate) async fn channels(worker: &Worker, pattern: &Pattern, limit: usize) -> Result<Listing, Problem> {
    let mut channels = worker.hub.broker.channels(pattern, limit + 1).await.map_err(unavailable)?;
    let has_more = channels.len() > limit;
    channels.truncate(limit);
    let names = channels.iter().map(|info| info.channel.clone()).collect();
    let subscribers = worker.hub.subscribers(names).await;
    Ok(Listing { channels, subscribers, has_more })
}
