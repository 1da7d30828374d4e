//! A situation in which a probe fails, and what is to be said of it.

use std::{any::Any, fmt::Display};

use probe_exporter::diagnostics::{Reason, Stage};

use crate::fixtures::{
    hostile::RUNTIME,
    http::{Answer, http},
    tcp::TcpServer,
};

/// One situation.
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

/// A probe of `target` by `module` fails in `stage` for `reason`, in words that hold `words`.
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
    /// This is among the metrics too: a sample with its value, or a name.
    pub(super) fn with(mut self, sample: &str) -> Self {
        self.samples.push(sample.to_owned());
        self
    }

    /// Keeps what else it takes.
    pub(super) fn keeping(self, other: impl Any + Send + Sync) -> Self {
        Self { kept: Box::new((self.kept, other)), ..self }
    }

    /// Its probe is cut off soon, but not before it has got to where it is to hang.
    pub(super) fn soon(self) -> Self {
        let module = self.module.replace(PATIENT, SHORT);
        assert!(module != self.module, "{module}");
        Self { module, ..self }
    }
}

/// No row waits for that long, so that none takes it for what it waits for.
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

/// A target, and who serves it.
pub(super) fn served(name: impl Display, servers: impl Any + Send + Sync) -> Target {
    Target { name: name.to_string(), servers: Box::new(servers) }
}

/// A web server that answers like this.
pub(super) fn web(answer: Answer) -> Target {
    let server = RUNTIME.block_on(http([answer]).start());
    served(format!("http://{}/", server.address), server)
}

/// A server that follows a script; `scheme` is what stands before its address.
pub(super) fn talker(scheme: &str, script: TcpServer) -> Target {
    let server = RUNTIME.block_on(script.start());
    served(format!("{scheme}{}", server.address), server)
}

/// Lines as a value in YAML.
pub(super) fn quoted(lines: &str) -> String {
    format!("\"{}\"", lines.replace('\n', "\\n"))
}

/// A module of this prober with these keys in its section.
pub(super) fn module(prober: &str, keys: &str) -> String {
    format!("{{prober: {prober}, {PATIENT}, {prober}: {{{keys}}}}}")
}
