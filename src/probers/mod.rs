//! One protocol per module, whole: settings, measurements, probe and metrics.
