use super::*;
use crate::code::Code;
use crate::serve::entry::TAKEN_WITHIN;
use crate::serve::entry::tests::visit_over;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper::{Request, Response};
use tokio::io::DuplexStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

/// A client of HTTP/2 that takes nothing on a stream which it does not read.
async fn client(io: DuplexStream) -> http2::SendRequest<Empty<Bytes>> {
    let mut builder = http2::Builder::new(Local);
    builder.initial_stream_window_size(0);
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await.unwrap();
    spawn_local(connection);
    sender
}

async fn ask(client: &http2::SendRequest<Empty<Bytes>>, target: &str, accept: &str) -> Response<Incoming> {
    let request = Request::get(format!("https://localhost{target}")).header("accept", accept);
    client.clone().send_request(request.body(Empty::new()).unwrap()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_its_client_does_not_take_is_reset_and_the_others_go_on() {
    visit_over(
        "https",
        |io| io,
        async |io, _phase, worker| {
            let client = client(io).await;
            let began = Instant::now();
            let page = ask(&client, "/", "*/*").await;
            let events = ask(&client, "/stream?channel=a", "text/event-stream").await;
            for _ in 0..3 {
                sleep(TAKEN_WITHIN / 4).await;
                assert_eq!(ask(&client, "/health", "*/*").await.status(), 200);
            }
            assert_eq!(worker.counters.ended(Code::Silent).value(), 0);
            sleep(TAKEN_WITHIN / 2).await;
            for answer in [page, events] {
                assert!(answer.into_body().collect().await.is_err());
            }
            assert_eq!(worker.counters.ended(Code::Silent).value(), 1);
            assert_eq!(ask(&client, "/health", "*/*").await.status(), 200);
            assert!(began.elapsed() < 2 * TAKEN_WITHIN);
        },
    )
    .await;
}
