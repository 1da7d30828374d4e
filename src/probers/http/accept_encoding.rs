//! Comparison of the header `Accept-Encoding` of a module with its key `compression`.

/// Returns whether `accept_encoding` accepts a response that is compressed with `compression`.
///
/// The entry of the highest quality that is the compression, as written, or `*`, decides. No such
/// entry means no; an empty text on either side means yes.
pub(super) fn is_acceptable(compression: &str, accept_encoding: &str) -> bool {
    if compression.is_empty() || accept_encoding.is_empty() {
        return true;
    }
    let mut entries: Vec<_> = accept_encoding.split(',').map(entry).collect();
    entries.sort_by(|left, right| right.1.total_cmp(&left.1));
    entries
        .iter()
        .find(|(name, _)| *name == compression || *name == "*")
        .is_some_and(|(_, quality)| *quality > 0.0)
}

/// Parses one entry: its name and its quality, which is 1 if absent and 0 if invalid.
fn entry(text: &str) -> (&str, f64) {
    let Some((name, quality)) = text.rsplit_once(';') else { return (text.trim(), 1.0) };
    let quality = quality.trim();
    let quality = quality.strip_prefix("q=").unwrap_or(quality);
    let quality = quality.parse::<f64>().ok().filter(|q| q.is_finite()).unwrap_or_default();
    (name.trim(), (quality * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::is_acceptable;

    #[test]
    fn the_best_liked_entry_decides() {
        for (compression, accept_encoding, expected) in [
            ("", "deflate", true),
            ("gzip", "", true),
            ("gzip", "gzip", true),
            ("gzip", "deflate", false),
            ("gzip", "br, gzip", true),
            ("gzip", "br;q=1.0, gzip;q=0.9", true),
            ("gzip", "br , identity", false),
            ("gzip", "*", true),
            ("gzip", "*;q=0.0", false),
            ("gzip", "gzip;q=0, *;q=0.5", true),
            ("gzip", "gzip;q=0", false),
            ("gzip", "gzip;q=0.0004", false),
            ("gzip", "gzip;q=0.0005", true),
            ("gzip", "gzip;q=high", false),
            ("gzip", "gzip; q=0.5", true),
            ("GZIP", "gzip", false),
            ("identity", "gzip", false),
        ] {
            let acceptable = is_acceptable(compression, accept_encoding);
            assert_eq!(acceptable, expected, "{compression} against {accept_encoding}");
        }
    }
}
