//! A chat: what one says, all the others in the room get. Connect with `sockeye connect ws://127.0.0.1:9001/`.

use sockeye::server::{Listener, OriginPolicy, Route, Server};
use sockeye::{Message, Prepared, Sender};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The room: everyone's way to send.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<Vec<(u64, Sender)>>>);

impl Room {
    /// Encoded once for all. Whoever does not read fast enough misses it.
    fn tell(&self, from: u64, message: Message) {
        let message = Prepared::new(message);
        for (_, sender) in self.0.lock().unwrap().iter().filter(|(id, _)| *id != from) {
            let _ = sender.try_send(&message);
        }
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (room, ids) = (Room::default(), AtomicU64::new(0));
    let server = Server::new().origin(OriginPolicy::any());
    let listener = Listener::bind("127.0.0.1:9001").await?.service(Route::any(), server, move |mut ws, _| {
        let (room, id) = (room.clone(), ids.fetch_add(1, Ordering::Relaxed));
        async move {
            room.0.lock().unwrap().push((id, ws.sender(64)));
            while let Ok(Some(message)) = ws.recv().await {
                room.tell(id, message);
            }
            room.0.lock().unwrap().retain(|(other, _)| *other != id);
        }
    });
    eprintln!("listening on ws://127.0.0.1:9001/");
    listener.serve(tokio::signal::ctrl_c()).await;
    Ok(())
}
