//! Says hello and prints what comes back: `cargo run --example client -- ws://127.0.0.1:9001/`.

use sockeye::CloseCode;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or_else(|| "ws://127.0.0.1:9001/".to_owned());
    let mut ws = sockeye::connect(&url).await?;
    ws.send("hello").await?;
    if let Some(message) = ws.recv().await? {
        println!("{}", String::from_utf8_lossy(message.as_bytes()));
    }
    ws.close(CloseCode::NORMAL, "").await?;
    Ok(())
}
