//! What a connection tells `tracing`, with the feature of that name; nothing without it. Lengths and codes, never
//! payloads, reasons or queries.

#[cfg(feature = "tracing")]
pub(crate) use with::{ConnectionSpan, refused};
#[cfg(not(feature = "tracing"))]
pub(crate) use without::{ConnectionSpan, refused};

#[cfg(feature = "tracing")]
mod with {
    use crate::server::{AcceptError, Request};
    use sockeye_proto::{Closed, Control, Event, Message, Role};
    use tracing::{Span, debug, debug_span, trace};

    /// The span `websocket` of one connection, a child of the span in which the connection was opened.
    #[derive(Debug)]
    pub(crate) struct ConnectionSpan(Span);

    impl ConnectionSpan {
        pub(crate) fn new(role: Role) -> Self {
            let span = debug_span!("websocket", role = ?role);
            span.in_scope(|| debug!("open"));
            Self(span)
        }

        pub(crate) fn event(&self, event: &Event) {
            self.0.in_scope(|| match event {
                Event::Message(message) => told(message),
                Event::Piece(piece) => {
                    trace!(kind = ?piece.kind, len = piece.payload.len(), last = piece.last, "piece");
                }
                Event::Control(Control::Ping(payload)) => trace!(len = payload.len(), "ping"),
                Event::Control(Control::Pong { payload, rtt }) => trace!(len = payload.len(), ?rtt, "pong"),
                Event::Control(Control::Close(frame)) => debug!(code = frame.code.get(), "close frame"),
                Event::Control(Control::Fail(frame)) => debug!(code = frame.code.get(), "fault"),
                Event::Control(Control::SendPing(_) | Control::SendPong) | Event::Closed(_) => {}
            });
        }

        pub(crate) fn message(&self, message: &Message) {
            self.0.in_scope(|| told(message));
        }

        pub(crate) fn closed(&self, closed: &Closed) {
            self.0.in_scope(|| debug!(cause = %closed.cause, initiator = ?closed.initiator, "closed"));
        }
    }

    fn told(message: &Message) {
        trace!(kind = ?message.kind(), len = message.len(), "message");
    }

    /// A listener's connection that came to no service. Of a rejection the status alone: its body may hold anything.
    pub(crate) fn refused(request: Option<&Request>, error: &AcceptError) {
        let path = request.map(Request::path);
        match error {
            AcceptError::Rejected(rejection) => {
                debug!(path, status = rejection.status().as_u16(), "handshake refused");
            }
            error => debug!(path, %error, "handshake failed"),
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod without {
    use crate::server::{AcceptError, Request};
    use sockeye_proto::{Closed, Event, Message, Role};

    /// Nothing.
    #[derive(Debug)]
    pub(crate) struct ConnectionSpan;

    impl ConnectionSpan {
        pub(crate) fn new(_: Role) -> Self {
            Self
        }

        #[expect(clippy::unused_self, reason = "the shape of the other one")]
        pub(crate) fn event(&self, _: &Event) {}

        #[expect(clippy::unused_self, reason = "the shape of the other one")]
        pub(crate) fn message(&self, _: &Message) {}

        #[expect(clippy::unused_self, reason = "the shape of the other one")]
        pub(crate) fn closed(&self, _: &Closed) {}
    }

    pub(crate) fn refused(_: Option<&Request>, _: &AcceptError) {}
}
