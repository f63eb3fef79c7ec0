//! What a program may do that has the server inside itself: the same as the holder of the server key, without HTTP.

use super::publishing::count;
use super::{Caller, submit};
use crate::code::{Code, Problem};
use crate::envelope::Publish;
use crate::hub::Hub;
use crate::position::Position;
use crate::publication::Data;

impl Hub {
    /// Publishes into a channel, such as `chat:lobby`, or into that of a user: `@alice` (see
    /// [`Channel::of_user`](crate::channel::Channel::of_user)). Answers the publication's place. May be called from any
    /// task of any runtime.
    ///
    /// [`BadChannel`](Code::BadChannel) if the name is none, [`BadPayload`](Code::BadPayload) if JSON or text is none,
    /// [`TooLarge`](Code::TooLarge) beyond the limit of a publication's bytes, [`Unavailable`](Code::Unavailable) if the
    /// broker cannot take it.
    ///
    /// ```no_run
    /// # async fn example(hub: &sockeye_hub::hub::Hub) -> Result<(), Box<dyn std::error::Error>> {
    /// use sockeye_hub::publication::Data;
    ///
    /// hub.publish("news", "a text").await?;
    /// let position = hub.publish("chat:lobby", Data::from_json(&r#"{"text":"hello"}"#.into())?).await?;
    /// println!("{position}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn publish(&self, channel: &str, data: impl Into<Data>) -> Result<Position, Problem> {
        let channel = channel.parse().map_err(|error| Problem::new(Code::BadChannel, error))?;
        let publish = Publish { data: data.into().checked()?, content_type: None, key: None, fields: None };
        let published = submit(self, Caller::Server, channel, publish)?.answer().await?;
        self.metrics.count_elsewhere(|counters| count(&published, counters));
        Ok(published.position)
    }
}
