//! Runs every case of an Autobahn fuzzing server and has it write its report:
//! `cargo run --release --example autobahn_client -- ws://127.0.0.1:9001`.

use sockeye::client::{Client, ConnectError};
use sockeye::extension::deflate::Deflate;
use sockeye::{Limits, Stream, WebSocket};
use std::error::Error;
use std::io::Write as _;

const AGENT: &str = "agent=sockeye";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server =
        std::env::args().nth(1).ok_or("which server? give its address, such as ws://127.0.0.1:9001")?;
    let server = server.trim_end_matches('/');
    let cases = case_count(server).await?;
    for case in 1..=cases {
        print!("\rcase {case} of {cases}");
        std::io::stdout().flush()?;
        // Most cases break the protocol on purpose: how one ends is the server's to judge.
        if let Err(error) = run_case(&format!("{server}/runCase?case={case}&{AGENT}")).await {
            print!(": {error}\x1b[K");
        }
    }
    let mut ws = open(&format!("{server}/updateReports?{AGENT}")).await?;
    while ws.recv().await?.is_some() {}
    println!("\rran {cases} cases\x1b[K");
    Ok(())
}

async fn case_count(server: &str) -> Result<u32, Box<dyn Error>> {
    let mut ws = open(&format!("{server}/getCaseCount")).await?;
    let message = ws.recv().await?.ok_or("the server did not say how many cases it has")?;
    while ws.recv().await?.is_some() {}
    Ok(std::str::from_utf8(message.as_bytes())?.parse()?)
}

async fn run_case(url: &str) -> Result<(), Box<dyn Error>> {
    let mut ws = open(url).await?;
    while let Some(message) = ws.recv().await? {
        ws.feed(message).await?;
    }
    Ok(())
}

async fn open(url: &str) -> Result<WebSocket<Stream>, ConnectError> {
    let mut limits = Limits::default();
    limits.max_message = 64 << 20; // the largest cases send 16 MiB
    Client::new(url)?.limits(limits).deflate(Deflate::default().sending_takeover()).connect().await
}
