//! A message for many connections: encoded once, compressed once.

use crate::message::{Compress, Kind, Message};
use bytes::Bytes;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A message that goes to many connections. Clones share its bytes and everything computed from them.
#[derive(Clone)]
pub struct Prepared(Arc<Shared>);

struct Shared {
    kind: Kind,
    payload: Bytes,
    compress: Compress,
    transformed: Link,
}

/// What extensions made of the payload, a handful at the most. The list only grows, at its end, so that reading it
/// takes no lock.
type Link = OnceLock<Box<Made>>;

struct Made {
    key: u64,
    bytes: Option<Bytes>,
    next: Link,
}

impl Prepared {
    /// Takes the message's bytes; a short one is copied once here, never per connection. Extensions may compress it
    /// as they are configured ([`Compress::Auto`]).
    pub fn new(message: impl Into<Message>) -> Self {
        Self::with(message, Compress::Auto)
    }

    /// Like [`new`](Self::new), with a say in whether the message is compressed.
    ///
    /// ```
    /// use sockeye_proto::{Compress, Prepared};
    ///
    /// let secret = Prepared::with("a token", Compress::Never);
    /// assert_eq!(secret.compress(), Compress::Never);
    /// ```
    pub fn with(message: impl Into<Message>, compress: Compress) -> Self {
        let message = message.into();
        let kind = message.kind();
        let payload = message.into_payload().into();
        Self(Arc::new(Shared { kind, payload, compress, transformed: Link::new() }))
    }

    /// Text or binary.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The plain bytes.
    pub fn payload(&self) -> &Bytes {
        &self.0.payload
    }

    /// The sender's choice about compression, which every extension honours.
    pub fn compress(&self) -> Compress {
        self.0.compress
    }

    /// For extensions: what `make` makes of the plain bytes, computed at the first call with this `key` and shared
    /// by all later ones, which take no lock. The key names everything that the result depends on. `None` is
    /// remembered too. `make` must not call this itself.
    pub fn transformed(&self, key: u64, make: impl FnOnce(&[u8]) -> Option<Bytes>) -> Option<Bytes> {
        let mut make = Some(make);
        let mut link = &self.0.transformed;
        loop {
            let made = link.get_or_init(|| {
                let bytes = make.take().and_then(|make| make(&self.0.payload));
                Box::new(Made { key, bytes, next: Link::new() })
            });
            if made.key == key {
                return made.bytes.clone();
            }
            link = &made.next;
        }
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("kind", &self.kind())
            .field("len", &self.payload().len())
            .finish_non_exhaustive()
    }
}

impl<M: Into<Message>> From<M> for Prepared {
    fn from(message: M) -> Self {
        Self::new(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn leaves_the_choice_to_the_extensions_unless_told() {
        assert_eq!(Prepared::new("text").compress(), Compress::Auto);
        assert_eq!(Prepared::from("text").compress(), Compress::Auto);
        for compress in [Compress::Auto, Compress::Always, Compress::Never] {
            let prepared = Prepared::with(vec![1, 2], compress);
            assert_eq!((prepared.compress(), prepared.kind()), (compress, Kind::Binary));
            assert_eq!(prepared.clone().payload(), &[1, 2][..]);
        }
    }

    proptest! {
        #[test]
        fn makes_each_form_once(keys in proptest::collection::vec(0u64..6, 0..20)) {
            let prepared = Prepared::new("plain");
            let form = |key: u64| (key > 0).then(|| Bytes::from(vec![b'x'; usize::try_from(key).unwrap_or(0)]));
            let mut known = Vec::new();
            for key in keys {
                let mut called = false;
                let bytes = prepared.transformed(key, |plain| {
                    assert_eq!(plain, b"plain");
                    called = true;
                    form(key)
                });
                prop_assert_eq!(bytes, form(key));
                prop_assert_eq!(called, !known.contains(&key));
                known.push(key);
            }
        }
    }

    #[test]
    fn threads_that_meet_make_one_form_and_share_it() {
        let prepared = Prepared::new("plain");
        let (made, meet) = (AtomicUsize::new(0), Barrier::new(4));
        let take = |key: u64| {
            meet.wait();
            let bytes = prepared.transformed(key, |_| {
                made.fetch_add(1, Ordering::SeqCst);
                Some(Bytes::from(key.to_string()))
            });
            (key, bytes)
        };
        std::thread::scope(|scope| {
            let threads = [1, 2, 1, 2].map(|key| {
                scope.spawn({
                    let take = &take;
                    move || take(key)
                })
            });
            for (key, bytes) in threads.map(|thread| thread.join().expect("no panic")) {
                assert_eq!(bytes, Some(Bytes::from(key.to_string())));
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn is_shown_without_its_content() {
        let shown = format!("{:?}", Prepared::new("hunter2"));
        assert!(shown.contains("Text") && shown.contains("len: 7") && !shown.contains("hunter2"), "{shown}");
    }
}
