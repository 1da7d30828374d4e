//! The excerpts of the responses, or of the dialogue, of a probe.

use maud::{Markup, html};

use crate::{
    diagnostics::{Part, PartKind},
    probe::report::{HopReport, ShownHop, folded},
    server::pages::format,
};

/// Renders what the peers sent, each exchange by itself.
pub(super) fn responses(hops: &[HopReport]) -> Markup {
    let shown = folded(hops).into_iter().filter_map(|hop| match hop {
        ShownHop::One(_, hop) if !hop.transcript.is_empty() => Some(hop),
        ShownHop::One(..) | ShownHop::Repeated(_) => None,
    });
    let shown: Vec<_> = shown.collect();
    html! {
        @if !shown.is_empty() {
            section.response {
                h2 { "Response" }
                @for hop in &shown {
                    @if let Some(url) = hop.url.as_ref().filter(|_| shown.len() > 1) {
                        h3 { (format::untrusted(url)) }
                    }
                    dl { @for part in &hop.transcript { (excerpt(part)) } }
                }
            }
        }
    }
}

fn excerpt(part: &Part) -> Markup {
    let remark = part.remark();
    let arrow = match part.kind {
        PartKind::Sent => "\u{2192} ",
        PartKind::Received => "\u{2190} ",
        _ => "",
    };
    html! {
        dt class=(part.kind.label()) {
            (arrow) (part.kind.title())
            @if !remark.is_empty() { " " span.soft { "(" (remark) ")" } }
        }
        dd {
            @if part.text.is_empty() {
                span.soft { "empty" }
            } @else {
                pre { @for line in part.lines() { (line) "\n" } }
            }
        }
    }
}
