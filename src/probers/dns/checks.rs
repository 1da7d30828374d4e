//! Checks a response: its response code and the records of its sections.

use std::sync::Arc;

use dns_text::{Message, Rcode, Record};

use super::{
    RecordRules,
    response::{CUT_HINT, Response},
    settings::{DnsProber, Transport},
};
use crate::{
    diagnostics::{Check, CheckName, Failure, Reason, Stage, humanize::count, log::Excerpt},
    net::Context,
    probers::{is_quick, run_blocking},
    settings::{named::Named, regexp::Regexp},
};

/// Checks a response against the module. All checks run, so that the report contains all failures.
/// Returns the response and the first failure, in the same order of sections as upstream.
pub(super) async fn check(
    prober: &DnsProber,
    response: Response,
    context: &Context,
) -> Result<(Response, Result<(), Failure>), Failure> {
    let caveat = caveat(prober.transport_protocol, &response);
    if let Some(caveat) = &caveat {
        context.log.warn("Incomplete response", &[("caveat", caveat)]);
    }
    let Response { mut message, is_cut } = response;
    let mut made = vec![check_rcode(&prober.valid_rcodes, message.rcode)];
    let mut length = 0;
    for (section, _, records, _) in sections(prober, &message) {
        let log = &context.log;
        log.debug("Validating records", &[("section", &section), ("records", &records.len())]);
        for record in records {
            length += record.text.len();
            log.debug("Validating record", &[("rr", &Excerpt(record.text.as_bytes()))]);
        }
    }
    let patterns = sections(prober, &message).into_iter().flat_map(|(.., rules)| rules.patterns());
    if is_quick(patterns, length) {
        made.extend(check_records(prober, &message));
    } else {
        let prober = prober.clone();
        let checked = run_blocking(move || {
            let checks = check_records(&prober, &message);
            Ok((message, checks))
        });
        let (checked, checks) = checked.await?;
        message = checked;
        made.extend(checks);
    }
    if let Some(caveat) = caveat {
        for failure in made.iter_mut().filter_map(Check::failure_mut) {
            failure.message = format!("{}; {caveat}", failure.message);
        }
    }
    let first = made.iter().find_map(|check| check.failure.clone());
    for check in made {
        context.checks.add(check);
    }
    Ok((Response { message, is_cut }, first.map_or(Ok(()), Err)))
}

impl DnsProber {
    /// Returns the names of the configured checks, in the order of their evaluation.
    pub(super) fn check_names(&self) -> Vec<CheckName> {
        let rcodes = &self.valid_rcodes;
        let is_default = *rcodes == Self::default().valid_rcodes;
        let mut names: Vec<_> = (!is_default).then(|| rcode_name(rcodes)).into_iter().collect();
        for (key, rules) in [
            ("validate_answer_rrs", &self.validate_answer_rrs),
            ("validate_authority_rrs", &self.validate_authority_rrs),
            ("validate_additional_rrs", &self.validate_additional_rrs),
        ] {
            names.extend(rules.check(key, &[]).into_iter().map(|check| check.name));
        }
        names
    }
}

fn rcode_name(valid: &Named<Vec<Rcode>>) -> CheckName {
    CheckName::of_key("valid_rcodes").or_given(valid.name.as_ref())
}

/// The sections of a response, each with its name, the key of its rules, its records and its rules.
fn sections<'p>(
    prober: &'p DnsProber,
    message: &'p Message,
) -> [(&'static str, &'static str, &'p [Record], &'p RecordRules); 3] {
    [
        ("answer", "validate_answer_rrs", &message.answer, &prober.validate_answer_rrs),
        ("authority", "validate_authority_rrs", &message.authority, &prober.validate_authority_rrs),
        (
            "additional",
            "validate_additional_rrs",
            &message.additional,
            &prober.validate_additional_rrs,
        ),
    ]
}

/// Checks the records of all sections.
fn check_records(prober: &DnsProber, message: &Message) -> Vec<Check> {
    let checked =
        |(_, key, records, rules): (_, _, &[Record], &RecordRules)| rules.check(key, records);
    sections(prober, message).into_iter().flat_map(checked).collect()
}

/// Returns a caveat if the response is incomplete, so that its checks may be misleading.
fn caveat(transport: Transport, response: &Response) -> Option<String> {
    let Message { truncated, missing, trailing, .. } = &response.message;
    let tc = "the response is truncated (TC bit set), so records may be missing";
    Some(match transport {
        Transport::Udp if response.is_cut => format!("the response was cut off: {CUT_HINT}"),
        Transport::Udp if *truncated => format!("{tc}; set transport_protocol to tcp"),
        Transport::Tcp if *truncated => {
            format!("{tc}, although it was sent over TCP; check the name server")
        }
        _ if *missing > 0 => {
            let missing = count(u64::try_from(*missing).unwrap_or_default(), "record");
            format!("the response is incomplete: it lacks {missing} that its header announces")
        }
        _ if *trailing > 0 => {
            let trailing = count(u64::try_from(*trailing).unwrap_or_default(), "byte");
            format!("ignored {trailing} after the last record of the response")
        }
        _ => return None,
    })
}

fn check_rcode(valid: &Named<Vec<Rcode>>, rcode: Rcode) -> Check {
    let outcome = if valid.contains(&rcode) {
        Ok(())
    } else {
        let names: Vec<String> = valid.iter().map(Rcode::to_string).collect();
        let expected = match names.as_slice() {
            [] => "none, because valid_rcodes is empty".to_owned(),
            names => names.join(", "),
        };
        let message = format!("response code {rcode}, expected {expected}");
        Err(Failure::new(Stage::Check, Reason::Rcode, message))
    };
    Check::new(rcode_name(valid), outcome)
}

/// The key of the rules for one section.
struct SectionKey(&'static str);

impl RecordRules {
    fn patterns(&self) -> impl Iterator<Item = &Regexp> {
        let Self {
            fail_if_matches_regexp,
            fail_if_all_match_regexp,
            fail_if_not_matches_regexp,
            fail_if_none_matches_regexp,
        } = self;
        fail_if_matches_regexp
            .iter()
            .chain(fail_if_all_match_regexp)
            .chain(fail_if_not_matches_regexp)
            .chain(fail_if_none_matches_regexp)
            .map(|pattern| &**pattern)
    }

    /// Checks the records of the section that the key `section` is for.
    ///
    /// `fail_if_all_match_regexp` fails if *not* all records match all of its patterns. This is the
    /// behaviour of upstream, which existing modules depend on.
    fn check(&self, section: &'static str, records: &[Record]) -> Vec<Check> {
        let section = SectionKey(section);
        let mut made = Vec::new();
        for (index, pattern) in self.fail_if_matches_regexp.iter().enumerate() {
            let place = CheckName::of_entry("fail_if_matches_regexp", index);
            let found = records.iter().find(|record| matches(pattern, record));
            let wrong =
                found.map(|record| format!("record {} matches '{}'", quoted(record), **pattern));
            made.push(section.check(place, pattern.name.as_ref(), wrong));
        }
        made.extend(section.check_together(
            CheckName::of_key("fail_if_all_match_regexp"),
            &self.fail_if_all_match_regexp,
            |all| {
                let matches_all = |record| all.iter().all(|pattern| matches(pattern, record));
                (!records.iter().all(matches_all)).then_some("not all records match all patterns")
            },
        ));
        for (index, pattern) in self.fail_if_not_matches_regexp.iter().enumerate() {
            let place = CheckName::of_entry("fail_if_not_matches_regexp", index);
            let missed = records.iter().find(|record| !matches(pattern, record));
            let wrong = match missed {
                Some(record) => {
                    Some(format!("record {} does not match '{}'", quoted(record), **pattern))
                }
                None if records.is_empty() => Some("no records".to_owned()),
                None => None,
            };
            made.push(section.check(place, pattern.name.as_ref(), wrong));
        }
        made.extend(section.check_together(
            CheckName::of_key("fail_if_none_matches_regexp"),
            &self.fail_if_none_matches_regexp,
            |any| {
                let matches_any = |record| any.iter().any(|pattern| matches(pattern, record));
                let wrong =
                    if records.is_empty() { "no records" } else { "no record matches any pattern" };
                (!records.iter().any(matches_any)).then_some(wrong)
            },
        ));
        made
    }
}

impl SectionKey {
    /// Creates a check of the key `place`. It has failed if `wrong` contains a message.
    fn check(&self, place: CheckName, given: Option<&Arc<str>>, wrong: Option<String>) -> Check {
        let name = place.inside(self.0);
        let outcome = wrong.map_or(Ok(()), |wrong| {
            Err(Failure::new(Stage::Check, Reason::Records, format!("{name}: {wrong}")))
        });
        Check::new(name.or_given(given), outcome)
    }

    /// Creates the single check of a list of patterns, or `None` if the list is empty. Its name is
    /// the first name that a pattern has.
    fn check_together(
        &self,
        place: CheckName,
        patterns: &[Named<Regexp>],
        wrong: impl FnOnce(&[Named<Regexp>]) -> Option<&'static str>,
    ) -> Option<Check> {
        if patterns.is_empty() {
            return None;
        }
        let given = patterns.iter().find_map(|pattern| pattern.name.as_ref());
        Some(self.check(place, given, wrong(patterns).map(str::to_owned)))
    }
}

fn matches(pattern: &Regexp, record: &Record) -> bool {
    pattern.is_match(record.text.as_bytes())
}

fn quoted(record: &Record) -> String {
    format!("{:?} (fields separated by tabs)", Excerpt(record.text.as_bytes()).to_string())
}

#[cfg(test)]
mod tests {
    use dns_text::RecordType;

    use super::*;

    fn rules(keys: serde_json::Value) -> RecordRules {
        serde_json::from_value(keys).unwrap()
    }

    /// Returns whether these records pass the rules.
    fn passes(keys: serde_json::Value, texts: &[&str]) -> bool {
        let records: Vec<_> = texts
            .iter()
            .map(|text| Record { kind: RecordType::A, text: (*text).to_owned() })
            .collect();
        rules(keys).check("validate_answer_rrs", &records).iter().all(Check::is_good)
    }

    #[test]
    fn rules_have_the_meaning_of_upstream() {
        let [matches, all, not, none] = [
            "fail_if_matches_regexp",
            "fail_if_all_match_regexp",
            "fail_if_not_matches_regexp",
            "fail_if_none_matches_regexp",
        ];
        for (key, patterns, texts, expected) in [
            (matches, &["b"][..], &[][..], true),
            (matches, &["b"], &["a", "c"], true),
            (matches, &["x", "b"], &["a", "b"], false),
            (all, &["b"], &[], true),
            (all, &["b"], &["ab", "b"], true),
            (all, &["b"], &["ab", "a"], false),
            (all, &["a", "b"], &["ab", "b"], false),
            (not, &["b"], &[], false),
            (not, &["b"], &["ab", "b"], true),
            (not, &["b"], &["ab", "a"], false),
            (not, &["a", "b"], &["ab", "b"], false),
            (none, &["b"], &[], false),
            (none, &["b"], &["a", "ab"], true),
            (none, &["x", "b"], &["a", "b"], true),
            (none, &["x", "b"], &["a"], false),
        ] {
            let keys = serde_json::json!({ key: patterns });
            assert_eq!(passes(keys, texts), expected, "{key} {patterns:?} {texts:?}");
        }
    }

    #[test]
    fn failures_contain_rule_record_and_section() {
        let rules = rules(serde_json::json!({"fail_if_matches_regexp": ["\tA\t127"]}));
        let record = Record { kind: RecordType::A, text: "x.\t1\tIN\tA\t127.0.0.1".to_owned() };
        let checks = rules.check("validate_authority_rrs", &[record]);
        let [Check { name, failure: Some(failure), .. }] = checks.as_slice() else {
            panic!("{checks:?}");
        };
        assert_eq!(name.to_string(), "validate_authority_rrs.fail_if_matches_regexp[0]");
        assert_eq!((failure.stage, failure.reason), (Stage::Check, Reason::Records));
        for part in ["validate_authority_rrs.fail_if_matches_regexp[0]: record", "x.\\t1\\tIN"] {
            assert!(failure.message.contains(part), "{failure}");
        }
    }

    #[test]
    fn rcodes_are_shown_by_name() {
        assert!(check_rcode(&vec![Rcode(0), Rcode(3)].into(), Rcode(3)).is_good());
        let failure = check_rcode(&vec![Rcode(0)].into(), Rcode(16)).failure.unwrap();
        assert_eq!(failure.reason, Reason::Rcode);
        assert!(failure.message.contains("BADSIG"), "{failure}");
        assert!(!check_rcode(&Vec::new().into(), Rcode(0)).is_good());
    }
}
