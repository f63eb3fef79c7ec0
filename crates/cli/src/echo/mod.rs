//! `sockeye echo`: sends every message back.
//!
//! One acceptor hands sockets out to workers that share nothing: each is a thread with a runtime of its own, and a
//! connection stays where it is.

mod worker;

use crate::args::EchoArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::signals::Signals;
use sockeye::Limits;
use sockeye::extension::deflate::Deflate;
use sockeye::server::{OriginPolicy, Server, Tls};
use std::io;
use std::time::Duration;
use tokio::net::TcpListener;
use worker::{Service, Workers};

/// Pause after a failed accept that is not one connection's fault, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until a signal ends it.
pub(crate) fn run(args: &EchoArgs) -> Outcome {
    let service = service(args)?;
    let failed = Failure::local("cannot start the server");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(&failed)?;
    runtime.block_on(async {
        let mut signals = Signals::new().map_err(&failed)?;
        let listener = bind(&args.listen).await?;
        let address = listener.local_addr().map_err(&failed)?;
        let mut workers = Workers::start(args.threads, &service).map_err(&failed)?;
        eprintln!("listening on {}://{address}/", if service.tls.is_some() { "wss" } else { "ws" });
        tokio::select! {
            () = accept(&listener, &mut workers) => {}
            () = signals.next() => {}
        }
        drop(listener);
        tokio::select! {
            () = workers.stop() => {}
            () = signals.another() => {} // asked again: at once
        }
        Ok(Exit::Success)
    })
}

fn service(args: &EchoArgs) -> Result<Service, Failure> {
    let mut limits = Limits::default();
    limits.max_message = args.max_message;
    let server = Server::new().origin(OriginPolicy::any()).limits(limits);
    let server = if args.deflate { server.deflate(Deflate::default()) } else { server };
    let tls = args.tls_cert.as_ref().zip(args.tls_key.as_ref());
    let tls = tls.map(|(cert, key)| Tls::from_pem_files(cert, key)).transpose();
    Ok(Service { server, tls: tls.map_err(|error| Failure::new(Exit::Failure, error))? })
}

async fn bind(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let way_out = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "end the program that listens there, or choose another port with --listen"
            }
            io::ErrorKind::PermissionDenied => {
                "choose a port above 1023 with --listen, or run with more rights"
            }
            io::ErrorKind::AddrNotAvailable => "choose an address of this machine with --listen",
            _ => "write --listen HOST:PORT, such as 127.0.0.1:9001",
        };
        Failure::new(Exit::Failure, format_args!("cannot listen on {address}: {error}; {way_out}"))
    })
}

/// Hands out connections for as long as it is polled.
async fn accept(listener: &TcpListener, workers: &mut Workers) {
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => workers.serve(tcp).await,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                eprintln!("cannot accept a connection: {error}; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether only the connection that was to be accepted has failed.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
