//! Who is measured, and how each of them is started.

use crate::paths::Paths;
use crate::server::{Launch, free_address};
use std::io;
use std::path::PathBuf;
use std::process::Command;

/// A server, in one of its shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contestant {
    Floor,
    /// tokio without a protocol.
    Bare,
    /// The library, as a program of ten lines.
    Sockeye,
    /// The same, where it compresses as it does by default, and not at the settings of the peers.
    Light,
    Fastwebsockets,
    TokioWebsockets,
    Tungstenite,
    Yawc,
    Sockudo,
    Bun,
    Ws,
    /// `sockeye echo`
    SockeyeEcho,
    /// `sockeye serve`
    SockeyeServe,
    BunPublish,
    SocketIo,
    Nchan,
    /// Sockeye as it is compared with itself: `echo` with one thread, `serve` without compression and with few channels.
    OneThread,
    Uncompressed,
    FewChannels,
    /// Loops over one function.
    Function,
    Memcpy,
    WordLoop,
    Simdutf8,
}

use Contestant::*;

impl Contestant {
    pub const RUST_PEERS: [Self; 5] = [Fastwebsockets, TokioWebsockets, Tungstenite, Yawc, Sockudo];

    pub fn name(self) -> &'static str {
        match self {
            Floor => "floor",
            Bare => "tokio alone",
            Sockeye | SockeyeEcho | SockeyeServe | Function => "sockeye",
            Fastwebsockets => "fastwebsockets",
            TokioWebsockets => "tokio-websockets",
            Tungstenite => "tungstenite",
            Yawc => "yawc",
            Sockudo => "sockudo-ws",
            Bun | BunPublish => "bun",
            Ws => "ws",
            SocketIo => "socket.io",
            Nchan => "nchan",
            Light => "sockeye's defaults",
            OneThread => "one thread",
            Uncompressed => "uncompressed",
            FewChannels => "one channel each",
            Memcpy => "memcpy",
            WordLoop => "word loop",
            Simdutf8 => "simdutf8",
        }
    }

    /// Files and programs without which it does not start, and which the build does not make.
    pub fn needs(self, paths: &Paths) -> Vec<PathBuf> {
        let module = |name| paths.scripts().join("node_modules").join(name);
        match self {
            Bun | BunPublish => vec![paths.bun()],
            Ws => vec!["node".into(), module("ws")],
            SocketIo => vec!["node".into(), module("socket.io")],
            Nchan => vec!["nginx".into(), NCHAN.into()],
            _ => Vec::new(),
        }
    }

    /// How it is started with some arguments of its own.
    pub fn launch(self, paths: &Paths, arguments: &[String]) -> io::Result<Launch> {
        let mut launch = match self {
            Floor => announced(Command::new(paths.bench_program("floor"))),
            Bare => announced(Command::new(paths.bench_program("echo_bare"))),
            Sockeye | Light => announced(Command::new(paths.bench_program("echo_sockeye"))),
            Fastwebsockets => announced(Command::new(paths.bench_program("echo_fastwebsockets"))),
            TokioWebsockets => announced(Command::new(paths.bench_program("echo_tokio_websockets"))),
            Tungstenite => announced(Command::new(paths.bench_program("echo_tungstenite"))),
            Yawc => announced(Command::new(paths.bench_program("echo_yawc"))),
            Sockudo => announced(Command::new(paths.bench_program("echo_sockudo"))),
            Bun => announced(script(&paths.bun(), paths, "echo_bun.js")),
            BunPublish => announced(script(&paths.bun(), paths, "fanout_bun.js")),
            Ws => announced(script("node".as_ref(), paths, "echo_ws.mjs")),
            SocketIo => announced(script("node".as_ref(), paths, "fanout_socketio.mjs")),
            SockeyeEcho | OneThread => told(paths, "echo")?,
            SockeyeServe | Uncompressed | FewChannels => told(paths, "serve")?,
            Function => announced(function(paths, "ours")),
            Memcpy => announced(function(paths, "memcpy")),
            WordLoop => announced(function(paths, "words")),
            Simdutf8 => announced(function(paths, "simdutf8")),
            Nchan => nginx(paths)?,
        };
        launch.command.args(arguments);
        Ok(launch)
    }
}

/// Where Debian puts what makes nginx nchan.
const NCHAN: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// Limits that stand only in the way of a load from one address.
pub const WITHOUT_LIMITS: [&str; 10] = [
    "--limits-connections=30000",
    "--limits-connections-per-address=30000",
    "--limits-handshakes-per-second=100000",
    "--limits-messages-per-second=1000000",
    "--limits-bytes-per-second=1GiB",
    "--threads=1",
    "--drain=0s",
    "--pages=false",
    "--log-format=text",
    "--log-level=error",
];

fn announced(command: Command) -> Launch {
    Launch { command, address: None }
}

fn script(runtime: &std::path::Path, paths: &Paths, name: &str) -> Command {
    let mut command = Command::new(runtime);
    command.arg(paths.scripts().join(name));
    command
}

fn function(paths: &Paths, name: &str) -> Command {
    let mut command = Command::new(paths.bench_program("function"));
    command.arg(name);
    command
}

fn told(paths: &Paths, subcommand: &str) -> io::Result<Launch> {
    let address = free_address()?;
    let mut command = Command::new(paths.sockeye());
    command.args([subcommand, "--listen", &address.to_string()]);
    Ok(Launch { command, address: Some(address) })
}

/// nginx with a configuration, and a folder, of this run's own.
fn nginx(paths: &Paths) -> io::Result<Launch> {
    let (address, folder) = (free_address()?, paths.results().join("nginx"));
    std::fs::create_dir_all(&folder)?;
    let template = std::fs::read_to_string(paths.bench.join("peers/nchan.conf.template"))?;
    let text = template.replace("@PORT@", &address.port().to_string());
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text.replace("@DIR@", &folder.to_string_lossy()))?;
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-c"]).arg(file);
    Ok(Launch { command, address: Some(address) })
}
