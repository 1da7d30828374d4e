//! The http prober: a request, the redirects it leads to, and what the answer must be.

mod acceptance;
mod settings;

pub use settings::{Compression, HeaderMatcher, HttpProber};
