//! YAML values that several sections share; a value that exists is right.

pub mod bytes;
pub mod cel;
pub mod duration;
pub mod explain;
pub mod file;
pub mod header;
pub mod host_name;
pub mod http_client;
pub mod ip;
pub mod limits;
pub mod named;
pub mod pem;
pub mod redact;
pub mod regexp;
pub mod rule;
pub mod secret;
pub mod section;
pub mod size;
pub mod tls;
