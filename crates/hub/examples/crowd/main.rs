//! Thousands of clients of a push server in one process, on all transports, each of which checks what it gets: that
//! every publication of its channel comes once and in order. For tests of a server in another process.
//!
//! `crowd URL CLIENTS` with one count per transport, such as `crowd http://127.0.0.1:8000 websocket=1000 poll=10`; the
//! transports are `websocket`, `binary` (a WebSocket under `sockeye.bin.v1`), `sse`, `long_poll` and `poll`.
//! It obeys lines on standard input, and answers each with one line of JSON:
//!
//! | line | waits until | answers |
//! |---|---|---|
//! | (at the start) | every client is connected | `{"event":"open","clients":N}` |
//! | `reach POSITION…` | every client has what stands at the position of its channel | `{"event":"reached","messages":N}` |
//! | `lag` | (at once) | `{"event":"lag","milliseconds":N}`: from when the server took a publication until a client had it, at most |
//! | `end` | every client was sent away | `{"event":"ended","codes":{"4000":N}}` |
//! | `resume URL` | every client has connected again with its old cursor, and was told of a gap | `{"event":"resumed","gaps":N}` |
//!
//! A fault of any client, or a wait of more than two minutes, is `{"event":"fault",…}`, and exit code 1.

mod client;
mod record;

use client::{Connection, Transport};
use record::Record;
use sockeye_hub::position::Position;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::{Notify, Semaphore};
use tokio::task::LocalSet;

/// Clients are spread over this many channels, `crowd:0` and so on.
const CHANNELS: usize = 20;
/// Connections that are opened at once.
const AT_ONCE: usize = 100;
const PATIENCE: Duration = Duration::from_mins(2);

/// All clients, and a bell that rings when one of them has something new.
#[derive(Default)]
struct Crowd {
    records: Vec<(Transport, Rc<RefCell<Record>>)>,
    bell: Rc<Notify>,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| LocalSet::new().block_on(&runtime, run(std::env::args().skip(1).collect())));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            println!("{}", serde_json::json!({"event": "fault", "fault": fault}));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Vec<String>) -> Result<(), String> {
    let (url, counts) = arguments.split_first().ok_or("usage: crowd URL TRANSPORT=CLIENTS…")?;
    let mut crowd = Crowd::default();
    for count in counts {
        let (transport, clients) = count.split_once('=').ok_or("write TRANSPORT=CLIENTS")?;
        let transport: Transport = transport.parse()?;
        for _ in 0..clients.parse().map_err(|_| "CLIENTS is a number")? {
            crowd.records.push((transport, Rc::default()));
        }
    }
    crowd.connect(url);
    crowd.wait(Record::is_open).await?;
    println!("{}", serde_json::json!({"event": "open", "clients": crowd.records.len()}));

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.map_err(|error| error.to_string())? {
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match command {
            "reach" => crowd.reach(rest).await?,
            "lag" => crowd.lag(),
            "end" => crowd.end().await?,
            "resume" => crowd.resume(rest).await?,
            other => return Err(format!("{other} is not a command")),
        };
        println!("{answer}");
    }
    Ok(())
}

impl Crowd {
    /// Begins a connection for every client, where its cursor stands.
    fn connect(&self, url: &str) {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        for (index, (transport, record)) in self.records.iter().enumerate() {
            let connection = Connection {
                url: url.trim_end_matches('/').to_owned(),
                channel: format!("crowd:{}", index % CHANNELS),
                record: record.clone(),
                bell: self.bell.clone(),
            };
            tokio::task::spawn_local(connection.run(*transport, permits.clone()));
        }
    }

    async fn reach(&self, positions: &str) -> Result<serde_json::Value, String> {
        let positions = positions.split_whitespace().map(|position| {
            let position: Position = position.parse().map_err(|error| format!("{position}: {error}"))?;
            Ok((position.channel, position.offset))
        });
        let goal: BTreeMap<_, _> = positions.collect::<Result<_, String>>()?;
        self.wait(|record| {
            record.place().is_some_and(|place| goal.get(&place.channel).is_none_or(|&o| place.offset >= o))
        })
        .await?;
        let messages: u64 = self.records.iter().map(|(_, record)| record.borrow().messages).sum();
        Ok(serde_json::json!({"event": "reached", "messages": messages}))
    }

    fn lag(&self) -> serde_json::Value {
        let worst = self.records.iter().map(|(_, record)| record.borrow().lag).max();
        serde_json::json!({"event": "lag", "milliseconds": worst})
    }

    async fn end(&self) -> Result<serde_json::Value, String> {
        self.wait(|record| record.end.is_some()).await?;
        let mut codes = BTreeMap::<String, usize>::new();
        for (_, record) in &self.records {
            let code = record.borrow().end.unwrap_or_default();
            *codes.entry(code.to_string()).or_default() += 1;
        }
        Ok(serde_json::json!({"event": "ended", "codes": codes}))
    }

    async fn resume(&self, url: &str) -> Result<serde_json::Value, String> {
        for (_, record) in &self.records {
            record.borrow_mut().begin_again();
        }
        self.connect(url);
        self.wait(|record| record.gaps > 0).await?;
        let gaps: u64 = self.records.iter().map(|(_, record)| record.borrow().gaps).sum();
        Ok(serde_json::json!({"event": "resumed", "gaps": gaps}))
    }

    /// Waits until it is so with every client. A client that was found once is not asked again.
    async fn wait(&self, is_so: impl Fn(&Record) -> bool) -> Result<(), String> {
        let mut waiting: Vec<_> = self.records.iter().collect();
        let all = async {
            while !waiting.is_empty() {
                let rung = self.bell.notified();
                for (transport, record) in &waiting {
                    if let Some(fault) = &record.borrow().fault {
                        return Err(format!("{transport}: {fault}"));
                    }
                }
                waiting.retain(|(_, record)| !is_so(&record.borrow()));
                if !waiting.is_empty() {
                    rung.await;
                    tokio::time::sleep(Duration::from_millis(50)).await; // what else rings meanwhile is seen together
                }
            }
            Ok(())
        };
        let result = tokio::time::timeout(PATIENCE, all).await;
        result.unwrap_or_else(|_| {
            let (transport, record) = waiting[0];
            Err(format!(
                "{} clients did not get there; one by {transport}: {:?}",
                waiting.len(),
                record.borrow()
            ))
        })
    }
}
