//! Why a target counts as down: the step that failed, and the reason, from two closed lists.

use std::{
    error::Error,
    fmt, io,
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
};

use crate::{
    evidence::log,
    metrics::{Export, Metric, MetricSet},
};

/// 1 for the stage and reason of a failed probe; absent when the probe succeeded.
pub const FAILURE_INFO: Metric<2> = Metric::new(
    "probe_failure_info",
    "Stage and reason of the failure; present only when the probe failed.",
    ["stage", "reason"],
)
.extra();

/// Declares an enum whose variants are label values, so that neither list can be left out of step.
macro_rules! labels {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => $label:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of the label.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.label())
            }
        }
    };
}

labels! {
    /// The step of a probe that failed, or that the deadline cut off.
    Stage {
        /// Making sense of the target.
        Target => "target",
        /// Resolving its name.
        Resolve => "resolve",
        /// Making the connection or the socket.
        Connect => "connect",
        /// Getting through a proxy.
        Proxy => "proxy",
        /// The TLS handshake.
        Tls => "tls",
        /// Building and sending the request.
        Request => "request",
        /// Waiting for the answer and reading it.
        Response => "response",
        /// Checking what was learned against the module.
        Check => "check",
    }
}

labels! {
    /// Why it failed.
    Reason {
        /// The deadline passed.
        Timeout => "timeout",
        /// The scraper hung up before the probe was done; only the history can show it.
        Abandoned => "abandoned",
        /// The target does not have the form that the prober needs.
        InvalidTarget => "invalid_target",
        /// The name does not exist.
        NoSuchName => "no_such_name",
        /// The resolver did not answer, or answered with an error.
        ResolverFailure => "resolver_failure",
        /// The name has no address of the family that was asked for.
        NoSuitableAddress => "no_suitable_address",
        /// The peer refused the connection.
        Refused => "refused",
        /// The peer or something in between reset the connection.
        Reset => "reset",
        /// The peer closed the connection before it had answered.
        Closed => "closed",
        /// The network or the host cannot be reached.
        Unreachable => "unreachable",
        /// A router dropped the packet because its time to live ran out.
        TimeExceeded => "time_exceeded",
        /// The packet is larger than the path carries and must not be fragmented.
        MessageTooLong => "message_too_long",
        /// The exporter may not do what the probe needs, such as opening a raw socket.
        PermissionDenied => "permission_denied",
        /// A proxy wants other credentials than it got.
        ProxyAuthentication => "proxy_authentication",
        /// A proxy does not let the request through.
        ProxyDenied => "proxy_denied",
        /// A token server gives no token.
        TokenRefused => "token_refused",
        /// A proxy found no way to the target.
        ProxyFailure => "proxy_failure",
        /// The exporter has no file descriptor, port or memory left.
        OutOfResources => "out_of_resources",
        /// The peer does not speak TLS.
        NotTls => "not_tls",
        /// The peer breaks the TLS protocol, or ended it with an alert.
        TlsProtocol => "tls_protocol",
        /// No TLS version or cipher in common.
        TlsIncompatible => "tls_incompatible",
        /// The peer demands a certificate of the client.
        ClientCertificateRequired => "client_certificate_required",
        /// The peer rejects the certificate of the client.
        ClientCertificateRejected => "client_certificate_rejected",
        /// A certificate has expired.
        CertificateExpired => "certificate_expired",
        /// A certificate is not valid yet.
        CertificateNotYetValid => "certificate_not_yet_valid",
        /// The certificate is for other names.
        CertificateWrongHost => "certificate_wrong_host",
        /// No chain to a trusted authority.
        CertificateUnknownAuthority => "certificate_unknown_authority",
        /// The certificate is not acceptable for another reason.
        CertificateInvalid => "certificate_invalid",
        /// A file that the module names cannot be read or used.
        UnusableFile => "unusable_file",
        /// The request cannot be made from what module and target say.
        InvalidRequest => "invalid_request",
        /// The answer breaks the protocol.
        Protocol => "protocol",
        /// The answer is larger than allowed.
        TooLarge => "too_large",
        /// More redirects than allowed.
        TooManyRedirects => "too_many_redirects",
        /// A redirect leads to a place that cannot be followed.
        InvalidRedirect => "invalid_redirect",
        /// The body cannot be decompressed.
        Decompression => "decompression",
        /// Status code not among the valid ones.
        Status => "status",
        /// Protocol version not among the valid ones.
        Version => "version",
        /// TLS was used and must not be, or the other way round.
        TlsPresence => "tls_presence",
        /// A header rule failed.
        Header => "header",
        /// A body pattern failed.
        Body => "body",
        /// A rule over the JSON body failed.
        Json => "json",
        /// DNS response code not among the valid ones.
        Rcode => "rcode",
        /// A rule over resource records failed.
        Records => "records",
        /// The call ended with another gRPC status than OK.
        GrpcStatus => "grpc_status",
        /// The health service says that it does not serve.
        NotServing => "not_serving",
        /// The dialogue did not go as expected.
        Dialogue => "dialogue",
        /// A defect of the exporter.
        Internal => "internal",
    }
}

/// Why a target counts as down; the fault of the target or of the way to it, not of the exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The step that failed.
    pub stage: Stage,
    /// Why, from a closed list.
    pub reason: Reason,
    /// The particulars, for people.
    pub message: String,
}

impl Failure {
    /// A failure of `stage` because of `reason`. A long message is cut: it may quote a peer, and
    /// the history keeps it.
    pub fn new(stage: Stage, reason: Reason, message: impl Into<String>) -> Self {
        Self { stage, reason, message: log::cut(&message.into()) }
    }

    /// A failed system call of `stage`; `doing` says what was tried, such as "connecting to ...".
    ///
    /// An error that carries a failure, as one of a TLS connection may, keeps its stage and reason.
    #[must_use]
    pub fn io(stage: Stage, doing: &str, error: &io::Error) -> Self {
        match Self::behind(error) {
            Some(failure) => {
                Self::new(failure.stage, failure.reason, format!("{doing}: {failure}"))
            }
            None => Self::new(stage, Reason::of_io(error), format!("{doing}: {error}")),
        }
    }

    /// The failure that `error` carries, itself or through one of its sources.
    #[must_use]
    pub fn behind<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(failure) = error.downcast_ref::<Self>() {
                return Some(failure);
            }
            // An I/O error passes over what it carries when it is asked for its source.
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                Some(carried) => Some(carried),
                None => error.source(),
            };
        }
        None
    }
}

impl Reason {
    /// The reason behind an error of the operating system.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Self {
        use io::ErrorKind;
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Self::Reset,
            ErrorKind::ConnectionAborted | ErrorKind::UnexpectedEof => Self::Closed,
            ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable => Self::Unreachable,
            ErrorKind::PermissionDenied => Self::PermissionDenied,
            ErrorKind::TimedOut => Self::Timeout,
            _ => match error.raw_os_error() {
                Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => {
                    Self::OutOfResources
                }
                Some(libc::EMSGSIZE) => Self::MessageTooLong,
                _ => Self::Protocol,
            },
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Error for Failure {}

impl Export for Failure {
    fn export(&self, metrics: &mut MetricSet) {
        metrics.add(&FAILURE_INFO, [self.stage.label(), self.reason.label()], 1);
    }
}

/// The stage that is running; what a timeout is charged to.
#[derive(Debug, Default)]
pub struct StageMark {
    current: AtomicU8,
    held: AtomicBool,
}

/// Keeps a stage while what is done has steps that are stages elsewhere; made by
/// [`StageMark::hold`].
#[derive(Debug)]
pub struct HeldStage<'m>(&'m StageMark);

impl StageMark {
    /// Notes that `stage` begins.
    pub fn enter(&self, stage: Stage) {
        if self.held.load(Ordering::Relaxed) {
            return;
        }
        let index = Stage::ALL.iter().position(|known| *known == stage).unwrap_or_default();
        self.current.store(u8::try_from(index).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Notes that `stage` begins, and that no other does until what is given back is dropped.
    pub fn hold(&self, stage: Stage) -> HeldStage<'_> {
        self.enter(stage);
        self.held.store(true, Ordering::Relaxed);
        HeldStage(self)
    }

    /// The stage that began last.
    #[must_use]
    pub fn current(&self) -> Stage {
        let index = usize::from(self.current.load(Ordering::Relaxed));
        Stage::ALL.get(index).copied().unwrap_or(Stage::Target)
    }
}

impl Drop for HeldStage<'_> {
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_is_held_has_no_others_within() {
        let mark = StageMark::default();
        let held = mark.hold(Stage::Proxy);
        mark.enter(Stage::Connect);
        assert_eq!(mark.current(), Stage::Proxy);
        drop(held);
        assert_eq!(mark.current(), Stage::Proxy, "for whoever was cut off");
        mark.enter(Stage::Tls);
        assert_eq!(mark.current(), Stage::Tls);
    }

    #[test]
    fn every_stage_can_be_entered_and_read_back() {
        let mark = StageMark::default();
        for stage in Stage::ALL {
            mark.enter(*stage);
            assert_eq!(mark.current(), *stage);
        }
    }

    #[test]
    fn a_failure_is_found_behind_other_errors() {
        let failure = Failure::new(Stage::Tls, Reason::NotTls, "not TLS");
        let inner = io::Error::other(failure);
        let outer = io::Error::other(io::Error::other(inner));
        let found = Failure::io(Stage::Response, "reading", &outer);
        assert_eq!(found, Failure::new(Stage::Tls, Reason::NotTls, "reading: not TLS"));
        let other = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(Failure::io(Stage::Response, "reading", &other).reason, Reason::Reset);
    }

    #[test]
    fn labels_are_unique() {
        let mut labels: Vec<_> = Reason::ALL.iter().map(|reason| reason.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Reason::ALL.len());
    }
}
