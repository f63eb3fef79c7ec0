//! A client's masking keys: fresh for each frame, from a CSPRNG (RFC 6455 5.3 and 10.3).

use sockeye_proto::connection::MaskKeys;

/// The thread's generator (`ChaCha`, seeded and reseeded by the system).
pub(crate) struct ThreadKeys;

impl MaskKeys for ThreadKeys {
    fn next_key(&mut self) -> [u8; 4] {
        rand::random()
    }
}
