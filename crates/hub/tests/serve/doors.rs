//! Unix sockets.

use super::support::*;
use sockeye_hub::serve::ServeError;
use sockeye_hub::settings::Listen;
use std::path::PathBuf;
use tokio::net::{UnixListener, UnixStream};

fn path(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("sockeye-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory.join(name)
}

#[tokio::test]
async fn everything_is_served_on_a_unix_socket_too() {
    let path = path("serve.sock");
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
async fn a_stale_file_is_replaced_and_no_other() {
    let stale = path("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    assert!(bind(|settings| settings.listen = Listen::Unix(stale.clone())).is_ok());

    let used = path("used.sock");
    let _other = UnixListener::bind(&used).unwrap();
    let error = bind(|settings| settings.listen = Listen::Unix(used.clone())).unwrap_err();
    assert!(matches!(error, ServeError::SocketInUse(_)), "{error}");

    let file = path("precious");
    std::fs::write(&file, "content").unwrap();
    let error = bind(|settings| settings.listen = Listen::Unix(file.clone())).unwrap_err();
    assert!(matches!(error, ServeError::NotASocket(_)), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "content");
}

#[tokio::test]
async fn a_file_that_is_no_longer_the_servers_is_left_alone() {
    let path = path("taken.sock");
    let mut server = serve(|settings| settings.listen = Listen::Unix(path.clone()));
    std::fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    server.stop();
    server.ended().await;
    assert!(path.exists());
}
