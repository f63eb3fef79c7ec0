//! Starts the binary, waits for its lines, and ends it.

use sockeye::WebSocket;
use sockeye::server::{Handshake, OriginPolicy, Server};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// What a program that has ended leaves behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary to its end, with nothing to read.
pub(crate) fn sockeye<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ended {
    Program::start(arguments).finish()
}

/// The same with a variable of the environment.
pub(crate) fn sockeye_with(variable: (&str, &str), arguments: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    command.args(arguments).env(variable.0, variable.1);
    Program::spawn(command).finish()
}

/// The binary at work.
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: BufReader<ChildStderr>,
}

impl Program {
    pub(crate) fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
        command.args(arguments);
        Self::spawn(command)
    }

    /// The same with this file for its input.
    #[cfg(unix)]
    pub(crate) fn reading<A: AsRef<OsStr>>(file: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
        command.args(arguments);
        Self::spawn_on(command, std::fs::File::open(file).expect("is there").into())
    }

    /// The same with fewer files that it may have open.
    #[cfg(unix)]
    pub(crate) fn with_files(limit: u32, arguments: &[&str]) -> Self {
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_sockeye");
        command.args(["-c", &format!("ulimit -n {limit} && exec {program} \"$@\""), "sh"]).args(arguments);
        Self::spawn(command)
    }

    /// The same below a terminal that shows what goes to standard error, its own input and output elsewhere.
    #[cfg(target_os = "linux")]
    pub(crate) fn on_terminal(arguments: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_sockeye");
        let mut command = Command::new("script");
        command.args(["-qec", &format!("{program} {arguments} </dev/null >/dev/null"), "/dev/null"]);
        Self::spawn(command)
    }

    /// `sockeye connect` on a terminal that shows what goes to standard error, its own input and output elsewhere.
    #[cfg(target_os = "linux")]
    pub(crate) fn connect_below_terminal(url: &str) -> Self {
        Self::on_terminal(&format!("connect {url}"))
    }

    fn spawn(command: Command) -> Self {
        Self::spawn_on(command, Stdio::piped())
    }

    fn spawn_on(mut command: Command, input: Stdio) -> Self {
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        let stderr = BufReader::new(child.stderr.take().expect("is piped"));
        Self { child, stdin, stdout, stderr }
    }

    /// `sockeye connect` to this address.
    pub(crate) fn connect(url: &str, arguments: &[&str]) -> Self {
        Self::start([&["connect", url], arguments].concat())
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stdin.as_mut().expect("is open").write_all(bytes.as_ref()).expect("the program reads");
    }

    pub(crate) fn end_input(&mut self) {
        self.stdin = None;
    }

    /// No longer reads what the program prints.
    pub(crate) fn drop_output(&mut self) {
        self.stdout = None;
    }

    /// The next line on standard output, without its end.
    pub(crate) fn line(&mut self) -> String {
        next_line(self.stdout.as_mut().expect("is read"))
    }

    /// The next line on standard error, without its end.
    pub(crate) fn error_line(&mut self) -> String {
        next_line(&mut self.stderr)
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill is there").success());
    }

    /// Sends it until the program has ended.
    pub(crate) fn insist(&mut self, name: &str) {
        while self.child.try_wait().expect("it can be asked").is_none() {
            self.signal(name);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the input, and waits for the end.
    pub(crate) fn finish(self) -> Ended {
        let (code, stdout, stderr) = self.finish_bytes();
        Ended { code, stdout: String::from_utf8(stdout).expect("text"), stderr }
    }

    /// The same where standard output is not text.
    pub(crate) fn finish_bytes(mut self) -> (i32, Vec<u8>, String) {
        self.end_input();
        self.wait()
    }

    /// Waits for the end with the input open.
    pub(crate) fn wait(&mut self) -> (i32, Vec<u8>, String) {
        let (mut stdout, mut stderr) = (Vec::new(), String::new());
        if let Some(output) = &mut self.stdout {
            output.read_to_end(&mut stdout).expect("stdout is read");
        }
        self.stderr.read_to_string(&mut stderr).expect("stderr is text");
        let status = self.child.wait().expect("it ends");
        (status.code().expect("not killed by a signal"), stdout, stderr)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill(); // where a test has failed
        let _ = self.child.wait();
    }
}

fn next_line(input: &mut impl BufRead) -> String {
    let mut line = String::new();
    input.read_line(&mut line).expect("a line");
    line.trim_end_matches('\n').to_owned()
}

/// `sockeye echo` on a free port.
pub(crate) struct Echo {
    pub(crate) program: Program,
    pub(crate) url: String,
}

impl Echo {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut program = Program::start([&["echo", "--listen", "127.0.0.1:0"], arguments].concat());
        let line = program.error_line();
        let url = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("it said {line:?}"));
        Self { url: url.to_owned(), program }
    }
}

/// A server for one connection, on a thread: what it does with the TCP stream. Its address, as ws://.
pub(crate) fn serve_tcp(work: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("ws://{}/", listener.local_addr().expect("is bound"));
    std::thread::spawn(move || work(listener.accept().expect("a client").0));
    url
}

/// A server for one connection: what it does with the request, and then with the WebSocket.
pub(crate) fn serve<F>(
    server: Server,
    work: impl FnOnce(Handshake<tokio::net::TcpStream>, Server) -> F + Send + 'static,
) -> String
where
    F: Future<Output = ()>,
{
    serve_tcp(move |tcp| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            tcp.set_nonblocking(true).expect("a socket");
            let tcp = tokio::net::TcpStream::from_std(tcp).expect("a socket");
            let handshake = server.handshake(tcp).await.expect("a request");
            work(handshake, server).await;
        });
    })
}

/// A server for one connection that accepts it: what it does with the WebSocket, which closes behind it.
pub(crate) fn serve_ws<F>(work: impl FnOnce(WebSocket<tokio::net::TcpStream>) -> F + Send + 'static) -> String
where
    F: Future<Output = ()>,
{
    let server = Server::new().origin(OriginPolicy::any());
    serve(server, |handshake, _| async {
        work(handshake.accept().await.expect("a client")).await;
    })
}

/// A server that reads the request and answers with these bytes.
pub(crate) fn answering(answer: &'static str) -> String {
    serve_tcp(move |mut tcp| {
        let mut request = Vec::new();
        let mut input = BufReader::new(tcp.try_clone().expect("a socket"));
        while !request.ends_with(b"\r\n\r\n") {
            assert!(input.read_until(b'\n', &mut request).expect("a request") > 0);
        }
        tcp.write_all(answer.as_bytes()).expect("a client");
    })
}
