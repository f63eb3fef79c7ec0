//! The server: from bound to drained.
//!
//! One acceptor hands connections out to workers, each a thread with a runtime of its own; a connection stays where it
//! is. Its first bytes decide what becomes of it (`entry`): a WebSocket takes the library's direct path (`websocket`),
//! everything else goes to hyper (`http`) and by the table of routes (`routes`) to what answers it.

pub(crate) mod body;
mod error;
mod exposure;
mod forwarded;
pub(crate) mod gate;
mod listen;
mod origin;

pub use error::ServeError;

use crate::broker::Broker;
use crate::hub::Hub;
use crate::settings::{Listen, Settings};
use listen::Listener;
use std::future::Future;
use std::sync::Arc;

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
    hub: Arc<Hub>,
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
        let public = Listener::bind(&settings.listen)?;
        let admin = settings.admin_listen.as_ref().map(Listener::bind).transpose()?;
        let hub = Hub::new(settings, broker).map_err(ServeError::Hub)?;
        Ok(Self { hub, public, admin })
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
        &self.hub
    }

    /// Serves until `shutdown` is ready, then drains: `/ready` says no, nothing more is accepted, clients are told to
    /// reconnect, spread over [`Settings::drain`], and it ends when all have gone.
    ///
    /// Dropping the future ends everything at once.
    pub async fn run(self, shutdown: impl Future) -> Result<(), ServeError> {
        shutdown.await;
        self.hub.drain();
        Ok(())
    }
}
