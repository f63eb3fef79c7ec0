//! A server and a client over TLS, with a certificate that signs itself.

use sockeye::CloseCode;
use sockeye::client::Client;
use sockeye::server::Tls;
use sockeye::tls::TlsConfig;
use tokio::net::TcpListener;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());

    let listener = TcpListener::bind("localhost:0").await?;
    let url = format!("wss://localhost:{}/", listener.local_addr()?.port());
    let server = tokio::spawn(serve_one(listener, Tls::from_pem(certificate.as_bytes(), key.as_bytes())?));

    // The client trusts this one certificate instead of the operating system's roots.
    let tls = TlsConfig::builder().root_pem(certificate.as_bytes())?.build()?;
    let mut ws = Client::new(&url)?.tls(tls).connect().await?;
    ws.send("hello, in secret").await?;
    println!("{:?}", ws.recv().await?);
    ws.close(CloseCode::NORMAL, "").await?;
    server.await?
}

async fn serve_one(listener: TcpListener, tls: Tls) -> Result<(), Failure> {
    let (tcp, _) = listener.accept().await?;
    let mut ws = sockeye::accept(tls.accept(tcp).await?).await?;
    while let Some(message) = ws.recv().await? {
        ws.feed(message).await?;
    }
    Ok(())
}
