//! The hops of a probe as people read them: the turns of a redirect loop are one entry. JSON has all hops.

use std::{fmt, time::Duration};

use super::HopReport;

/// One entry of a list of hops.
#[derive(Debug)]
pub enum ShownHop<'h> {
    /// A hop with its index.
    One(usize, &'h HopReport),
    /// Hops whose URL and response occurred before.
    Repeated(RepeatedHops<'h>),
}

/// Hops whose URL and response occurred before. The text names their number and the cycle of URLs.
#[derive(Debug)]
pub struct RepeatedHops<'h> {
    /// Index of the first one.
    pub first: usize,
    /// The hops.
    pub hops: &'h [HopReport],
}

impl RepeatedHops<'_> {
    /// Returns the start and the duration of all of them.
    #[must_use]
    pub fn span(&self) -> (Duration, Duration) {
        let start = self.hops.first().map(|hop| hop.start).unwrap_or_default();
        let phases = self.hops.iter().flat_map(|hop| &hop.phases);
        let end = phases.map(|phase| phase.start + phase.length).max().unwrap_or(start);
        (start, end.saturating_sub(start))
    }
}

impl fmt::Display for RepeatedHops<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cycle = Vec::new();
        for url in self.hops.iter().filter_map(|hop| hop.url.as_deref()) {
            if !cycle.contains(&url) {
                cycle.push(url);
            }
        }
        let (count, cycle) = (self.hops.len(), cycle.join(" \u{2192} "));
        write!(formatter, "\u{2026} \u{d7}{count} the same URLs and responses again: {cycle}")
    }
}

/// Minimum number of repeated hops that are shown as one entry.
const MIN_REPEATED: usize = 2;

/// Folds repeated hops. The last hop is always shown, because the verdict is about it.
#[must_use]
pub fn folded(hops: &[HopReport]) -> Vec<ShownHop<'_>> {
    let last = hops.len().saturating_sub(1);
    let is_repeated = |index: usize, hop: &HopReport| {
        let is_same = |it: &HopReport| (&it.url, &it.response) == (&hop.url, &hop.response);
        index < last && hop.url.is_some() && hops.iter().take(index).any(is_same)
    };
    let mut shown = Vec::with_capacity(hops.len());
    let mut next = 0;
    while let Some(rest) = hops.get(next..).filter(|rest| !rest.is_empty()) {
        let repeated = rest.iter().zip(next..).take_while(|(hop, index)| is_repeated(*index, hop));
        let repeated = repeated.count();
        if let Some(hops) = rest.get(..repeated).filter(|hops| hops.len() >= MIN_REPEATED) {
            shown.push(ShownHop::Repeated(RepeatedHops { first: next, hops }));
            next += repeated;
        } else {
            shown.extend(rest.first().map(|hop| ShownHop::One(next, hop)));
            next += 1;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(url: Option<&str>) -> HopReport {
        HopReport {
            url: url.map(str::to_owned),
            address: None,
            start: Duration::ZERO,
            response: None,
            transcript: Vec::new(),
            tls: None,
            phases: Vec::new(),
        }
    }

    /// Folds hops, each with a URL of one letter.
    fn shown(urls: &str) -> String {
        let hops: Vec<_> =
            urls.split("").filter(|url| !url.is_empty()).map(|url| hop(Some(url))).collect();
        let texts = folded(&hops).into_iter().map(|shown| match shown {
            ShownHop::One(index, hop) => format!("{index}{}", hop.url.as_deref().unwrap()),
            ShownHop::Repeated(repeated) => format!("{}{repeated}", repeated.first)
                .replace(" ×", "×")
                .replace(" the same URLs and responses again: ", ":")
                .replace(" → ", "→"),
        });
        texts.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_turns_of_a_loop_are_one_entry() {
        for (urls, expected) in [
            ("", ""),
            ("a", "0a"),
            ("abc", "0a 1b 2c"),
            ("aa", "0a 1a"),
            ("aaa", "0a 1a 2a"),
            ("aaaaaaaaaa", "0a 1…×8:a 9a"),
            ("xababababc", "0x 1a 2b 3…×6:a→b 9c"),
            ("aabcaab", "0a 1a 2b 3c 4…×2:a 6b"),
        ] {
            assert_eq!(shown(urls), expected, "{urls}");
        }
    }

    #[test]
    fn hops_without_a_url_are_not_repeated() {
        let hops = [hop(None), hop(None), hop(None), hop(None)];
        assert_eq!(folded(&hops).len(), 4);
    }
}
