//! What a client says it takes.

/// The spellings of `escaping` that clients of Prometheus know. Names here are legal under each.
const ESCAPINGS: [&str; 4] = ["allow-utf-8", "underscores", "dots", "values"];

/// Whether gzip is among the codings of an `Accept-Encoding` header.
pub(super) fn takes_gzip(accepted: impl AsRef<str>) -> bool {
    entries(accepted.as_ref()).any(|entry| {
        let coding = entry.name;
        (coding.eq_ignore_ascii_case("gzip") || coding == "*") && entry.quality() > 0.0
    })
}

/// The content type of metrics, with the escaping that an `Accept` header asks for.
///
/// As upstream does it: by falling quality, up to the first entry for plain text.
pub(super) fn metrics_content_type(accepted: &str) -> String {
    let mut wanted: Vec<_> = entries(accepted).collect();
    wanted.sort_by(|a, b| b.quality().total_cmp(&a.quality()));
    let mut escaping = "underscores";
    for entry in wanted {
        if let Some(known) = entry.parameter("escaping")
            && ESCAPINGS.contains(&known)
        {
            escaping = known;
        }
        let version = entry.parameter("version");
        if entry.name == "text/plain" && version.is_none_or(|version| version == "0.0.4") {
            break;
        }
    }
    format!("text/plain; version=0.0.4; charset=utf-8; escaping={escaping}")
}

/// One entry of a list such as `a;q=0.5, b`.
struct Entry<'a> {
    name: &'a str,
    parameters: &'a str,
}

fn entries(header: &str) -> impl Iterator<Item = Entry<'_>> {
    header.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(|entry| {
        let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        Entry { name: name.trim(), parameters }
    })
}

impl<'a> Entry<'a> {
    fn parameter(&self, wanted: &str) -> Option<&'a str> {
        let pairs = self.parameters.split(';').filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
            .find(|(name, value)| *name == wanted && !value.is_empty())
            .map(|(_, value)| value)
    }

    fn quality(&self) -> f64 {
        self.parameter("q").and_then(|text| text.parse().ok()).unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_only_when_it_is_taken() {
        for accepted in ["gzip", "deflate, gzip;q=0.5", "GZIP", "*", "br,gzip"] {
            assert!(takes_gzip(accepted), "{accepted}");
        }
        for accepted in ["", "identity", "gzip;q=0", "br, zstd", "deflate"] {
            assert!(!takes_gzip(accepted), "{accepted}");
        }
    }

    #[test]
    fn metrics_are_always_text_and_the_escaping_follows() {
        let cases = [
            ("", "underscores"),
            ("*/*", "underscores"),
            ("text/plain;version=0.0.4;escaping=allow-utf-8", "allow-utf-8"),
            ("text/plain;escaping=strange", "underscores"),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5",
                "allow-utf-8",
            ),
            ("text/plain;q=0.9,application/openmetrics-text;escaping=dots;q=0.1", "underscores"),
        ];
        for (accepted, escaping) in cases {
            let expected = format!("text/plain; version=0.0.4; charset=utf-8; escaping={escaping}");
            assert_eq!(metrics_content_type(accepted), expected, "{accepted}");
        }
    }
}
