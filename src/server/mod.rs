//! The web face of the exporter.
