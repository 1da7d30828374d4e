//! The result of a probe with its explanation.

use maud::{Markup, html};

use crate::{
    diagnostics::{Failure, Refusal, Verdict},
    probe::ProbeReport,
    server::pages::format,
};

/// Maximum length of the target in bytes.
const MAX_TARGET_BYTES: usize = 300;

/// Renders the result; for a failure with message, advice, stage and reason, for a refusal with
/// message, advice and cause.
pub(super) fn verdict(report: &ProbeReport) -> Markup {
    let target = format::untrusted_up_to(&report.target, MAX_TARGET_BYTES);
    html! {
        @match &report.verdict {
            Verdict::Ok => section.verdict.good {
                p.soft { (target) }
                h1 { "Success" }
            },
            Verdict::Failed(failure) => section.verdict.bad {
                p.soft { (target) }
                h1 { "Failure: " (lower(failure.reason.meaning())) }
                (explanation(failure))
            },
            Verdict::Refused(refusal) => section.verdict.refused {
                p.soft { (target) }
                h1 { "Refused by the exporter; the target was not judged" }
                (explanation_of_refusal(refusal))
            },
        }
    }
}

/// Changes a sentence to a phrase: lower case, without a full stop.
fn lower(sentence: &str) -> String {
    let sentence = sentence.trim_end_matches('.');
    let mut letters = sentence.chars();
    let first = letters.next();
    let rest = letters.as_str();
    // An abbreviation keeps its capitals.
    if rest.starts_with(char::is_uppercase) {
        return sentence.to_owned();
    }
    first.into_iter().flat_map(char::to_lowercase).collect::<String>() + rest
}

fn explanation(failure: &Failure) -> Markup {
    let Failure { stage, reason, message } = failure;
    html! {
        p.message { (format::untrusted(message)) }
        dl.facts {
            div { dt { "Check first" } dd { (reason.advice()) } }
            div {
                dt { "Stage" }
                dd { (stage.meaning()) " " span.soft.code { "stage=" (stage.label()) " reason=" (reason.label()) } }
            }
        }
    }
}

fn explanation_of_refusal(refusal: &Refusal) -> Markup {
    let Refusal { cause, message } = refusal;
    html! {
        p.message { (format::untrusted(message)) }
        dl.facts {
            div { dt { "Change first" } dd { (cause.advice()) } }
            div { dt { "Cause" } dd { (cause.meaning()) " " span.soft.code { "cause=" (cause.label()) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_keep_their_capitals() {
        assert_eq!(lower("TLS was used."), "TLS was used");
        assert_eq!(lower("A rule failed."), "a rule failed");
    }
}
