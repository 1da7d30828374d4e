//! Content negotiation: reads the headers `Accept` and `Accept-Encoding`.

use crate::metrics::{Escaping, Format};

const OPENMETRICS: &str = "application/openmetrics-text";

/// Returns true if an `Accept-Encoding` header accepts gzip.
pub(super) fn accepts_gzip(accepted: impl AsRef<str>) -> bool {
    entries(accepted.as_ref()).any(|entry| {
        let coding = entry.name;
        (coding.eq_ignore_ascii_case("gzip") || coding == "*") && entry.quality > 0.0
    })
}

/// Returns true if an `Accept` header names HTML and prefers no text to it, like those of browsers.
///
/// The default of clients in Java names HTML too. It is recognised by its invalid entry `*`.
pub(super) fn prefers_html(accepted: &str) -> bool {
    let quality = |names: [&str; 2]| {
        let named = entries(accepted).filter(|entry| names.contains(&entry.name));
        named.map(|entry| entry.quality).fold(0.0, f64::max)
    };
    let html = quality(["text/html", "application/xhtml+xml"]);
    html > 0.0
        && html >= quality(["text/plain", OPENMETRICS])
        && !entries(accepted).any(|entry| entry.name == "*")
}

/// The condition under which metrics are rendered as OpenMetrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenMetrics {
    /// The client prefers no other format.
    IfPreferred,
    /// The client does not accept the text format. Upstream returns probes as text.
    IfNothingElse,
}

/// The format in which metrics are returned to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exposition {
    pub(super) format: Format,
    pub(super) escaping: Escaping,
    pub(super) content_type: String,
}

/// Selects the exposition format for an `Accept` header.
///
/// Uses upstream's rules. The entries are tried by descending quality; the first supported one is
/// used, with the last escaping scheme named up to there. Without a supported entry the format is
/// text.
pub(super) fn exposition(accepted: &str, openmetrics: OpenMetrics) -> Exposition {
    let mut wanted: Vec<_> = entries(accepted).collect();
    wanted.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    let mut offers_openmetrics = openmetrics == OpenMetrics::IfPreferred
        || !wanted.iter().any(|entry| entry.accepts_text() && entry.quality > 0.0);
    let mut escaping = Escaping::default();
    for entry in wanted {
        let named = |scheme: &Escaping| entry.escaping == Some(scheme.label());
        escaping = Escaping::ALL.into_iter().find(named).unwrap_or(escaping);
        if entry.name == "text/plain" && entry.version.is_none_or(|version| version == "0.0.4") {
            break;
        }
        if offers_openmetrics && entry.quality > 0.0 {
            // A wildcard includes text. A later entry can still name the escaping scheme.
            offers_openmetrics = !entry.accepts_text();
            let version = entry.version.unwrap_or("1.0.0");
            if entry.name == OPENMETRICS && matches!(version, "1.0.0" | "0.0.1") {
                let media_type = format!("{OPENMETRICS}; version={version}");
                return Exposition::new(Format::OpenMetrics, escaping, &media_type);
            }
        }
    }
    Exposition::new(Format::Text, escaping, "text/plain; version=0.0.4")
}

impl Exposition {
    fn new(format: Format, escaping: Escaping, media_type: &str) -> Self {
        let content_type = format!("{media_type}; charset=utf-8; escaping={}", escaping.label());
        Self { format, escaping, content_type }
    }
}

/// One entry of a list such as `a;q=0.5, b`. Of repeated parameters, the first is used.
struct AcceptEntry<'a> {
    name: &'a str,
    quality: f64,
    version: Option<&'a str>,
    escaping: Option<&'a str>,
}

fn entries(header: &str) -> impl Iterator<Item = AcceptEntry<'_>> {
    header.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(AcceptEntry::parse)
}

impl<'a> AcceptEntry<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let (mut quality, mut version, mut escaping) = (None, None, None);
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let parameter = match key.trim() {
                "q" => &mut quality,
                "version" => &mut version,
                "escaping" => &mut escaping,
                _ => continue,
            };
            let value = value.trim().trim_matches('"');
            *parameter = parameter.or(Some(value).filter(|value| !value.is_empty()));
        }
        let quality = quality.and_then(|text| text.parse().ok()).unwrap_or(1.0);
        Self { name, quality, version, escaping }
    }

    fn accepts_text(&self) -> bool {
        matches!(self.name, "text/plain" | "text/*" | "*/*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header that Prometheus 3.7 sends by default.
    const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                              application/openmetrics-text;version=0.0.1;q=0.5,\
                              text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                              text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

    #[test]
    fn gzip_is_used_only_if_it_is_accepted() {
        for accepted in ["gzip", "deflate, gzip;q=0.5", "GZIP", "*", "br,gzip"] {
            assert!(accepts_gzip(accepted), "{accepted}");
        }
        for accepted in ["", "identity", "gzip;q=0", "br, zstd", "deflate"] {
            assert!(!accepts_gzip(accepted), "{accepted}");
        }
    }

    #[test]
    fn only_browsers_prefer_html() {
        for accepted in [
            "text/html",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            "text/html, text/plain, text/css, application/xhtml+xml, */*;q=0.01",
            "text/plain;q=0.5, text/html;q=0.6",
        ] {
            assert!(prefers_html(accepted), "{accepted}");
        }
        for accepted in [
            "",
            "*/*",
            "text/*",
            "text/plain",
            "text/html;q=0",
            "text/plain, text/html;q=0.9",
            "application/openmetrics-text, text/html;q=0.9",
            "application/json",
            "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
            PROMETHEUS,
        ] {
            assert!(!prefers_html(accepted), "{accepted}");
        }
    }

    #[test]
    fn probes_are_text_if_it_is_accepted_and_use_the_requested_escaping() {
        let cases = [
            ("", "underscores"),
            ("*/*", "underscores"),
            ("application/json", "underscores"),
            ("text/plain;version=0.0.4;escaping=allow-utf-8", "allow-utf-8"),
            ("text/plain;escaping=strange", "underscores"),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5",
                "allow-utf-8",
            ),
            ("text/plain;q=0.9,application/openmetrics-text;escaping=dots;q=0.1", "underscores"),
            ("application/openmetrics-text,*/*;q=0.1", "underscores"),
            ("application/openmetrics-text;version=2.0.0", "underscores"),
            ("application/openmetrics-text;q=0", "underscores"),
            (PROMETHEUS, "allow-utf-8"),
        ];
        for (accepted, escaping) in cases {
            let expected = format!("text/plain; version=0.0.4; charset=utf-8; escaping={escaping}");
            let chosen = exposition(accepted, OpenMetrics::IfNothingElse);
            assert_eq!(
                (chosen.format, chosen.content_type),
                (Format::Text, expected),
                "{accepted}"
            );
            assert_eq!(chosen.escaping.label(), escaping, "{accepted}");
        }
    }

    #[test]
    fn openmetrics_is_used_if_nothing_else_is_accepted() {
        let cases = [
            ("application/openmetrics-text", "version=1.0.0; charset=utf-8; escaping=underscores"),
            (
                "application/openmetrics-text;version=0.0.1,application/json",
                "version=0.0.1; charset=utf-8; escaping=underscores",
            ),
            (
                "text/plain;q=0, application/openmetrics-text; version=1.0.0; escaping=dots; q=0.1",
                "version=1.0.0; charset=utf-8; escaping=dots",
            ),
        ];
        for (accepted, parameters) in cases {
            let expected = format!("application/openmetrics-text; {parameters}");
            for offered in [OpenMetrics::IfNothingElse, OpenMetrics::IfPreferred] {
                let chosen = exposition(accepted, offered);
                assert_eq!(chosen.format, Format::OpenMetrics, "{accepted}");
                assert_eq!(chosen.content_type, expected, "{accepted}");
            }
        }
    }

    #[test]
    fn openmetrics_can_be_preferred_where_it_is_offered() {
        let cases = [
            (PROMETHEUS, Format::OpenMetrics),
            ("application/openmetrics-text;q=0.5,text/plain", Format::Text),
            ("application/openmetrics-text;q=0.5,*/*", Format::Text),
            ("application/openmetrics-text,*/*;q=0.1", Format::OpenMetrics),
            ("text/plain;version=1.0.0,application/openmetrics-text;q=0.1", Format::Text),
            ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", Format::Text),
            ("", Format::Text),
        ];
        for (accepted, format) in cases {
            assert_eq!(exposition(accepted, OpenMetrics::IfPreferred).format, format, "{accepted}");
        }
    }
}
