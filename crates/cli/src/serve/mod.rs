//! `sockeye serve`: the push server, from its configuration to its end.

mod log;
mod welcome;

use crate::args::ServeArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::files;
use crate::signals::Signals;
use sockeye_hub::broker::MemoryBroker;
use sockeye_hub::config::{Config, Sources};
use sockeye_hub::serve::Server;
use std::io::{self, Write as _};
use std::sync::Arc;

/// Serves until a signal ends it.
pub(crate) fn run(args: ServeArgs) -> Outcome {
    let print_config = args.print_config;
    let config = load(args)?;
    if print_config {
        let told = io::stdout().write_all(config.to_toml().as_bytes());
        told.map_err(Failure::local("cannot write to standard output"))?;
        return Ok(Exit::Success);
    }
    log::start(config.log);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::local("cannot start the server"))?.block_on(serve(config))
}

fn load(args: ServeArgs) -> Result<Config, Failure> {
    let config = Config::load(&Sources::of_process(args.config, args.options)).map_err(|faults| {
        let told = match faults.0.as_slice() {
            [fault] => fault.to_string(),
            several => format!("the configuration has {} errors\n{faults}", several.len()),
        };
        Failure::new(Exit::Usage, told)
    })?;
    for warning in &config.warnings {
        eprintln!("sockeye: {warning}");
    }
    Ok(config)
}

async fn serve(config: Config) -> Outcome {
    let mut signals = Signals::new().map_err(Failure::local("cannot hear signals"))?;
    let settings = config.settings;
    let _ = files::raise(); // the server tells of the connections that it cannot accept
    let broker = Arc::new(MemoryBroker::new(settings.limits.history));
    let server =
        Server::bind(settings.clone(), broker).map_err(|error| Failure::new(Exit::Failure, error))?;
    welcome::tell(&settings, &server);
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let mut running = std::pin::pin!(server.run(stopped));
    tokio::select! {
        ended = &mut running => return outcome(ended),
        () = signals.next() => tracing::info!(over = ?settings.drain, "draining; another signal ends at once"),
    }
    let _ = stop.send(()); // the server waits for it
    tokio::select! {
        biased;
        ended = running => outcome(ended),
        () = signals.another() => {
            tracing::warn!("ended before all clients had gone");
            Ok(Exit::Interrupted)
        }
    }
}

fn outcome(ended: Result<(), sockeye_hub::serve::ServeError>) -> Outcome {
    ended.map_err(|error| Failure::new(Exit::Failure, error))?;
    tracing::info!("stopped");
    Ok(Exit::Success)
}
