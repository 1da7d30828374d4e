//! Certificates made on the fly, good and odd, and TLS servers that show them.

mod certificates;
mod server;

pub use self::{
    certificates::{Issued, Key, Recipe, authority, leaf},
    server::{RunningTlsServer, TlsServer, accept, server},
};

/// A root, an intermediate authority under it, and a server's certificate under that.
#[derive(Debug, Clone)]
pub struct Pki {
    pub root: Issued,
    pub intermediate: Issued,
    pub leaf: Issued,
}

/// Makes a chain for `leaf`.
pub fn pki(leaf: Recipe) -> Pki {
    let root = authority("Test Root").self_signed();
    let intermediate = authority("Test Intermediate").valid_days(-1, 365).signed_by(&root);
    let leaf = leaf.signed_by(&intermediate);
    Pki { root, intermediate, leaf }
}

impl Pki {
    /// A server that sends everything but the root.
    pub fn server(&self) -> TlsServer {
        server(&self.leaf).chain(&[&self.intermediate])
    }
}
