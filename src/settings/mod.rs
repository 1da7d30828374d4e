//! YAML values that several sections share; a value that exists is right.

pub mod cel;
pub mod regexp;
pub mod secret;
pub mod tls;
