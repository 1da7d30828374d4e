//! A server that does what the bytes of a script say: any bytes, HTTP/1 and HTTP/2 messages, TLS
//! records and handshake messages, in any order.
//!
//! Every sequence of bytes is a script. The fuzz target `hostile_server` makes them up, and the
//! integration tests run those of its corpus. The format:
//!
//! ```text
//! script      = module connection *( 13 connection )
//! connection  = transport *action
//! action      = operation, with the parameters that `script` reads
//! ```

mod handshake;
mod http2;
mod input;
mod modules;
mod script;
mod server;

pub use self::{
    script::{Action, Connection, Script, Transport},
    server::HostileServer,
};
