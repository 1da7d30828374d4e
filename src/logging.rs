//! The log of the process, on stderr: logfmt or JSON, with upstream's keys.
//!
//! A failing target is not an error of the exporter: the lines of a probe stay in its report and
//! reach this log only through [`copy_probe_log`], for those who asked for them.

use std::{io::Write as _, time::SystemTime};

use chrono::{DateTime, Local, SecondsFormat};
use env_logger::Builder;
use log::{
    Level, LevelFilter, Record,
    kv::{Error, Key, Value, VisitSource, VisitValue},
};

use crate::diagnostics::{log::LogEntry, logfmt};

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// `key=value` pairs, quoted as Go's text log handler does.
    #[default]
    Logfmt,
}

/// Sends the log of the process to stderr from now on; a second call changes nothing.
pub fn init(level: Level, format: LogFormat) {
    // Libraries talk of their own affairs; what goes wrong in them is worth a line, the rest is
    // for those who debug.
    let libraries = if level >= Level::Debug { level } else { Level::Error };
    let installed = Builder::new()
        .filter_level(libraries.to_level_filter())
        .filter_module(env!("CARGO_CRATE_NAME"), level.to_level_filter())
        .filter_module(PROBE_TARGET, LevelFilter::Trace)
        // It quotes what is said to it and by it.
        .filter_module("tungstenite", libraries.to_level_filter().min(LevelFilter::Info))
        .format(move |out, record| writeln!(out, "{}", line(record, format, SystemTime::now())))
        .try_init();
    if installed.is_err() {
        return;
    }
    // Lines of probes do not pass this gate, so that they need not hold it open for all others.
    log::set_max_level(level.max(libraries).to_level_filter());
    // A defect is reported like everything else, and not in lines of its own kind.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        log::error!(at = place, err = message; "A thread panicked");
    }));
}

/// The target under which lines of probes are logged; `--log.prober` alone decides about them.
const PROBE_TARGET: &str = "--log.prober";

/// Copies those lines of a probe's log that have `least` or a graver level to the log of the
/// process.
pub fn copy_probe_log(entries: &[LogEntry], least: Level, module: &str, target: &str) {
    for entry in entries.iter().filter(|entry| entry.level <= least) {
        let fields = ProbeFields { module, target, fields: &entry.fields };
        log::logger().log(
            &Record::builder()
                .level(entry.level)
                .target(PROBE_TARGET)
                .args(format_args!("{}", entry.message))
                .key_values(&fields)
                .build(),
        );
    }
}

/// The module and target of a probe, before the fields of a line in its log.
struct ProbeFields<'a> {
    module: &'a str,
    target: &'a str,
    fields: &'a [(&'static str, String)],
}

impl log::kv::Source for ProbeFields<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), Error> {
        visitor.visit_pair(Key::from_str("module"), Value::from(self.module))?;
        visitor.visit_pair(Key::from_str("target"), Value::from(self.target))?;
        for (key, value) in self.fields {
            visitor.visit_pair(Key::from_str(key), Value::from(value.as_str()))?;
        }
        Ok(())
    }
}

/// A value that JSON can tell from a text.
enum Field {
    Bare(String),
    Text(String),
}

type Fields = Vec<(String, Field)>;

fn line(record: &Record<'_>, format: LogFormat, time: SystemTime) -> String {
    let mut fields = vec![("level".to_owned(), Field::Text(record.level().to_string()))];
    if let (Some(file), Some(line)) = (record.file(), record.line()) {
        fields.push(("source".to_owned(), Field::Text(format!("{}:{line}", short(file)))));
    }
    fields.push(("msg".to_owned(), Field::Text(record.args().to_string())));
    // The visitor only pushes, which cannot fail.
    record.key_values().visit(&mut Pairs(&mut fields)).ok();
    match format {
        LogFormat::Json => to_json(time, &fields),
        LogFormat::Logfmt => to_logfmt(time, &fields),
    }
}

fn to_logfmt(time: SystemTime, fields: &Fields) -> String {
    let mut line = String::with_capacity(160);
    logfmt::push_pair(&mut line, "time", &logfmt::timestamp(time));
    for (key, Field::Bare(value) | Field::Text(value)) in fields {
        logfmt::push_pair(&mut line, key, value);
    }
    line
}

/// Keys stay in their order, which a JSON map type would not keep.
fn to_json(time: SystemTime, fields: &Fields) -> String {
    let time = DateTime::<Local>::from(time).to_rfc3339_opts(SecondsFormat::Nanos, true);
    let mut line = format!("{{\"time\":{}", json_text(&time));
    for (key, value) in fields {
        line.push(',');
        line.push_str(&json_text(key));
        line.push(':');
        match value {
            Field::Bare(value) => line.push_str(value),
            Field::Text(value) => line.push_str(&json_text(value)),
        }
    }
    line.push('}');
    line
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The path of a source file from its crate on; where that lay on the building machine is
/// nobody's business.
fn short(file: &str) -> &str {
    file.strip_prefix("src/").unwrap_or_else(|| {
        let start = file.rmatch_indices('/').nth(2).map_or(0, |(index, _)| index + 1);
        file.get(start..).unwrap_or(file)
    })
}

struct Pairs<'a>(&'a mut Fields);

impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        let mut absent = IsNull(false);
        value.visit(&mut absent)?;
        if absent.0 {
            return Ok(());
        }
        let is_bare = value.to_bool().is_some()
            || value.to_i64().is_some()
            || value.to_f64().is_some_and(f64::is_finite);
        let text = value.to_string();
        self.0.push((key.to_string(), if is_bare { Field::Bare(text) } else { Field::Text(text) }));
        Ok(())
    }
}

/// Finds out whether there is no value, in which case its key is left out.
struct IsNull(bool);

impl VisitValue<'_> for IsNull {
    fn visit_any(&mut self, _value: Value<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), Error> {
        self.0 = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use log::kv::ToValue as _;

    use super::*;

    fn time() -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 123_456_789)
    }

    /// The line without its time, which depends on where the test runs.
    fn without_time(line: &str, separator: char) -> &str {
        line.split_once(separator).unwrap().1
    }

    #[test]
    fn a_line_has_upstreams_keys_in_upstreams_order() {
        let pairs = [
            ("address", Value::from("[::]:9115")),
            ("absent", None::<&str>.to_value()),
            ("http2", Value::from(false)),
        ];
        let args = format_args!("Listening on");
        let record = Record::builder()
            .level(Level::Info)
            .file(Some("src/app/mod.rs"))
            .line(Some(7))
            .key_values(&pairs)
            .args(args)
            .build();
        assert_eq!(
            without_time(&line(&record, LogFormat::Logfmt, time()), ' '),
            "level=INFO source=app/mod.rs:7 msg=\"Listening on\" address=[::]:9115 http2=false"
        );
        assert_eq!(
            without_time(&line(&record, LogFormat::Json, time()), ','),
            "\"level\":\"INFO\",\"source\":\"app/mod.rs:7\",\"msg\":\"Listening on\",\
             \"address\":\"[::]:9115\",\"http2\":false}"
        );
    }

    #[test]
    fn what_a_stranger_sent_cannot_begin_a_line_of_its_own() {
        let record = Record::builder().args(format_args!("a\nlevel=ERROR \"")).build();
        let text = line(&record, LogFormat::Logfmt, time());
        assert!(text.ends_with(r#"msg="a\nlevel=ERROR \"""#), "{text}");
        let json = line(&record, LogFormat::Json, time());
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["msg"], "a\nlevel=ERROR \"");
    }

    #[test]
    fn sources_are_named_from_their_crate_on() {
        assert_eq!(short("src/app/mod.rs"), "app/mod.rs");
        assert_eq!(short("/home/me/.cargo/registry/src/x/y-1.0/src/lib.rs"), "y-1.0/src/lib.rs");
        assert_eq!(short("lib.rs"), "lib.rs");
    }
}
