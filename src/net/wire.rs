//! Sockets with kernel timestamps (the crate `socket-timestamps`), and the metrics of TCP connections.

use socket_timestamps::TcpInfo;
pub use socket_timestamps::{
    Arrival, Event, IpVersion, Lap, SUPPORTED, SocketKind, Timestamp, Wait, WireClock,
    WireDatagram, WireStream, find_wait, kernel_timestamps_available, prepare, receive_counts,
    set_kernel_timestamps, waiting,
};

use crate::metrics::{Description, Export, Metric, MetricSet, Unit};

const RTT: Metric = Metric::new(
    "probe_tcp_rtt_seconds",
    "Minimum round-trip time that TCP measured on the last connection, in seconds.",
    [],
)
.extra()
.when("if a TCP connection was established, on Linux")
.unit(Unit::Seconds);
const RETRANSMITS: Metric = Metric::new(
    "probe_tcp_retransmits",
    "Number of TCP segments that the exporter retransmitted on the last connection.",
    [],
)
.extra()
.when("if a TCP connection was established, on Linux");

/// The metrics of every probe that made a TCP connection.
pub const METRICS: &[Description] = &[RTT.describe(), RETRANSMITS.describe()];

impl Export for TcpInfo {
    fn export(&self, metrics: &mut MetricSet) {
        metrics.add(&RTT, [], self.min_rtt.unwrap_or(self.rtt).as_secs_f64());
        metrics.add(&RETRANSMITS, [], self.retransmits);
    }
}

/// Exports the statistics of the TCP connection, if it is one.
impl Export for WireClock {
    fn export(&self, metrics: &mut MetricSet) {
        if let Some(info) = self.tcp_info() {
            info.export(metrics);
        }
    }
}
