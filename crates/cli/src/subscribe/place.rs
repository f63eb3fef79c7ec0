//! Where the reader stands.

use super::envelope::Envelope;
use sockeye_hub::position::Cursor;

/// Who this client is to the server, and how far it has read.
#[derive(Debug)]
pub(super) struct Place {
    /// Where to begin, until a position has come.
    since: String,
    cursor: Cursor,
    client: Option<String>,
    has_progress: bool,
}

impl Place {
    pub(super) fn new(since: &str) -> Self {
        // A cursor that cannot be read is given back as it is: it is the server's to refuse.
        let cursor = since.parse().unwrap_or_default();
        Self { since: since.to_owned(), cursor, client: None, has_progress: false }
    }

    /// Takes over what a message says of it.
    pub(super) fn advance(&mut self, envelope: &Envelope<'_>) {
        self.has_progress |= envelope.kind != "error" && envelope.kind != "close";
        let is_own = matches!(&*envelope.kind, "open" | "batch");
        if let Some(client) = envelope.client.as_ref().filter(|_| is_own) {
            self.client = Some(client.to_string());
        }
        let said = envelope.cursor.as_ref().or(envelope.position.as_ref());
        if let Some(Ok(cursor)) = said.map(|cursor| cursor.parse::<Cursor>()) {
            cursor.positions().for_each(|position| self.cursor.merge(position));
        }
    }

    /// Whether something has come since this was last asked.
    pub(super) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.has_progress)
    }

    /// Path and query of the stream, from here on.
    pub(super) fn target(&self, channels: &[String]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for channel in channels {
            query.append_pair("channel", channel);
        }
        if self.cursor.is_empty() {
            query.append_pair("since", &self.since);
        } else {
            query.append_pair("since", &self.cursor.to_string());
        }
        if let Some(client) = &self.client {
            query.append_pair("client", client);
        }
        format!("/stream?{}", query.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(place: &mut Place, json: &str) {
        place.advance(&serde_json::from_str(json).unwrap());
    }

    #[test]
    fn it_moves_with_what_comes() {
        let mut place = Place::new("start");
        let channels = ["chat".to_owned(), "a&b".to_owned()];
        assert_eq!(place.target(&channels), "/stream?channel=chat&channel=a%26b&since=start");
        told(&mut place, r#"{"type":"open","client":"q.s","cursor":"chat~5f.41"}"#);
        assert!(place.take_progress() && !place.take_progress());
        told(&mut place, r#"{"type":"message","channel":"chat","position":"chat~5f.42"}"#);
        told(&mut place, r#"{"type":"join","channel":"chat","client":"other"}"#);
        told(&mut place, r#"{"type":"gap","channel":"news","position":"news~1.7","to":7,"reason":"epoch"}"#);
        assert_eq!(place.target(&[]), "/stream?since=chat%7E5f.42%2Cnews%7E1.7&client=q.s");
    }

    #[test]
    fn a_cursor_is_given_back_as_it_is() {
        assert_eq!(Place::new("a~1.2").target(&[]), "/stream?since=a%7E1.2");
        assert_eq!(Place::new("nonsense").target(&[]), "/stream?since=nonsense");
    }
}
