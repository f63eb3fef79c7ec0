//! The server's API as a backend meets it: over a socket, with HTTP/1.1.

use serde_json::{Value, json};
use sockeye_hub::broker::MemoryBroker;
use sockeye_hub::serve::Server;
use sockeye_hub::settings::{Listen, Secret, Settings};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

const KEY: &str = "a server key of the tests";

/// A server on a port of its own, for the time of a test.
async fn serving<T>(change: impl FnOnce(&mut Settings), test: impl AsyncFnOnce(SocketAddr) -> T) -> T {
    let mut settings =
        Settings { listen: Listen::Tcp(([127, 0, 0, 1], 0).into()), threads: 2, ..Settings::default() };
    change(&mut settings);
    let server = Server::bind(settings, Arc::new(MemoryBroker::new(1 << 20))).unwrap();
    let &Listen::Tcp(address) = server.local_addr() else { panic!() };
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(stopped));
    let answer = test(address).await;
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    answer
}

/// A request on a connection of its own: its line, and a header if there is a second one. Answers the status, the head
/// and the body.
async fn ask(address: SocketAddr, head: &str, body: &str) -> (u16, String, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let (line, own) =
        head.split_once('\n').map_or((head, String::new()), |(line, own)| (line, format!("{own}\r\n")));
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n{own}\r\n{body}"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

async fn json(address: SocketAddr, head: &str, body: &str) -> Value {
    let (_, _, body) = ask(address, head, body).await;
    serde_json::from_str(&body).expect(&body)
}

#[tokio::test]
async fn what_a_backend_publishes_is_there_to_be_polled() {
    serving(
        |_| {},
        async |address| {
            let form = "POST /api/publish?channel=chat\nContent-Type: application/x-www-form-urlencoded";
            let published = json(address, form, r#"{"text":"hello"}"#).await;
            let (status, head, body) = ask(address, "GET /stream?channel=chat", "").await;
            let batch: Value = serde_json::from_str(&body).unwrap();
            assert_eq!((status, head.contains("cache-control: no-store")), (200, true));
            assert_eq!(batch["cursor"], published["position"]);
            assert_eq!(batch["messages"][0]["data"], json!({"text": "hello"}));
            let history = json(address, "GET /history?channel=chat", "").await;
            assert_eq!(history["messages"], batch["messages"]);
            let batch = r#"{"commands":[{"channel":"chat","data":1},{"user":"alice","data":2}]}"#;
            let results = json(address, "POST /api/batch", batch).await;
            assert_eq!(results["results"].as_array().map(Vec::len), Some(2));
            let channels = json(address, "GET /api/channels", "").await;
            assert_eq!(channels["channels"][0]["history"], 2);
            let (status, head, metrics) = ask(address, "GET /metrics", "").await;
            assert_eq!((status, head.contains("content-type: application/openmetrics-text")), (200, true));
            assert!(metrics.contains("\nsockeye_published_total 3\n"), "{metrics}");
        },
    )
    .await;
}

#[tokio::test]
async fn with_a_server_key_configured_the_api_takes_nothing_else() {
    let guard = |settings: &mut Settings| settings.auth.api_keys = vec![Secret(KEY.into())];
    serving(guard, async |address| {
        for path in ["/metrics", "/api/info", "/api/nothing"] {
            let (status, head, _) = ask(address, &format!("GET {path}"), "").await;
            assert_eq!((status, head.contains("www-authenticate: bearer")), (401, true), "{path}");
        }
        let with_key = format!("GET /api/info\nAuthorization: Bearer {KEY}");
        assert_eq!(json(address, &with_key, "").await["type"], "info");
        assert_eq!(json(address, "POST /publish?channel=a", "1").await["type"], "published");
        assert_eq!(json(address, "GET /health", "").await["status"], "ok");
        assert_eq!(json(address, "GET /ready", "").await["status"], "ok");
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_by_its_length_alone() {
    serving(
        |_| {},
        async |address| {
            let mut socket = TcpStream::connect(address).await.unwrap();
            let head = format!(
                "POST /api/publish?channel=a HTTP/1.1\r\nHost: {address}\r\nContent-Length: 65537\r\n\r\n"
            );
            socket.write_all(head.as_bytes()).await.unwrap();
            let mut answer = [0; 12];
            socket.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 413");
        },
    )
    .await;
}
