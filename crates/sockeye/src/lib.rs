//! WebSocket client and server for tokio.
