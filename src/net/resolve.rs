//! From a name to the address that is probed.

/// Resolves names; one for the whole process.
#[derive(Debug, Default)]
pub struct Resolver {}
