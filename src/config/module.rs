//! A module, and the one closed list of probers.

use std::{fmt, sync::OnceLock, time::Duration};

use serde::Deserialize;

use crate::{
    config::{
        advice, former,
        yaml::{Former, Surprising, Value, to_yaml},
    },
    probers::{
        dns::DnsProber, grpc::GrpcProber, http::HttpProber, icmp::IcmpProber, tcp::TcpProber,
        unix::UnixProber, websocket::WebsocketProber,
    },
    settings::{
        duration::GoDuration,
        rule::{RuleError, Warning},
        secret::{self, HIDDEN},
    },
};

/// How long a probe may take when neither the scraper nor the module says.
pub const DEFAULT_SCRAPE_TIMEOUT: Duration = Duration::from_mins(2);

/// Seconds that are taken off the scrape timeout unless `--timeout-offset` says otherwise.
pub const DEFAULT_TIMEOUT_OFFSET: f64 = 0.5;

/// The longest timeout that is taken literally: a hundred years still fits every clock.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(100 * 365 * 24);

/// A named entry of the configuration file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "ModuleKeys")]
pub struct Module {
    /// How long a probe may take, if the module says so.
    pub timeout: Option<Duration>,
    /// Whether metrics that upstream lacks are exported too.
    pub extra_metrics: bool,
    /// The prober with its settings.
    pub prober: AnyProber,
    /// What is surprising about the module, for whoever wrote it.
    pub warnings: Vec<Warning>,
    secrets: Secrets,
}

/// The secrets of a module, once somebody has asked for them. They follow from the rest of it.
#[derive(Clone, Default)]
struct Secrets(OnceLock<Vec<String>>);

impl PartialEq for Secrets {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

/// One variant per prober.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AnyProber {
    Dns(Box<DnsProber>),
    Grpc(Box<GrpcProber>),
    Http(Box<HttpProber>),
    Icmp(Box<IcmpProber>),
    Tcp(Box<TcpProber>),
    Unix(Box<UnixProber>),
    Websocket(Box<WebsocketProber>),
}

/// The key of a module that names its prober.
const PROBER: &str = "prober";

impl Module {
    /// Whether a target is the path of a file, in which no character has a meaning of its own.
    #[must_use]
    pub fn takes_paths(&self) -> bool {
        matches!(self.prober, AnyProber::Unix(_))
    }

    /// The timeout of a probe whose scraper gives it `scrape` seconds, if it says so, of which
    /// `offset` seconds are for the way of the answer.
    #[must_use]
    pub fn timeout_within(&self, scrape: Option<f64>, offset: f64) -> Duration {
        shortest(scrape, offset, self.timeout)
    }

    /// The prober's name, as the file spells it.
    #[must_use]
    pub fn prober_name(&self) -> &'static str {
        match self.prober {
            AnyProber::Dns(_) => "dns",
            AnyProber::Grpc(_) => "grpc",
            AnyProber::Http(_) => "http",
            AnyProber::Icmp(_) => "icmp",
            AnyProber::Tcp(_) => "tcp",
            AnyProber::Unix(_) => "unix",
            AnyProber::Websocket(_) => "websocket",
        }
    }

    /// The Host header that the module sets, if its prober knows such a thing.
    #[must_use]
    pub fn configured_host(&self) -> Option<&str> {
        match &self.prober {
            AnyProber::Http(prober) => prober.headers.find("Host").map(|(_, value)| value),
            AnyProber::Dns(_)
            | AnyProber::Grpc(_)
            | AnyProber::Icmp(_)
            | AnyProber::Tcp(_)
            | AnyProber::Unix(_)
            | AnyProber::Websocket(_) => None,
        }
    }

    /// Everything in the module that is not to be shown, as far as it stands in the file itself.
    #[must_use]
    pub fn secrets(&self) -> &[String] {
        self.secrets.0.get_or_init(|| secret::written_by(|| self.section()))
    }

    /// The module as YAML: what differs from the defaults, secrets hidden.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        to_yaml(&self.to_value(), 2)
    }

    /// The keys that a file needs to mean this module.
    pub(super) fn to_value(&self) -> Value {
        let mut keys = vec![(PROBER.to_owned(), Value::Text(self.prober_name().to_owned()))];
        if let Some(timeout) = self.timeout {
            keys.push(("timeout".to_owned(), Value::of(&GoDuration::from(timeout))));
        }
        if !self.extra_metrics {
            keys.push(("extra_metrics".to_owned(), Value::of(&false)));
        }
        let section = self.section();
        if !section.is_empty() {
            keys.push((self.prober_name().to_owned(), section));
        }
        Value::Section(keys)
    }

    /// What differs from the defaults in the section of the prober.
    fn section(&self) -> Value {
        match &self.prober {
            AnyProber::Dns(prober) => Value::of(prober).without(&Value::of(&DnsProber::default())),
            AnyProber::Grpc(prober) => {
                Value::of(prober).without(&Value::of(&GrpcProber::default()))
            }
            AnyProber::Http(prober) => {
                Value::of(prober).without(&Value::of(&HttpProber::default()))
            }
            AnyProber::Icmp(prober) => {
                Value::of(prober).without(&Value::of(&IcmpProber::default()))
            }
            AnyProber::Tcp(prober) => Value::of(prober).without(&Value::of(&TcpProber::default())),
            AnyProber::Websocket(prober) => {
                Value::of(prober).without(&Value::of(&WebsocketProber::default()))
            }
            AnyProber::Unix(prober) => {
                Value::of(prober).without(&Value::of(&UnixProber::default()))
            }
        }
    }
}

/// The smaller of what the scraper leaves and what the module allows.
///
/// Unlike upstream, the offset is left out when nothing would remain, and it never lengthens the
/// scraper's own timeout.
fn shortest(scrape: Option<f64>, offset: f64, module: Option<Duration>) -> Duration {
    let scrape = scrape.unwrap_or(DEFAULT_SCRAPE_TIMEOUT.as_secs_f64());
    let remaining = scrape - offset;
    let seconds = if remaining > 0.0 { remaining.min(scrape) } else { scrape };
    let allowed = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_TIMEOUT);
    let allowed = allowed.min(LONGEST_TIMEOUT);
    module.filter(|module| !module.is_zero()).map_or(allowed, |module| module.min(allowed))
}

impl Surprising for Module {
    fn warnings(&self) -> Vec<Warning> {
        self.warnings.clone()
    }

    fn former(path: &[&str], key: &str) -> Option<Former> {
        former::of_module(path, key)
    }
}

/// A module as it is written.
///
/// Every section is read, whatever the prober, so that an error in any of them is found; then only
/// the prober's own is kept.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ModuleKeys {
    prober: String,
    timeout: GoDuration,
    extra_metrics: bool,
    http: Option<Box<HttpProber>>,
    tcp: Option<Box<TcpProber>>,
    icmp: Option<Box<IcmpProber>>,
    dns: Option<Box<DnsProber>>,
    grpc: Option<Box<GrpcProber>>,
    unix: Option<Box<UnixProber>>,
    websocket: Option<Box<WebsocketProber>>,
}

impl Default for ModuleKeys {
    fn default() -> Self {
        Self {
            prober: String::new(),
            timeout: GoDuration::default(),
            extra_metrics: true,
            http: None,
            tcp: None,
            icmp: None,
            dns: None,
            grpc: None,
            unix: None,
            websocket: None,
        }
    }
}

impl ModuleKeys {
    /// The sections that are there and belong to other probers.
    fn unused_sections(&self) -> impl Iterator<Item = &'static str> {
        let sections = [
            ("dns", self.dns.is_some()),
            ("grpc", self.grpc.is_some()),
            ("http", self.http.is_some()),
            ("icmp", self.icmp.is_some()),
            ("tcp", self.tcp.is_some()),
            ("unix", self.unix.is_some()),
            ("websocket", self.websocket.is_some()),
        ];
        let own = self.prober.clone();
        sections
            .into_iter()
            .filter(move |(name, there)| *there && own != *name)
            .map(|(name, _)| name)
    }
}

impl TryFrom<ModuleKeys> for Module {
    type Error = RuleError;

    fn try_from(keys: ModuleKeys) -> Result<Self, RuleError> {
        // About the module as a whole, and about the section of its prober.
        let (mut warnings, mut inner) = (Vec::new(), Vec::new());
        if keys.timeout.is_negative() {
            let message = format!("{} is negative and counts as none", keys.timeout);
            warnings.push(Warning::at("timeout", message));
        }
        warnings.extend(keys.timeout.positive().and_then(advice::on_timeout));
        for section in keys.unused_sections() {
            let message = format!("ignored because the prober is {}", keys.prober);
            warnings.push(Warning::at(section, message));
        }
        let prober = match keys.prober.as_str() {
            "dns" => {
                let dns = keys.dns.unwrap_or_default();
                inner.extend(dns.warnings());
                AnyProber::Dns(dns)
            }
            "grpc" => {
                let grpc = keys.grpc.unwrap_or_default();
                inner.extend(grpc.warnings());
                AnyProber::Grpc(grpc)
            }
            "http" => {
                let http = keys.http.unwrap_or_default();
                http.check_supported().map_err(|error| error.inside("http"))?;
                inner.extend(http.warnings());
                AnyProber::Http(http)
            }
            "icmp" => {
                let icmp = keys.icmp.unwrap_or_default();
                inner.extend(icmp.warnings());
                AnyProber::Icmp(icmp)
            }
            "tcp" => {
                let tcp = keys.tcp.unwrap_or_default();
                inner.extend(tcp.warnings());
                AnyProber::Tcp(tcp)
            }
            "unix" => {
                let unix = keys.unix.unwrap_or_default();
                unix.check_use().map_err(|error| error.inside("unix"))?;
                AnyProber::Unix(unix)
            }
            "websocket" => {
                let websocket = keys.websocket.unwrap_or_default();
                websocket.check_use().map_err(|error| error.inside("websocket"))?;
                inner.extend(websocket.warnings());
                AnyProber::Websocket(websocket)
            }
            "" => {
                let message = "prober '' is not valid: a module needs a key 'prober', such as \
                               'prober: http'";
                return Err(RuleError::new(message).involving([PROBER]));
            }
            name => {
                let message = format!(
                    "prober '{name}' is not valid: it is http, tcp, icmp, dns, grpc, unix or websocket"
                );
                return Err(RuleError::at(PROBER, message));
            }
        };
        inner.extend(advice::on(&prober));
        let section = keys.prober;
        warnings.extend(inner.into_iter().map(|warning| warning.inside(section.as_str())));
        Ok(Self {
            timeout: keys.timeout.positive(),
            extra_metrics: keys.extra_metrics,
            prober,
            secrets: Secrets::default(),
            warnings,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_is_the_smaller_of_scraper_and_module() {
        // (scrape timeout, offset, module timeout, expected), in seconds; 0 = not given.
        let cases = [
            (0.0, 0.5, 0.0, 119.5),
            (10.0, 0.5, 0.0, 9.5),
            (15.0, 0.5, 20.0, 14.5),
            (15.0, 0.5, 5.0, 5.0),
            (0.3, 0.5, 0.0, 0.3),
            (0.3, 0.5, 2.0, 0.3),
            (0.5, 0.5, 0.0, 0.5),
            (10.0, -5.0, 0.0, 10.0),
            (10.0, 0.0, 0.0, 10.0),
            (1e300, 0.5, 3.0, 3.0),
        ];
        for (scrape, offset, module, expected) in cases {
            let given = |seconds: f64| Some(seconds).filter(|seconds| *seconds > 0.0);
            let module = given(module).map(Duration::from_secs_f64);
            let timeout = shortest(given(scrape), offset, module);
            assert!(
                (timeout.as_secs_f64() - expected).abs() < 1e-9,
                "{scrape} {offset} {module:?}: {timeout:?}"
            );
        }
    }
}
