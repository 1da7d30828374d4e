//! Connections, and what is learned while making them.
