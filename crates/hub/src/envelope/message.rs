//! Publications as messages: each is encoded once per format, at its first use, and shared by all who get it.

use super::Object;
use crate::metrics::Counters;
use crate::publication::{Data, Publication};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use sockeye::{Compress, Message, Prepared, Text};

impl Publication {
    /// The envelope, as it stands in text messages, events and batches.
    pub(crate) fn json(&self, counters: &Counters) -> &Bytes {
        self.json.get_or_init(|| {
            counters.encodings.increment();
            self.encode()
        })
    }

    /// The envelope as a message of `sockeye.json.v1`.
    pub(crate) fn text_message(&self, counters: &Counters, compress: Compress) -> &Prepared {
        self.text.get_or_init(|| {
            let json = self.json(counters).clone();
            // The payload was checked, the rest is ours: the text is there. Bytes that were none would still be told.
            let message = Text::try_from(json).map_or_else(|error| error.to_string().into(), Message::text);
            Prepared::with(message, compress)
        })
    }

    /// The message of `sockeye.bin.v1`; `None` where that is the text message: of all payloads that are not binary.
    pub(crate) fn binary_message(&self, counters: &Counters, compress: Compress) -> Option<&Prepared> {
        let Data::Binary(payload) = &self.data else { return None };
        if let Some(message) = self.binary.get() {
            return Some(message);
        }
        let header = self.header(Self::ENVELOPE).object("meta", |meta| self.meta(meta)).end();
        let len = u16::try_from(header.len()).ok()?;
        Some(self.binary.get_or_init(|| {
            counters.encodings.increment();
            let mut frame = BytesMut::with_capacity(2 + header.len() + payload.len());
            frame.put_u16(len);
            frame.put_slice(&header);
            frame.put_slice(payload);
            Prepared::with(Message::binary(frame.freeze()), compress)
        }))
    }

    fn encode(&self) -> Bytes {
        let header = self.header(self.envelope_len());
        let body = match &self.data {
            Data::Json(json) => header.raw("data", json),
            // Checked where it was made of bytes; replaced rather than refused where it was not.
            Data::Text(text) => header.text("data", &String::from_utf8_lossy(text)),
            Data::Binary(bytes) => header.plain("b64", STANDARD.encode(bytes)),
        };
        body.object("meta", |meta| self.meta(meta)).end()
    }

    fn header(&self, capacity: usize) -> Object {
        let Self { channel, epoch, offset, .. } = self;
        Object::with_capacity(capacity)
            .plain("type", "message")
            .plain("channel", channel)
            .plain("position", format_args!("{channel}~{epoch}.{offset}"))
    }

    fn meta(&self, meta: Object) -> Object {
        let from = &self.meta;
        meta.number("time", from.time)
            .maybe_text("type", from.content_type.as_deref())
            .maybe_text("client", from.client.as_deref())
            .maybe_text("user", from.user.as_deref())
            .maybe_raw("fields", from.fields.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{Epoch, MAX_OFFSET, Position};
    use crate::publication::Meta;
    use proptest::prelude::*;
    use serde_json::Value;

    fn publication(data: Data, meta: Meta) -> Publication {
        let position = Position { channel: "a".parse().unwrap(), epoch: Epoch(1), offset: 1 };
        Publication::new(position, data, meta)
    }

    #[test]
    fn a_publication_is_encoded_once_per_format() {
        let counters = Counters::default();
        let text = publication(Data::Json("1".into()), Meta::default());
        for _ in 0..3 {
            text.json(&counters);
            text.text_message(&counters, Compress::Never);
            assert!(text.binary_message(&counters, Compress::Never).is_none());
        }
        assert_eq!(counters.encodings.value(), 1);
        let binary = publication(Data::Binary("1".into()), Meta::default());
        for _ in 0..3 {
            binary.text_message(&counters, Compress::Never);
            binary.binary_message(&counters, Compress::Never);
        }
        assert_eq!(counters.encodings.value(), 3);
    }

    proptest! {
        #[test]
        fn the_length_is_known_before(
            text in any::<String>(), bytes in any::<Vec<u8>>(), user in any::<Option<Box<str>>>(),
            (epoch, offset, time) in (any::<u64>(), 0..MAX_OFFSET, any::<u64>()),
        ) {
            let fields: Box<serde_json::value::RawValue> = serde_json::from_str(r#"{"a":1}"#).unwrap();
            for data in [Data::from(&*text), Data::Json(serde_json::to_vec(&text).unwrap().into()), bytes.into()] {
                let position = Position { channel: "abc".parse().unwrap(), epoch: Epoch(epoch), offset };
                let meta = Meta { time, content_type: user.clone(), client: user.clone(), user: user.clone(), fields: Some(fields.clone()) };
                let publication = Publication::new(position, data, meta);
                let (len, known) = (publication.json(&Counters::default()).len(), publication.envelope_len());
                prop_assert!(len <= known && known <= len + 80, "{len} {known}");
            }
        }
    }

    #[test]
    fn a_message_says_whether_it_may_be_compressed() {
        let (counters, binary) =
            (Counters::default(), publication(Data::Binary("1".into()), Meta::default()));
        assert_eq!(binary.text_message(&counters, Compress::Auto).compress(), Compress::Auto);
        assert_eq!(binary.binary_message(&counters, Compress::Never).unwrap().compress(), Compress::Never);
    }

    #[test]
    fn a_header_too_long_for_its_length_goes_as_text() {
        let user = Some("x".repeat(70_000).into());
        let long = publication(Data::Binary("1".into()), Meta { user, ..Meta::default() });
        assert!(long.binary_message(&Counters::default(), Compress::Never).is_none());
    }

    fn meta() -> impl Strategy<Value = Meta> {
        let text = || proptest::option::of(any::<String>().prop_map(String::into_boxed_str));
        let fields = proptest::option::of(any::<String>()).prop_map(|text| {
            text.map(|text| serde_json::value::to_raw_value(&serde_json::json!({ "k": text })).unwrap())
        });
        (text(), 0..MAX_OFFSET, text(), text(), fields).prop_map(
            |(content_type, time, client, user, fields)| Meta { content_type, time, client, user, fields },
        )
    }

    fn data() -> impl Strategy<Value = Data> {
        prop_oneof![
            any::<String>().prop_map(|text| Data::Text(text.into())),
            any::<Vec<u8>>().prop_map(|bytes| Data::Binary(bytes.into())),
            any::<String>().prop_map(|text| Data::from_json(&Value::from(text).to_string().into()).unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn no_payload_and_no_meta_breaks_the_envelope(data in data(), meta in meta()) {
            let publication = publication(data, meta);
            let json = publication.json(&Counters::default());
            prop_assert!(!json.iter().any(|&b| b == b'\n' || b == b'\r'));
            let value: Value = serde_json::from_slice(json).unwrap();
            let names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
            let payload = if matches!(publication.data, Data::Binary(_)) { "b64" } else { "data" };
            let mut expected = ["type", "channel", "position", payload, "meta"];
            expected.sort_unstable();
            prop_assert_eq!(names, expected);
            prop_assert_eq!(&value["channel"], "a");
            let text = |name: &str| value["meta"][name].as_str().map(Box::from);
            prop_assert_eq!(text("user"), publication.meta.user);
            prop_assert_eq!(text("client"), publication.meta.client);
            prop_assert_eq!(text("type"), publication.meta.content_type);
            prop_assert_eq!(value["meta"]["time"].as_u64(), Some(publication.meta.time));
            match &publication.data {
                Data::Json(json) => prop_assert_eq!(&value["data"], &serde_json::from_slice::<Value>(json).unwrap()),
                Data::Text(text) => prop_assert_eq!(value["data"].as_str().unwrap().as_bytes(), text),
                Data::Binary(bytes) => {
                    prop_assert_eq!(&STANDARD.decode(value["b64"].as_str().unwrap()).unwrap(), bytes);
                }
            }
        }

        #[test]
        fn a_binary_frame_is_its_header_and_the_raw_payload(bytes in any::<Vec<u8>>(), meta in meta()) {
            let publication = publication(Data::Binary(bytes.clone().into()), meta);
            let message = publication.binary_message(&Counters::default(), Compress::Never).unwrap();
            let frame = message.payload();
            let (header, payload) = frame[2..].split_at(usize::from(u16::from_be_bytes([frame[0], frame[1]])));
            prop_assert_eq!(payload, &bytes);
            let mut header: Value = serde_json::from_slice(header).unwrap();
            let mut whole: Value = serde_json::from_slice(publication.json(&Counters::default())).unwrap();
            whole.as_object_mut().unwrap().remove("b64");
            prop_assert_eq!(header.take(), whole);
        }
    }
}
