//! Log of the process on stderr, in logfmt or JSON with upstream's keys.
//!
//! A failing target is not an error of the exporter. The log lines of a probe are part of its
//! report, and are copied to this log only on request, by [`copy_probe_log`].
//!
//! Lines are written by a thread of their own: logging never waits for stderr.

mod queue;

use std::{
    io::{self, Write},
    thread,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Local, SecondsFormat};
use env_logger::{Builder, Target};
use log::{
    Level, LevelFilter, Record,
    kv::{Error, Key, Value, VisitSource, VisitValue},
};

use self::queue::{LogQueue, Stderr};
use crate::diagnostics::{log::LogEntry, logfmt};

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// `key=value` pairs, quoted like those of Go's text log handler.
    #[default]
    Logfmt,
}

/// The lines that wait to be written.
static QUEUE: LogQueue = LogQueue::new();

/// Maximum time for writing the last lines at the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes the lines that are left when it is dropped, at the end of the process. Stops waiting
/// after a second, because nobody may read stderr.
#[derive(Debug)]
pub struct FlushOnDrop;

impl Drop for FlushOnDrop {
    fn drop(&mut self) {
        QUEUE.flush(FLUSH_TIMEOUT);
    }
}

/// Number of log lines that were dropped, because stderr did not accept them in time.
pub fn dropped_lines() -> u64 {
    QUEUE.dropped()
}

/// Initializes the log. A second call has no effect.
pub fn init(level: Level, format: LogFormat) {
    // Of libraries only errors are logged, unless the level is debug.
    let libraries = if level >= Level::Debug { level } else { Level::Error };
    let clients = Some(level).filter(|level| *level >= Level::Debug);
    let installed = Builder::new()
        .filter_level(libraries.to_level_filter())
        .filter_module(env!("CARGO_CRATE_NAME"), level.to_level_filter())
        .filter_module(PROBE_TARGET, LevelFilter::Trace)
        // Below info, tungstenite logs the content of messages.
        .filter_module("tungstenite", libraries.to_level_filter().min(LevelFilter::Info))
        // At this level, actix logs what clients send. The server counts and logs it at debug.
        .filter_module(
            "actix_http",
            clients.map_or(LevelFilter::Off, |level| level.to_level_filter()),
        )
        .target(target(format))
        .format(move |out, record| writeln!(out, "{}", line(record, format, SystemTime::now())))
        .try_init();
    if installed.is_err() {
        return;
    }
    // Probe log lines bypass the macros of `log`, so this maximum level does not apply to them.
    log::set_max_level(level.max(libraries).to_level_filter());
    // Panics are logged in the format of all other lines.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        log::error!(at = place, err = message; "A thread panicked");
    }));
}

/// Starts the thread that writes the lines, and returns a target that passes lines to it.
fn target(format: LogFormat) -> Target {
    let write = move || QUEUE.write_to(Stderr, |count| dropped_line(count, format));
    match thread::Builder::new().name("log".to_owned()).spawn(write) {
        Ok(_) => Target::Pipe(Box::new(QueueWriter)),
        // If no thread can be started, lines are written directly.
        Err(_) => Target::Stderr,
    }
}

/// Adds lines to the queue. Each write is one line.
struct QueueWriter;

impl Write for QueueWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        QUEUE.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line about dropped lines.
fn dropped_line(count: u64, format: LogFormat) -> String {
    let fields = [("count", count)];
    let record = |text| {
        let record = Record::builder().level(Level::Warn).args(text).key_values(&fields).build();
        line(&record, format, SystemTime::now()) + "\n"
    };
    record(format_args!("Log lines were dropped because stderr did not accept them"))
}

/// Log target of probe log lines. Only `--log.prober` filters them.
const PROBE_TARGET: &str = "--log.prober";

/// Copies the log lines of a probe with at least the level `min_level` to the log of the process.
pub fn copy_probe_log(entries: &[LogEntry], min_level: Level, module: &str, target: &str) {
    for entry in entries.iter().filter(|entry| entry.level <= min_level) {
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

/// The fields of a copied line: module and target, then those of the probe's log.
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

/// The value of a field.
enum Field {
    /// A number or a boolean, which JSON does not quote.
    Bare(String),
    /// A text.
    Text(String),
}

type Fields = Vec<(String, Field)>;

fn line(record: &Record<'_>, format: LogFormat, time: SystemTime) -> String {
    let mut fields = vec![("level".to_owned(), Field::Text(record.level().to_string()))];
    if let (Some(file), Some(line)) = (record.file(), record.line()) {
        fields.push(("source".to_owned(), Field::Text(format!("{}:{line}", short(file)))));
    }
    fields.push(("msg".to_owned(), Field::Text(record.args().to_string())));
    // The visitor cannot fail.
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

/// Formats a line as JSON. A JSON map type would not keep the order of the keys.
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

/// Shortens the path of a source file to the part within its crate, to hide paths of the build
/// machine.
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

/// Detects an absent value, whose key is omitted.
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
        SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789)
    }

    /// The line without its time, which depends on the time zone of the machine.
    fn without_time(line: &str, separator: char) -> &str {
        line.split_once(separator).unwrap().1
    }

    #[test]
    fn a_line_has_the_keys_of_upstream_in_order() {
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
    fn untrusted_text_cannot_start_a_new_line() {
        let record = Record::builder().args(format_args!("a\nlevel=ERROR \"")).build();
        let text = line(&record, LogFormat::Logfmt, time());
        assert!(text.ends_with(r#"msg="a\nlevel=ERROR \"""#), "{text}");
        let json = line(&record, LogFormat::Json, time());
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["msg"], "a\nlevel=ERROR \"");
    }

    #[test]
    fn dropped_lines_are_reported_in_the_format_of_the_log() {
        let text = dropped_line(7, LogFormat::Logfmt);
        assert!(text.ends_with("stderr did not accept them\" count=7\n"), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&dropped_line(7, LogFormat::Json)).unwrap();
        assert_eq!((&json["level"], &json["count"]), (&"WARN".into(), &7.into()));
    }

    #[test]
    fn source_paths_start_at_their_crate() {
        assert_eq!(short("src/app/mod.rs"), "app/mod.rs");
        assert_eq!(short("/home/me/.cargo/registry/src/x/y-1.0/src/lib.rs"), "y-1.0/src/lib.rs");
        assert_eq!(short("lib.rs"), "lib.rs");
    }
}
