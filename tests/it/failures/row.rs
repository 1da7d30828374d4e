//! A probe that fails, and the expected report.

use std::{any::Any, fmt::Display};

use probe_exporter::diagnostics::{Reason, Stage};

use crate::fixtures::{
    hostile::RUNTIME,
    http::{Answer, http},
    tcp::TcpServer,
};

/// One failing probe.
pub(super) struct Row {
    /// A description for people.
    pub(super) what: &'static str,
    /// The module, as YAML in braces.
    pub(super) module: String,
    pub(super) target: String,
    pub(super) stage: Stage,
    pub(super) reason: Reason,
    /// Text that the message contains.
    pub(super) words: &'static str,
    /// Further metrics that are exported: samples with their value, or names.
    pub(super) samples: Vec<String>,
    /// Servers and files that the row needs, kept for as long as the row.
    kept: Box<dyn Any + Send + Sync>,
}

/// Expects a probe of `target` by `module` to fail like this, with `words` in its message.
pub(super) fn row(
    what: &'static str,
    module: impl Into<String>,
    target: impl Into<Target>,
    (stage, reason): (Stage, Reason),
    words: &'static str,
) -> Row {
    let Target { name, servers } = target.into();
    let (module, samples) = (module.into(), Vec::new());
    Row { what, module, target: name, stage, reason, words, samples, kept: servers }
}

impl Row {
    /// Expects a further metric: a sample with its value, or a name.
    pub(super) fn with(mut self, sample: &str) -> Self {
        self.samples.push(sample.to_owned());
        self
    }

    /// Keeps another server or file for the row.
    pub(super) fn keeping(self, other: impl Any + Send + Sync) -> Self {
        Self { kept: Box::new((self.kept, other)), ..self }
    }

    /// Shortens the timeout, for a probe that waits until it.
    pub(super) fn soon(self) -> Self {
        let module = self.module.replace(PATIENT, SHORT);
        assert!(module != self.module, "{module}");
        Self { module, ..self }
    }
}

/// The timeout of other rows; none waits for so long.
const PATIENT: &str = "timeout: 60s";

/// The timeout of a row that waits in vain. Rows run at once, on a machine that may be busy.
const SHORT: &str = "timeout: 5s";

/// The target.
pub(super) struct Target {
    name: String,
    servers: Box<dyn Any + Send + Sync>,
}

impl From<&str> for Target {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl From<String> for Target {
    fn from(name: String) -> Self {
        served(name, ())
    }
}

/// Returns a target, and keeps its servers.
pub(super) fn served(name: impl Display, servers: impl Any + Send + Sync) -> Target {
    Target { name: name.to_string(), servers: Box::new(servers) }
}

/// Starts a web server with this response.
pub(super) fn web(answer: Answer) -> Target {
    let server = RUNTIME.block_on(http([answer]).start());
    served(format!("http://{}/", server.address), server)
}

/// Starts a server that follows a script; `scheme` is put before its address.
pub(super) fn scripted(scheme: &str, script: TcpServer) -> Target {
    let server = RUNTIME.block_on(script.start());
    served(format!("{scheme}{}", server.address), server)
}

/// Quotes lines for YAML.
pub(super) fn quoted(lines: &str) -> String {
    format!("\"{}\"", lines.replace('\n', "\\n"))
}

/// Returns a module of this prober with these keys in its section.
pub(super) fn module(prober: &str, keys: &str) -> String {
    format!("{{prober: {prober}, {PATIENT}, {prober}: {{{keys}}}}}")
}
