//! Describes the settings of the dns prober in plain text.

use dns_text::Rcode;

use crate::{
    probers::dns::{DnsProber, RecordRules, Transport},
    settings::{
        explain::{Explanation, ServerName, Topic, any_of},
        named::Named,
        regexp::Regexp,
    },
};

impl DnsProber {
    /// Describes a probe in plain text.
    pub(super) fn explain_probe(&self, words: &mut Explanation) {
        let port = self.default_port();
        let text = format!("The name server: host or host:port; the default port is {port}.");
        words.say(Topic::Target, text);
        self.ip.explain(words);
        words.source_address(self.source_ip_address);
        if self.dns_over_tls {
            let start = "From the start";
            self.tls_config.settings().explain(start, ServerName::Host, words);
        } else {
            words.say_default(Topic::Tls, "Not used.");
        }
        self.explain_query(words);
        self.explain_checks(words);
        let text = "Server unreachable, response does not match the query, or timeout.";
        words.say(Topic::Fails, text);
    }

    fn explain_query(&self, words: &mut Explanation) {
        let name = match self.query_name.as_str() {
            "" => ".",
            name => name,
        };
        let text =
            format!("One query for {name}: type {}, class {}.", self.query_type, self.query_class);
        words.say_of(self.query_name == Self::default().query_name, Topic::Sends, text);
        let carrier = match self.transport_protocol {
            Transport::Udp => "Over UDP, without retries.",
            Transport::Tcp if self.dns_over_tls => "Over TLS.",
            Transport::Tcp => "Over TCP.",
        };
        let is_default = self.transport_protocol == Transport::default();
        words.say_of(is_default, Topic::Sends, carrier);
        if self.recursion_desired {
            words.say_default(Topic::Sends, "Recursion desired (RD) is set.");
        } else {
            words.say(Topic::Sends, "Recursion desired (RD) is not set.");
        }
    }

    fn explain_checks(&self, words: &mut Explanation) {
        let codes: Vec<_> = self.valid_rcodes.iter().map(Rcode::to_string).collect();
        let text = match codes.as_slice() {
            [] => "No response code is valid, so every probe fails.".to_owned(),
            codes => format!("The response code is {}.", any_of(codes)),
        };
        let is_default = self.valid_rcodes == Self::default().valid_rcodes;
        words.check(is_default, self.valid_rcodes.name.as_ref(), text);
        self.validate_answer_rrs.explain("answer", words);
        self.validate_authority_rrs.explain("authority", words);
        self.validate_additional_rrs.explain("additional", words);
    }
}

impl RecordRules {
    fn explain(&self, section: &str, words: &mut Explanation) {
        for pattern in &self.fail_if_matches_regexp {
            let text =
                format!("In the {section} section, no record may match '{}'.", pattern.as_str());
            words.check(false, pattern.name.as_ref(), text);
        }
        explain_together(
            &self.fail_if_all_match_regexp,
            &format!("In the {section} section, each record must match all of"),
            words,
        );
        for pattern in &self.fail_if_not_matches_regexp {
            let text = format!(
                "In the {section} section, there is at least one record, and each must match '{}'.",
                pattern.as_str()
            );
            words.check(false, pattern.name.as_ref(), text);
        }
        explain_together(
            &self.fail_if_none_matches_regexp,
            &format!("In the {section} section, at least one record must match one of"),
            words,
        );
    }
}

/// Describes a list of patterns that is one check.
fn explain_together(patterns: &[Named<Regexp>], requirement: &str, words: &mut Explanation) {
    let quoted: Vec<_> = patterns.iter().map(|one| format!("'{}'", one.as_str())).collect();
    if !quoted.is_empty() {
        let name = patterns.iter().find_map(|pattern| pattern.name.as_ref());
        words.check(false, name, format!("{requirement} {}.", quoted.join(", ")));
    }
}
