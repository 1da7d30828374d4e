//! What an answer must be: its code, and the records of its sections.

use std::sync::Arc;

use dns_text::{Message, Rcode, Record};

use super::{
    RecordRules,
    response::{Answer, CUT_HINT},
    settings::{DnsProber, Transport},
};
use crate::{
    diagnostics::{Check, CheckName, Failure, Reason, Stage, humanize::count, log::Excerpt},
    net::Context,
    settings::{named::Named, regexp::Regexp},
};

/// Checks an answer against the module; all of it, so that all that is wrong can be seen at once.
/// The first failure counts, in upstream's order of sections.
pub(super) fn check(prober: &DnsProber, answer: &Answer, context: &Context) -> Result<(), Failure> {
    let caveat = caveat(prober.transport_protocol, answer);
    if let Some(caveat) = &caveat {
        context.log.warn("The answer is not complete", &[("caveat", caveat)]);
    }
    let message = &answer.message;
    let mut made = vec![check_rcode(&prober.valid_rcodes, message.rcode)];
    for (section, key, records, rules) in [
        ("answer", "validate_answer_rrs", &message.answer, &prober.validate_answer_rrs),
        ("authority", "validate_authority_rrs", &message.authority, &prober.validate_authority_rrs),
        (
            "additional",
            "validate_additional_rrs",
            &message.additional,
            &prober.validate_additional_rrs,
        ),
    ] {
        let log = &context.log;
        log.debug("Validating records", &[("section", &section), ("records", &records.len())]);
        for record in records {
            log.debug("Validating record", &[("rr", &Excerpt(record.text.as_bytes()))]);
        }
        made.extend(rules.check(section, key, records));
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
    first.map_or(Ok(()), Err)
}

/// What to know of an answer before its checks are believed: records of it may be missing.
fn caveat(transport: Transport, answer: &Answer) -> Option<String> {
    let Message { truncated, missing, trailing, .. } = &answer.message;
    let tc = "the answer is truncated (its TC bit is set), so records may be missing";
    Some(match transport {
        Transport::Udp if answer.cut => format!("the answer was cut off{CUT_HINT}"),
        Transport::Udp if *truncated => format!("{tc}: set transport_protocol to tcp"),
        Transport::Tcp if *truncated => {
            format!("{tc}, although it came over TCP: check the name server")
        }
        _ if *missing > 0 => {
            let missing = count(u64::try_from(*missing).unwrap_or_default(), "record");
            format!("the answer is incomplete: {missing} that it announces did not come")
        }
        _ if *trailing > 0 => {
            let trailing = count(u64::try_from(*trailing).unwrap_or_default(), "byte");
            format!("{trailing} after the last record of the answer were ignored")
        }
        _ => return None,
    })
}

fn check_rcode(valid: &Named<Vec<Rcode>>, rcode: Rcode) -> Check {
    let outcome = if valid.contains(&rcode) {
        Ok(())
    } else {
        let names: Vec<String> = valid.iter().map(Rcode::to_string).collect();
        let message = format!("The answer's rcode is {rcode}, valid are [{}]", names.join(" "));
        Err(Failure::new(Stage::Check, Reason::Rcode, message))
    };
    Check::new(CheckName::of_key("valid_rcodes").or_given(valid.name.as_ref()), outcome)
}

/// A section of an answer.
struct Section {
    /// Its name in DNS.
    name: &'static str,
    /// The key of the rules over its records.
    key: &'static str,
}

impl RecordRules {
    /// Checks the records of one section.
    ///
    /// As upstream does it, `fail_if_all_match_regexp` fails when *not* all records match all of
    /// its patterns: users have written their modules for that.
    fn check(&self, name: &'static str, key: &'static str, records: &[Record]) -> Vec<Check> {
        let section = Section { name, key };
        let mut made = Vec::new();
        for (index, pattern) in self.fail_if_matches_regexp.iter().enumerate() {
            let place = CheckName::of_entry("fail_if_matches_regexp", index);
            let found = records.iter().find(|record| matches(pattern, record));
            let wrong = found.map(|record| format!("{} matches {}", quoted(record), **pattern));
            made.push(section.check(place, pattern.name.as_ref(), wrong));
        }
        made.extend(section.check_together(
            CheckName::of_key("fail_if_all_match_regexp"),
            &self.fail_if_all_match_regexp,
            |all| {
                let holds = |record| all.iter().all(|pattern| matches(pattern, record));
                (!records.iter().all(holds)).then_some("not all records match")
            },
        ));
        for (index, pattern) in self.fail_if_not_matches_regexp.iter().enumerate() {
            let place = CheckName::of_entry("fail_if_not_matches_regexp", index);
            let missed = records.iter().find(|record| !matches(pattern, record));
            let wrong = match missed {
                Some(record) => Some(format!("{} does not match {}", quoted(record), **pattern)),
                None if records.is_empty() => Some("there is no record".to_owned()),
                None => None,
            };
            made.push(section.check(place, pattern.name.as_ref(), wrong));
        }
        made.extend(section.check_together(
            CheckName::of_key("fail_if_none_matches_regexp"),
            &self.fail_if_none_matches_regexp,
            |any| {
                let holds = |record| any.iter().any(|pattern| matches(pattern, record));
                let wrong =
                    if records.is_empty() { "there is no record" } else { "no record matches" };
                (!records.iter().any(holds)).then_some(wrong)
            },
        ));
        made
    }
}

impl Section {
    /// A check at `place`, which failed if something is `wrong`.
    fn check(&self, place: CheckName, given: Option<&Arc<str>>, wrong: Option<String>) -> Check {
        let outcome = wrong.map_or(Ok(()), |wrong| {
            let message = format!("{place}: {wrong} (in the {} section)", self.name);
            Err(Failure::new(Stage::Check, Reason::Records, message))
        });
        Check::new(place.inside(self.key).or_given(given), outcome)
    }

    /// The one check that a list of patterns makes together, if it has any; it bears the first name
    /// that one of them has.
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
    format!("{:?}", Excerpt(record.text.as_bytes()).to_string())
}

#[cfg(test)]
mod tests {
    use dns_text::RecordType;

    use super::*;

    fn rules(keys: serde_json::Value) -> RecordRules {
        serde_json::from_value(keys).unwrap()
    }

    /// Whether the rules hold for these records.
    fn holds(keys: serde_json::Value, texts: &[&str]) -> bool {
        let records: Vec<_> = texts
            .iter()
            .map(|text| Record { kind: RecordType::A, text: (*text).to_owned() })
            .collect();
        rules(keys).check("answer", "validate_answer_rrs", &records).iter().all(Check::is_good)
    }

    #[test]
    fn rules_mean_what_upstream_makes_of_them() {
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
            assert_eq!(holds(keys, texts), expected, "{key} {patterns:?} {texts:?}");
        }
    }

    #[test]
    fn a_failure_names_rule_record_and_section() {
        let rules = rules(serde_json::json!({"fail_if_matches_regexp": ["\tA\t127"]}));
        let record = Record { kind: RecordType::A, text: "x.\t1\tIN\tA\t127.0.0.1".to_owned() };
        let checks = rules.check("authority", "validate_authority_rrs", &[record]);
        let [Check { name, failure: Some(failure) }] = checks.as_slice() else {
            panic!("{checks:?}");
        };
        assert_eq!(name.to_string(), "validate_authority_rrs.fail_if_matches_regexp[0]");
        assert_eq!((failure.stage, failure.reason), (Stage::Check, Reason::Records));
        for part in ["fail_if_matches_regexp", "x.\\t1\\tIN", "authority"] {
            assert!(failure.message.contains(part), "{failure}");
        }
    }

    #[test]
    fn rcodes_are_told_by_name() {
        assert!(check_rcode(&vec![Rcode(0), Rcode(3)].into(), Rcode(3)).is_good());
        let failure = check_rcode(&vec![Rcode(0)].into(), Rcode(16)).failure.unwrap();
        assert_eq!(failure.reason, Reason::Rcode);
        assert!(failure.message.contains("BADSIG"), "{failure}");
        assert!(!check_rcode(&Vec::new().into(), Rcode(0)).is_good());
    }
}
