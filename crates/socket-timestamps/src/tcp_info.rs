//! Statistics of a TCP connection (`TCP_INFO`).

use std::time::Duration;

/// Statistics that the kernel keeps about a TCP connection (`TCP_INFO`, see tcp(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpInfo {
    /// Smoothed round-trip time. Directly after connecting, that of the handshake.
    pub rtt: Duration,
    /// Minimum round-trip time, if one was measured.
    pub min_rtt: Option<Duration>,
    /// Number of retransmitted segments.
    pub retransmits: u32,
    /// Time since the last segment of the peer. Its resolution is 1 to 10 ms.
    pub silence: Duration,
}

#[cfg_attr(not(kernel_timestamps), expect(dead_code, reason = "only Linux has TCP_INFO"))]
impl TcpInfo {
    /// Parses Linux' `struct tcp_info`. Newer kernels only append fields to it.
    pub(crate) fn parse(info: &[u8]) -> Option<Self> {
        const LAST_ACK_RECEIVED: usize = 56;
        const RTT: usize = 68;
        const TOTAL_RETRANSMITS: usize = 100;
        const MIN_RTT: usize = 148;
        let number = |offset: usize| Some(u32::from_ne_bytes(*info.get(offset..)?.first_chunk()?));
        let min_rtt = number(MIN_RTT).filter(|micros| *micros != NOT_MEASURED);
        Some(Self {
            rtt: Duration::from_micros(number(RTT)?.into()),
            min_rtt: min_rtt.map(|micros| Duration::from_micros(micros.into())),
            retransmits: number(TOTAL_RETRANSMITS)?,
            silence: Duration::from_millis(number(LAST_ACK_RECEIVED)?.into()),
        })
    }
}

/// The value of `tcpi_min_rtt` before the first measurement.
const NOT_MEASURED: u32 = u32::MAX;

#[cfg(all(test, kernel_timestamps))]
mod tests {
    use super::*;

    #[test]
    fn statistics_of_an_old_kernel_have_no_minimum() {
        let mut info = [0_u8; 232];
        info[56..60].copy_from_slice(&7_u32.to_ne_bytes());
        info[68..72].copy_from_slice(&250_u32.to_ne_bytes());
        info[100..104].copy_from_slice(&3_u32.to_ne_bytes());
        info[148..152].copy_from_slice(&200_u32.to_ne_bytes());
        let statistics = TcpInfo::parse(&info).expect("long enough");
        assert_eq!((statistics.rtt.as_micros(), statistics.retransmits), (250, 3));
        assert_eq!(statistics.silence, Duration::from_millis(7));
        assert_eq!(statistics.min_rtt, Some(Duration::from_micros(200)));
        assert_eq!(TcpInfo::parse(&info[..104]).expect("long enough").min_rtt, None);
        info[148..152].copy_from_slice(&NOT_MEASURED.to_ne_bytes());
        assert_eq!(TcpInfo::parse(&info).expect("long enough").min_rtt, None);
        assert_eq!(TcpInfo::parse(&info[..50]), None);
    }
}
