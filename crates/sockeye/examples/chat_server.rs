//! A chat: what one says, all the others in the room get. Connect with `sockeye connect ws://127.0.0.1:9001/`.

use sockeye::server::{Listener, OriginPolicy, Route, Server};
use sockeye::{Message, Prepared, Sender};
use std::sync::{Arc, Mutex};

/// The room: everyone's way to send.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<Vec<(u64, Sender)>>>);

impl Room {
    /// Encoded once for all. Whoever does not read fast enough misses it; whoever has gone is taken off the list.
    fn tell(&self, from: u64, message: Message) {
        let message = Prepared::new(message);
        self.0.lock().unwrap().retain(|(id, sender)| {
            let _ = *id == from || sender.try_send(&message).is_ok();
            !sender.is_closed()
        });
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (room, ids) = (Room::default(), Arc::new(Mutex::new(0..)));
    let server = Server::new().origin(OriginPolicy::any());
    let listener = Listener::bind("127.0.0.1:9001").await?.service(Route::any(), server, move |mut ws, _| {
        let (room, ids) = (room.clone(), ids.clone());
        async move {
            let id: u64 = ids.lock().unwrap().next().unwrap_or_default();
            room.0.lock().unwrap().push((id, ws.sender(64)));
            while let Ok(Some(message)) = ws.recv().await {
                room.tell(id, message);
            }
        }
    });
    eprintln!("listening on ws://127.0.0.1:9001/");
    listener.serve(std::future::pending::<()>()).await;
    Ok(())
}
