//! The command `probe`: runs probes like the server and prints the result.

mod adjustments;
mod statistics;
mod text_report;
mod watch;
mod waterfall;

use std::{
    future::pending,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anstream::ColorChoice;
use clap::ValueEnum;
use url::form_urlencoded::Serializer;

pub(super) use self::adjustments::Adjustments;
use crate::{
    app::{ProbeRunner, ResolverChoice},
    cli::{
        check::show_errors_of,
        exit_code::ExitStatus,
        output::{ERROR, Output, WARNING, escaped, wrapped},
    },
    config::{Config, Source},
    policy::Preset,
    probe::{
        BadRequest, ProbeReport, ProbeRequest, Query,
        request::{DEFAULT_MODULE, module_of},
    },
};

/// The command `probe` with its flags.
#[derive(Debug, PartialEq)]
pub struct Probe {
    /// The target.
    pub(super) target: String,
    /// Name of the module; without it, the default module is used.
    pub(super) module: Option<String>,
    /// Changes of the module.
    pub(super) adjustments: Adjustments,
    /// The parameter `hostname`.
    pub(super) hostname: Option<String>,
    /// Scrape timeout to simulate.
    pub(super) timeout: Duration,
    /// Configuration file; without it, the default of the server is used.
    pub(super) config_file: Option<PathBuf>,
    /// Preset that is added to the policy of the file.
    pub(super) policy_preset: Preset,
    /// Resolver for the name of the target.
    pub(super) resolver: ResolverChoice,
    /// Output format.
    pub(super) format: OutputFormat,
    /// Print the log of the probe too, and the response also if it succeeds.
    pub(super) verbose: bool,
    /// Repeat the probe.
    pub(super) watch: Option<Watch>,
    /// Use of colours.
    pub(super) color: ColorChoice,
}

/// Interval and number of repeated probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watch {
    /// Time between the starts of two probes, or the duration of a probe if that is longer.
    pub(super) interval: Duration,
    /// Number of probes; unlimited without it.
    pub(super) count: Option<u64>,
}

/// Output format of the command. The help of `--format` describes the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    Text,
    Json,
    Prometheus,
    Health,
}

impl Probe {
    /// Runs the command and returns its exit code.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        let mut output = Output::new(self.color);
        let (request, source) = match self.request() {
            Ok(request) => request,
            Err(message) => return self.refuse(&message),
        };
        let runner = match ProbeRunner::new(self.resolver, self.adjustments.pins.clone()) {
            Ok(runner) => runner,
            Err(error) => return self.refuse(&format!("{error:#}")),
        };
        let outcome = runner.run(async |runner| {
            if let Some(watch) = self.watch {
                return watch::run(watch, self, runner, &request, &mut output).await;
            }
            let report = runner.probe(request, pending()).await;
            self.print(&report, &mut output);
            if !report.verdict.is_ok() {
                self.name_other_file(&source);
            }
            ExitStatus::of(&report.verdict)
        });
        outcome.into()
    }

    /// Builds the request as the server would parse it, with the changed module. Returns it with the
    /// source of the configuration.
    fn request(&self) -> Result<(ProbeRequest, Source), String> {
        let source = Source::read(self.config_file.as_deref())
            .map_err(|unreadable| format!("{}: {}", unreadable.file.display(), unreadable.error))?;
        let mut errors = Output::of_errors(self.color);
        let config = source.parse().map_err(|error| {
            show_errors_of(&source, &error, &mut errors);
            format!("cannot probe: {} has errors", source.name)
        })?;
        let mut name = self.module.as_deref().unwrap_or_default();
        let (config, is_added) = if name.is_empty() {
            name = default_module(&self.target);
            config.or_built_in(name)
        } else {
            (config, false)
        };
        if is_added {
            let note = format!("{} has no module {name}; using the built-in one", source.name);
            errors.print(&wrapped(&note, errors.width(), "note: ", "      "));
        }
        let config = config.with_policy_preset(self.policy_preset);
        let mut query = Serializer::new(String::new());
        query.append_pair("target", &self.target).append_pair("module", name);
        if let Some(hostname) = &self.hostname {
            query.append_pair("hostname", hostname);
        }
        let query = query.finish();
        let query = Query::parse(&query);
        let timeout = self.timeout.as_secs_f64().to_string();
        let explained = |error: BadRequest| explained(&error, &config, &source);
        let (name, module) = module_of(&query, &config).map_err(explained)?;
        let changed = self.adjustments.apply(name, Arc::clone(&module))?;
        for warning in changed.warnings.iter().filter(|it| !module.warnings.contains(it)) {
            let first = format!("{WARNING}warning{WARNING:#}: ");
            let text = escaped(&warning.to_string());
            errors.print(&wrapped(&text, errors.width(), &first, "         "));
        }
        let request = ProbeRequest::of_module(&query, Some(&timeout), name, changed, 0.0);
        let wants_response = self.verbose || self.format == OutputFormat::Json;
        let request = ProbeRequest { wants_response, ..request.map_err(explained)? };
        Ok((request, source))
    }

    /// Tells that an exporter may use another module of the same name, if there is no file here.
    fn name_other_file(&self, source: &Source) {
        let Some(replaced) = source.replaced_file().filter(|_| self.format == OutputFormat::Text)
        else {
            return;
        };
        let mut errors = Output::of_errors(self.color);
        let note = format!(
            "this was a module of the {}, since {replaced}; name the file of the exporter with \
             --config.file to probe as it does",
            source.name
        );
        errors.print(&wrapped(&escaped(&note), errors.width(), "note: ", "      "));
    }

    fn refuse(&self, message: &str) -> ExitCode {
        let mut output = Output::of_errors(self.color);
        let first = format!("{ERROR}error{ERROR:#}: ");
        output.print(&wrapped(message, output.width(), &first, "       "));
        ExitStatus::Unusable.into()
    }

    fn print(&self, report: &ProbeReport, output: &mut Output) {
        let text = match self.format {
            OutputFormat::Text => {
                text_report::render(report, SystemTime::now(), output.width(), self.verbose)
            }
            OutputFormat::Json => line_of(&report.to_json()),
            OutputFormat::Prometheus => report.metrics.render(),
            OutputFormat::Health => line_of(&escaped(&report.summary())),
        };
        output.print(&text);
        if let (Some(refusal), OutputFormat::Prometheus) = (report.verdict.refusal(), self.format) {
            let (style, word) = text_report::word(&report.verdict);
            let mut errors = Output::of_errors(self.color);
            let first = format!("{style}{word}{style:#}  ");
            errors.print(&wrapped(&escaped(&refusal.message), errors.width(), &first, "  "));
        }
        if self.verbose && self.format != OutputFormat::Text {
            let mut errors = Output::of_errors(self.color);
            let log = text_report::log(report, errors.width());
            errors.print(&log);
        }
    }
}

/// Returns the module of a probe without `--module`: the default of the server, or a module for the
/// scheme of the target.
fn default_module(target: &str) -> &'static str {
    match target.split_once("://") {
        Some(("ws" | "wss", _)) => "websocket_connect",
        _ => DEFAULT_MODULE,
    }
}

fn line_of(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

/// The message for an invalid request; for an unknown module with the names of all modules.
fn explained(error: &BadRequest, config: &Config, source: &Source) -> String {
    match error {
        BadRequest::UnknownModule(module) => {
            let names: Vec<_> = config.modules().map(|(name, _)| name).collect();
            format!("{} has no module {module}; its modules are {}", source.name, names.join(", "))
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        diagnostics::{Failure, Reason, Stage, Verdict},
        metrics::MetricSet,
        probe::report::{HopReport, PhaseReport},
    };

    /// The report of a probe with a duration in milliseconds.
    pub(super) fn report(milliseconds: u64, verdict: Verdict) -> ProbeReport {
        let config = Config::parse("modules: {web: {prober: http}}", "").unwrap();
        ProbeReport {
            module_name: "web".to_owned(),
            module: config.module("web").unwrap(),
            target: "http://h/".to_owned(),
            hostname: None,
            started: SystemTime::UNIX_EPOCH,
            duration: Duration::from_millis(milliseconds),
            waited: Duration::from_millis(milliseconds),
            timeout: Duration::from_secs(10),
            wait: None,
            verdict,
            hops: Vec::new(),
            checks: Vec::new(),
            metrics: MetricSet::default(),
            log: Vec::new(),
            denial: None,
        }
    }

    pub(super) fn refused() -> Failure {
        Failure::new(Stage::Connect, Reason::Refused, "connecting to h:80: refused\u{1b}[2J")
    }

    pub(super) fn hop(url: &str, phases: &[(&'static str, u64, u64)]) -> HopReport {
        let phase = |(name, start, length): &(&'static str, u64, u64)| {
            let [start, length] = [*start, *length].map(Duration::from_millis);
            PhaseReport { group: "", name, start, length, incomplete: false }
        };
        HopReport {
            url: Some(url.to_owned()),
            address: Some("192.0.2.1:80".to_owned()),
            start: Duration::ZERO,
            response: Some("HTTP/1.1 302".to_owned()),
            transcript: Vec::new(),
            tls: None,
            phases: phases.iter().map(phase).collect(),
        }
    }
}
