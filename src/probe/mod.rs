//! One probe from request to report.
