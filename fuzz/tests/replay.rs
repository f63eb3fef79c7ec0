//! Replays the committed corpora.

use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(&corpus).expect("the corpus is there") {
        let path = entry.expect("readable").path();
        let data = std::fs::read(&path).expect("readable");
        println!("{}", path.display()); // shown when it fails
        run(&data);
        inputs += 1;
    }
    assert!(inputs > 0, "{} has no inputs", corpus.display());
}

#[test]
fn header() {
    replay("header", sockeye_fuzz::header::run);
}

#[test]
fn connection() {
    replay("connection", sockeye_fuzz::connection::run);
}

#[test]
fn driver() {
    replay("driver", sockeye_fuzz::driver::run);
}

#[test]
fn handshake() {
    replay("handshake", sockeye_fuzz::handshake::run);
}

#[test]
fn deflate() {
    replay("deflate", sockeye_fuzz::deflate::run);
}

#[test]
fn push() {
    replay("push", sockeye_fuzz::push::run);
}
