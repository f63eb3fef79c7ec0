use super::*;
use std::sync::{Arc, Mutex};
use tokio::time::{Instant, sleep};

fn addresses<const N: usize>(texts: [&str; N]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// What becomes of an attempt, by the address's port: after so many ms it succeeds (below 10,000) or fails (from it).
async fn scripted(address: SocketAddr) -> io::Result<&'static str> {
    let port = address.port();
    sleep(Duration::from_millis(u64::from(port % 10_000))).await;
    if port < 10_000 { Ok("connected") } else { Err(io::ErrorKind::ConnectionRefused.into()) }
}

type Raced = Result<SocketAddr, Vec<SocketAddr>>;

/// Who won, or the failures in their order; when; and when each attempt began, in ms.
async fn run<const N: usize>(texts: [&str; N]) -> (Raced, u128, Vec<u128>) {
    let start = Instant::now();
    let begun = Arc::new(Mutex::new(Vec::new()));
    let noted = begun.clone();
    let raced = race(addresses(texts), move |address| {
        noted.lock().unwrap().push(start.elapsed().as_millis());
        scripted(address)
    });
    let raced = raced.await.map(|(address, _)| address);
    let raced = raced.map_err(|failures| failures.into_iter().map(|(address, _)| address).collect());
    let begun = begun.lock().unwrap().clone();
    (raced, start.elapsed().as_millis(), begun)
}

#[test]
fn families_alternate_from_the_first_choice() {
    let cases = [
        (vec!["[::1]:1", "[::2]:1", "1.1.1.1:1"], vec!["[::1]:1", "1.1.1.1:1", "[::2]:1"]),
        (
            vec!["1.1.1.1:1", "[::1]:1", "[::2]:1", "[::3]:1"],
            vec!["1.1.1.1:1", "[::1]:1", "[::2]:1", "[::3]:1"],
        ),
        (vec!["1.1.1.1:1", "2.2.2.2:1"], vec!["1.1.1.1:1", "2.2.2.2:1"]),
        (vec!["1.1.1.1:1"], vec!["1.1.1.1:1"]),
    ];
    for (found, tried) in cases {
        let parse = |texts: Vec<&str>| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        assert_eq!(interleave(&parse(found)), parse(tried));
    }
}

#[tokio::test(start_paused = true)]
async fn a_quick_first_address_is_the_only_one_tried() {
    let (raced, at, begun) = run(["1.1.1.1:249", "2.2.2.2:1"]).await;
    assert_eq!((raced, at, begun), (Ok("1.1.1.1:249".parse().unwrap()), 249, vec![0]));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_does_not_answer_costs_a_quarter_of_a_second() {
    let (raced, at, begun) = run(["1.1.1.1:9999", "2.2.2.2:9998", "3.3.3.3:10"]).await;
    assert_eq!((raced, at, begun), (Ok("3.3.3.3:10".parse().unwrap()), 510, vec![0, 250, 500]));
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_address_may_still_win() {
    let (raced, at, _) = run(["1.1.1.1:400", "2.2.2.2:9999"]).await;
    assert_eq!((raced, at), (Ok("1.1.1.1:400".parse().unwrap()), 400));
}

#[tokio::test(start_paused = true)]
async fn the_next_address_follows_a_failure_at_once() {
    let (raced, at, begun) = run(["1.1.1.1:10005", "2.2.2.2:10005", "3.3.3.3:7"]).await;
    assert_eq!((raced, at, begun), (Ok("3.3.3.3:7".parse().unwrap()), 17, vec![0, 5, 10]));
}

#[tokio::test(start_paused = true)]
async fn every_failure_is_told() {
    let (raced, at, _) = run(["1.1.1.1:10300", "2.2.2.2:10020"]).await;
    let failures = addresses(["2.2.2.2:10020", "1.1.1.1:10300"]);
    assert_eq!((raced, at), (Err(failures), 300));
    assert_eq!(run([]).await.0, Err(Vec::new()));
}
