//! The server: from bound to drained.
//!
//! One acceptor hands connections out to workers, each a thread with a runtime of its own; a connection stays where it
//! is. Its first bytes decide what becomes of it (`entry`): a WebSocket takes the library's direct path (`websocket`),
//! everything else goes to hyper (`http`) and by the table of routes (`routes`) to what answers it.

mod accept;
mod admission;
mod assets;
pub(crate) mod body;
mod entry;
mod error;
pub(crate) mod exposure;
mod forwarded;
pub(crate) mod gate;
mod head;
mod http;
mod listen;
mod origin;
mod rewind;
mod routes;
mod site;
mod taking;
mod threads;
mod websocket;

pub use error::ServeError;

use crate::broker::Broker;
use crate::code::Code;
use crate::hub::Hub;
use crate::settings::{Listen, Settings};
use accept::Acceptor;
use listen::{Accepting, Listener};
use site::{Serves, Site};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use threads::Threads;

/// How often a drain looks whether all have been told.
const TOLD_YET: Duration = Duration::from_millis(50);

/// How long a drain waits for the last ones once all have been told: as long as a closing handshake may take.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// A push server that is bound to its addresses, and not yet running.
///
/// ```no_run
/// # async fn serve(broker: std::sync::Arc<dyn sockeye_hub::broker::Broker>) -> Result<(), sockeye_hub::serve::ServeError> {
/// use sockeye_hub::{serve::Server, settings::Settings};
///
/// let server = Server::bind(Settings::default(), broker)?;
/// println!("listening on {:?}", server.local_addr());
/// let shutdown = std::future::pending::<()>(); // such as tokio::signal::ctrl_c()
/// server.run(shutdown).await
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    site: Arc<Site>,
    public: Listener,
    admin: Option<Listener>,
}

impl Server {
    /// Checks the settings, reads the files that they name and listens. Connections wait until [`run`](Self::run).
    ///
    /// An address that other machines reach needs auth: keys for tokens, or keys of the API where
    /// [anonymous](crate::settings::Auth::anonymous) clients are wanted. `/api` and `/metrics` need keys of the API
    /// there, or an admin listener elsewhere. A stale file of a unix socket is replaced; any other file is left alone.
    pub fn bind(settings: Settings, broker: Arc<dyn Broker>) -> Result<Self, ServeError> {
        exposure::check(&settings)?;
        let site = Site::new(Hub::new(settings, broker).map_err(ServeError::Hub)?)?;
        let settings = &site.hub.settings;
        let public = Listener::bind(&settings.listen)?;
        let admin = settings.admin_listen.as_ref().map(Listener::bind).transpose()?;
        Ok(Self { site: Arc::new(site), public, admin })
    }

    /// Where clients connect, with the port that the system chose.
    pub fn local_addr(&self) -> &Listen {
        self.public.address()
    }

    /// Where `/api` and `/metrics` are, if elsewhere.
    pub fn admin_addr(&self) -> Option<&Listen> {
        self.admin.as_ref().map(Listener::address)
    }

    /// What the workers share, such as to see from within what the server does.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.site.hub
    }

    /// Serves until `shutdown` is ready, then drains: `/ready` says no; after [`Settings::notice`] clients are told to
    /// reconnect, spread over [`Settings::drain`]; those that come meanwhile are told too, and a poll gets what there
    /// still is. It ends when all have gone.
    ///
    /// Dropping the future ends everything at once.
    pub async fn run(self, shutdown: impl Future) -> Result<(), ServeError> {
        let Self { site, public, admin } = self;
        let threads = Threads::start(&site)?;
        let (public, admin) = (public.start()?, admin.map(Listener::start).transpose()?);
        serve(&site, &threads, (public, admin), shutdown).await;
        threads.stop().await;
        Ok(())
    }
}

/// From the first connection to the last.
async fn serve(
    site: &Site,
    threads: &Threads,
    (public, admin): (Accepting, Option<Accepting>),
    shutdown: impl Future,
) {
    let serves = if admin.is_some() { Serves::Clients } else { Serves::Everything };
    let clients = Acceptor { site, threads, serves };
    let operators = Acceptor { serves: Serves::Admin, ..clients };
    let mut operating = pin!(operate(operators, admin.as_ref()));
    let shutdown = async {
        shutdown.await;
        site.hub.withdraw();
        tokio::time::sleep(site.hub.settings.notice).await;
    };
    tokio::select! {
        biased;
        () = shutdown => {}
        () = operating.as_mut() => {}
        () = clients.run(&public) => {}
    }
    let (metrics, over) = (&site.hub.metrics, site.hub.settings.drain);
    tracing::info!(clients = metrics.open(), ?over, "sending clients away");
    site.hub.drain();
    tokio::select! {
        () = operating.as_mut() => {}
        () = clients.run(&public) => {}
        () = all_told(site) => {}
    }
    clients.run_dry(&public).await;
    drop(public);
    threads.drain();
    tokio::select! {
        () = operating => {}
        () = site.gate.emptied() => {}
        () = tokio::time::sleep(LAST_WORDS) => {
            tracing::warn!(clients = metrics.open(), "some connections did not end in time, and are cut");
        }
    }
    let sent_away = metrics.sum(|counters| counters.ended(Code::Draining).value());
    tracing::info!(sent_away, "drained");
}

/// Ready when every client has been sent away, also those that poll, at the latest when the drain's time is over.
async fn all_told(site: &Site) {
    let over = tokio::time::sleep(site.hub.settings.drain);
    let told = async {
        let mut looks = tokio::time::interval(TOLD_YET);
        while site.hub.has_clients() {
            looks.tick().await;
        }
    };
    tokio::select! {
        () = over => {}
        () = told => {}
        () = site.gate.emptied() => {}
    }
}

/// Serves operators for as long as it is polled.
async fn operate(acceptor: Acceptor<'_>, listener: Option<&Accepting>) {
    match listener {
        Some(listener) => acceptor.run(listener).await,
        None => std::future::pending().await,
    }
}
