//! The command line that all servers have in common.

use std::{env, path::Path, process, sync::Arc};

use crate::Crowd;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

/// What a server is asked for: `[--deflate] [--send] [--tls CERT.pem KEY.pem] [--threads N]`.
pub struct Options {
    /// permessage-deflate where the client offers it.
    pub deflate: bool,
    /// The plain shape: the library's defaults, and a flush for every message.
    pub send: bool,
    /// TLS with the certificate and key that were named.
    pub tls: Option<TlsAcceptor>,
    /// Threads, each with a runtime of its own.
    pub threads: usize,
    /// To be a client instead: `--connect ADDRESS CONNECTIONS BYTES IN_FLIGHT`.
    pub connect: Option<Crowd>,
    /// Only for the bare responder: `--request BYTES`.
    pub request: usize,
    /// Only for the bare responder: `--response BYTES`.
    pub response: usize,
}

impl Options {
    /// Reads the arguments; ends the process with status 2 where they make no sense.
    pub fn from_args() -> Self {
        let mut options = Self {
            deflate: false,
            send: false,
            tls: None,
            threads: 1,
            connect: None,
            request: 0,
            response: 0,
        };
        let mut args = env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| end(2, &format!("{arg} needs a value")));
            match arg.as_str() {
                "--deflate" => options.deflate = true,
                "--send" => options.send = true,
                "--tls" => options.tls = Some(acceptor(&value(), &value())),
                "--threads" => options.threads = number(&value()),
                "--connect" => {
                    let address = value();
                    let [connections, size, in_flight] = std::array::from_fn(|_| number(&value()));
                    options.connect = Some(Crowd { address, connections, size, in_flight });
                }
                "--request" => options.request = number(&value()),
                "--response" => options.response = number(&value()),
                _ => end(2, &format!("unknown argument {arg}")),
            }
        }
        options
    }

    /// For a peer that has no compression.
    pub fn without_deflate(self) -> Self {
        if self.deflate {
            unsupported("--deflate");
        }
        self
    }
}

/// Ends the process with status 3: the peer cannot do what was asked.
pub fn unsupported(what: &str) -> ! {
    end(3, &format!("unsupported: {what}"))
}

fn end(status: i32, why: &str) -> ! {
    eprintln!("{why}");
    process::exit(status)
}

fn number(text: &str) -> usize {
    match text.parse() {
        Ok(number) if number > 0 => number,
        _ => end(2, &format!("{text} is not a positive number")),
    }
}

fn acceptor(cert: &str, key: &str) -> TlsAcceptor {
    let config = tls_config(cert.as_ref(), key.as_ref()).unwrap_or_else(|error| end(2, &error.to_string()));
    TlsAcceptor::from(Arc::new(config))
}

fn tls_config(cert: &Path, key: &Path) -> Result<ServerConfig, Box<dyn std::error::Error>> {
    let chain = CertificateDer::pem_file_iter(cert)?.collect::<Result<_, _>>()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?)
}
