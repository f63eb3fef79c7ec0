//! Unix sockets.

use super::support::*;
use sockeye_hub::serve::ServeError;
use sockeye_hub::settings::Listen;
use std::path::PathBuf;
use tokio::net::{UnixListener, UnixStream};

/// A directory of a test's own, whose path is short enough for sockets; removed behind the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sockeye-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn everything_is_served_on_a_unix_socket_too() {
    let directory = Directory::new("serve");
    let path = directory.path("a.sock");
    let mut server = serve(|settings| settings.listen = Listen::Unix(path.clone()));
    let mut client = Client::new(UnixStream::connect(&path).await.unwrap());
    assert_eq!(client.ask(&get("/health")).await.status, 200);
    assert_eq!(client.ask(&post("/api/publish?channel=a", "7")).await.status, 200);
    let mut ws = Client::new(UnixStream::connect(&path).await.unwrap());
    ws.send(upgrade("/stream?channel=a&since=start", "")).await;
    assert_eq!(ws.head().await.status, 101);
    ws.read_until("\"data\":7").await;
    drop((client, ws));
    server.stop();
    server.ended().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_proxy_on_a_unix_socket_is_not_the_world_come_home() {
    let directory = Directory::new("proxied");
    let path = directory.path("a.sock");
    let _server = serve(|settings| settings.listen = Listen::Unix(path.clone()));
    let requests = [
        get("/api/info"),
        get("/metrics"),
        post("/api/publish?channel=a", "1"),
        post("/publish?channel=a", "1"),
        get("/stream?channel=a"),
        upgrade("/stream?channel=a", ""),
        get("/"),
    ];
    let hop = "Host: localhost\r\nX-Forwarded-For: 6.6.6.6\r\n";
    for disguise in [hop, "Host: example.com\r\n", &hop.replace("localhost", "example.com")] {
        for request in &requests {
            let request = request.replace("Host: localhost\r\n", disguise);
            let answer = Client::new(UnixStream::connect(&path).await.unwrap()).ask(&request).await;
            assert_eq!((answer.status, answer.code()), (403, 4102), "{request}");
        }
    }
    let mut own = Client::new(UnixStream::connect(&path).await.unwrap());
    assert!(own.ask(&get("/api/history?channel=a")).await.body.contains("\"messages\":[]"));
}

#[tokio::test]
async fn a_stale_file_is_replaced_and_no_other() {
    let directory = Directory::new("stale");
    let stale = directory.path("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    assert!(bind(|settings| settings.listen = Listen::Unix(stale.clone())).is_ok());

    let used = directory.path("used.sock");
    let _other = UnixListener::bind(&used).unwrap();
    let error = bind(|settings| settings.listen = Listen::Unix(used.clone())).unwrap_err();
    assert!(matches!(error, ServeError::SocketInUse(_)), "{error}");

    let file = directory.path("precious");
    std::fs::write(&file, "content").unwrap();
    let error = bind(|settings| settings.listen = Listen::Unix(file.clone())).unwrap_err();
    assert!(matches!(error, ServeError::NotASocket(_)), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "content");
}

#[tokio::test]
async fn a_file_that_is_no_longer_the_servers_is_left_alone() {
    let directory = Directory::new("taken");
    let path = directory.path("a.sock");
    let mut server = serve(|settings| settings.listen = Listen::Unix(path.clone()));
    std::fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    server.stop();
    server.ended().await;
    assert!(path.exists());
}
