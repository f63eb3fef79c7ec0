//! What a connection tells `tracing`: a span, lengths and codes, and never a payload, a reason or a query.

use http::StatusCode;
use sockeye::client::Client;
use sockeye::server::{Listener, Rejection, Route, Server};
use sockeye::{CloseCode, WebSocket};
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down everything that it is told.
#[derive(Clone, Default)]
struct Notebook(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Notebook {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = self.0.lock().unwrap();
        write!(text, "\nspan {}", span.metadata().name()).unwrap();
        span.record(&mut Line(&mut text));
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        text.push_str("\nevent");
        event.record(&mut Line(&mut text));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn lengths_and_codes_are_told_and_no_content() {
    let notebook = Notebook::default();
    let guard = tracing::subscriber::set_default(notebook.clone());
    let (near, far) = tokio::io::duplex(4096);
    let client = Client::new("ws://user:hidden@localhost/?token=hidden").unwrap();
    let server = Server::new();
    let (client, accepted) = tokio::join!(client.upgrade(near), server.accept(far));
    let (mut client, mut server): (WebSocket<_>, WebSocket<_>) = (client.unwrap(), accepted.unwrap());
    client.send("hidden").await.unwrap();
    server.recv().await.unwrap();
    let (closed, end) = tokio::join!(client.close(CloseCode::new(4001), "hidden"), server.recv());
    assert!(closed.is_ok() && end.unwrap().is_none());
    drop(guard);

    let text = notebook.0.lock().unwrap().clone();
    for told in [
        "span websocket role=Client",
        "span websocket role=Server",
        "kind=Text len=6",
        "code=4001",
        "initiator=Remote",
    ] {
        assert!(text.contains(told), "{told} is missing in {text}");
    }
    assert!(!text.contains("hidden"), "{text}");
}

#[tokio::test]
async fn a_refusal_is_told_without_its_query() {
    let notebook = Notebook::default();
    let guard = tracing::subscriber::set_default(notebook.clone());
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.get_ref().local_addr().unwrap();
    let listener = listener.service(
        Route::path("/private")
            .check(|_| Err(Rejection::new(StatusCode::UNAUTHORIZED).body("hidden is no good token"))),
        Server::new(),
        |_, _| async {},
    );
    let (shutdown, signal) = tokio::sync::oneshot::channel::<()>();
    let (_, refused) = tokio::join!(listener.serve(signal), async move {
        drop(tokio::net::TcpStream::connect(address).await.unwrap());
        let client = Client::new(&format!("ws://{address}/private?token=hidden")).unwrap();
        let refused = client.connect().await;
        drop(shutdown);
        refused
    });
    drop(guard);

    assert!(refused.is_err());
    let text = notebook.0.lock().unwrap().clone();
    assert!(text.contains("path=\"/private\" status=401"), "{text}");
    assert!(text.contains("error=the client ended the connection"), "{text}");
    assert!(!text.contains("hidden"), "{text}");
}
