//! Metrics of one probe as plain data, and their rendering.
