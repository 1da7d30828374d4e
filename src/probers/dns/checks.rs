//! What an answer must be: its code, and the records of its sections.

use super::{
    RecordRules,
    message::{Message, Record},
    mnemonics::Rcode,
    settings::DnsProber,
};
use crate::{
    evidence::{Failure, ProbeLog, Reason, Stage, log::Excerpt},
    settings::regexp::Regexp,
};

/// Checks an answer against the module, in upstream's order.
pub(super) fn check(prober: &DnsProber, answer: &Message, log: &ProbeLog) -> Result<(), Failure> {
    check_rcode(&prober.valid_rcodes, answer.rcode)?;
    log.debug("Rcode is valid", &[("rcode", &answer.rcode)]);
    for (section, records, rules) in [
        ("answer", &answer.answer, &prober.validate_answer_rrs),
        ("authority", &answer.authority, &prober.validate_authority_rrs),
        ("additional", &answer.additional, &prober.validate_additional_rrs),
    ] {
        log.debug("Validating records", &[("section", &section), ("records", &records.len())]);
        rules.check(section, records, log)?;
    }
    Ok(())
}

fn check_rcode(valid: &[Rcode], rcode: Rcode) -> Result<(), Failure> {
    if valid.contains(&rcode) {
        return Ok(());
    }
    let names: Vec<String> = valid.iter().map(Rcode::to_string).collect();
    let message = format!("The answer's rcode is {rcode}, valid are [{}]", names.join(" "));
    Err(Failure::new(Stage::Check, Reason::Rcode, message))
}

impl RecordRules {
    /// Checks the records of one section.
    ///
    /// As upstream does it, `fail_if_all_match_regexp` fails when *not* all records match all of
    /// its patterns: users have written their modules for that.
    fn check(&self, section: &str, records: &[Record], log: &ProbeLog) -> Result<(), Failure> {
        let failure = |message: String| {
            let message = format!("{message} (in the {section} section)");
            Err(Failure::new(Stage::Check, Reason::Records, message))
        };
        if records.is_empty() {
            for (key, patterns) in [
                ("fail_if_not_matches_regexp", &self.fail_if_not_matches_regexp),
                ("fail_if_none_matches_regexp", &self.fail_if_none_matches_regexp),
            ] {
                if !patterns.is_empty() {
                    return failure(format!("{key}: there is no record"));
                }
            }
        }
        let mut all_match = true;
        let mut any_matches = false;
        for record in records {
            let text = &record.text;
            let quoted = Excerpt(text.as_bytes()).to_string();
            log.debug("Validating record", &[("rr", &quoted)]);
            let matches = |pattern: &&Regexp| pattern.is_match(text.as_bytes());
            if let Some(pattern) = self.fail_if_matches_regexp.iter().find(matches) {
                return failure(format!("fail_if_matches_regexp: {quoted:?} matches {pattern}"));
            }
            all_match &= self.fail_if_all_match_regexp.iter().all(|pattern| matches(&pattern));
            let missed = self.fail_if_not_matches_regexp.iter().find(|pattern| !matches(pattern));
            if let Some(pattern) = missed {
                return failure(format!(
                    "fail_if_not_matches_regexp: {quoted:?} does not match {pattern}"
                ));
            }
            any_matches |= self.fail_if_none_matches_regexp.iter().any(|pattern| matches(&pattern));
        }
        if !self.fail_if_all_match_regexp.is_empty() && !all_match {
            return failure("fail_if_all_match_regexp: not all records match".to_owned());
        }
        if !self.fail_if_none_matches_regexp.is_empty() && !any_matches {
            return failure("fail_if_none_matches_regexp: no record matches".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probers::dns::mnemonics::RecordType;

    fn rules(keys: serde_json::Value) -> RecordRules {
        serde_json::from_value(keys).unwrap()
    }

    /// Whether the rules hold for these records.
    fn holds(keys: serde_json::Value, texts: &[&str]) -> bool {
        let records: Vec<_> = texts
            .iter()
            .map(|text| Record { kind: RecordType::A, text: (*text).to_owned() })
            .collect();
        rules(keys).check("answer", &records, &ProbeLog::default()).is_ok()
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
        let failure = rules.check("authority", &[record], &ProbeLog::default()).unwrap_err();
        assert_eq!((failure.stage, failure.reason), (Stage::Check, Reason::Records));
        for part in ["fail_if_matches_regexp", "x.\\t1\\tIN", "authority"] {
            assert!(failure.message.contains(part), "{failure}");
        }
    }

    #[test]
    fn rcodes_are_told_by_name() {
        assert!(check_rcode(&[Rcode(0), Rcode(3)], Rcode(3)).is_ok());
        let failure = check_rcode(&[Rcode(0)], Rcode(16)).unwrap_err();
        assert_eq!(failure.reason, Reason::Rcode);
        assert!(failure.message.contains("BADSIG"), "{failure}");
        assert!(check_rcode(&[], Rcode(0)).is_err());
    }
}
