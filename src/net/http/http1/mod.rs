//! HTTP/1: one request and its response on one connection.
//!
//! The one reader of HTTP/1 responses: targets, proxies that are asked to CONNECT, and websocket
//! upgrades share it. It accepts what Go's `net/http` accepts, which is what upstream reads with:
//! a monitored server that every client understands must not count as down because a library is
//! stricter. It never reuses a connection and never sends a request twice.

mod body;
mod chunked;
mod exchange;
mod framing;
mod head;
mod head_reader;
mod upload;
mod watch;

pub(crate) use self::{exchange::Http1, head::Head, watch::HeadWatch};
