//! Settings of the dns prober.

use std::net::IpAddr;

use dns_text::{QueryName, Rcode, RecordClass, RecordType};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    diagnostics::CheckName,
    net::tls::TlsClient,
    probers::ProberSettings,
    settings::{
        explain::Explanation,
        ip::{self, IpSettings, SourceAddress},
        named::Named,
        regexp::{Regexp, Subject},
        rule::{RuleError, Warning},
        section::{Form, section},
        tls::TlsSettings,
    },
};

section! {
    /// Settings of the dns prober, which sends one query and checks the code and the records of the
    /// response.
    #[derive(Debug, Clone, PartialEq)]
    pub struct DnsProber {
        /// The address family to prefer.
        #[key(group)]
        pub ip: IpSettings,
        /// Sends the query over TLS; requires `transport_protocol: tcp`.
        pub dns_over_tls: bool,
        /// TLS settings.
        pub tls_config: TlsClient => TlsSettings,
        /// Address to send from.
        pub source_ip_address: Option<IpAddr> as SourceAddress,
        /// Transport of the query: `udp` or `tcp`.
        pub transport_protocol: Transport,
        /// Class to query: `IN`, `CH`, `CS`, `HS`, `NONE` or `ANY`.
        pub query_class: RecordClass as EmptyIsDefault = RecordClass::IN,
        /// Name to query; required.
        pub query_name: QueryName as NameText,
        /// Record type to query, in capitals, such as `A`, `SOA` or `HTTPS`.
        pub query_type: RecordType as EmptyIsDefault = RecordType::ANY,
        /// Sets the flag RD (recursion desired).
        pub recursion_desired: bool = true,
        /// Response codes that are accepted, in capitals; an empty list accepts none.
        pub valid_rcodes: Named<Vec<Rcode>> = vec![Rcode::NOERROR].into(),
        /// Rules for the records of the answer section.
        pub validate_answer_rrs: RecordRules => RecordRules,
        /// Rules for the records of the authority section.
        pub validate_authority_rrs: RecordRules => RecordRules,
        /// Rules for the records of the additional section.
        pub validate_additional_rrs: RecordRules => RecordRules,
    }
    check Self::check;
}

/// The transport protocol of a query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP, with or without TLS.
    Tcp,
    /// UDP.
    #[default]
    Udp,
}

section! {
    /// Rules for the records of one section, as patterns over their text: name, time to live, class,
    /// type and data, separated by tabs.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RecordRules {
        /// Fails if a record matches any of the patterns. An empty section passes.
        pub fail_if_matches_regexp: Vec<Named<Regexp>>,
        /// Fails unless every record matches all patterns, which is the opposite of the name, as in
        /// blackbox_exporter. An empty section passes.
        pub fail_if_all_match_regexp: Vec<Named<Regexp>>,
        /// Fails unless every record matches all patterns. An empty section fails.
        pub fail_if_not_matches_regexp: Vec<Named<Regexp>>,
        /// Fails if no record matches any of the patterns. An empty section fails.
        pub fail_if_none_matches_regexp: Vec<Named<Regexp>>,
    }
}

impl RecordRules {
    /// Returns warnings about the patterns.
    fn warnings(&self) -> impl Iterator<Item = Warning> {
        let lists = [
            ("fail_if_matches_regexp", &self.fail_if_matches_regexp),
            ("fail_if_all_match_regexp", &self.fail_if_all_match_regexp),
            ("fail_if_not_matches_regexp", &self.fail_if_not_matches_regexp),
            ("fail_if_none_matches_regexp", &self.fail_if_none_matches_regexp),
        ];
        lists.into_iter().flat_map(|(key, patterns)| {
            let warnings = patterns.iter().enumerate().filter_map(|(index, pattern)| {
                // OPT records have several lines.
                Some((index, pattern.warning(Subject::Text)?))
            });
            warnings.map(move |(index, warning)| Warning::at((key, index), warning))
        })
    }
}

/// The form of `query_class` and `query_type`: an empty text means the default.
struct EmptyIsDefault;

/// The form of `query_name`.
struct NameText;

impl DnsProber {
    fn check(&mut self) -> Result<(), RuleError> {
        if self.query_name.as_str().is_empty() {
            let message = "query name must be set for DNS module";
            return Err(RuleError::new(message).involving(["query_name"]));
        }
        if self.dns_over_tls && self.transport_protocol != Transport::Tcp {
            let message = "DNS over TLS requires TCP; set transport_protocol to tcp";
            let error = RuleError::at("dns_over_tls", message);
            return Err(error.involving(["transport_protocol"]));
        }
        Ok(())
    }
}

impl ProberSettings for DnsProber {
    fn checks(&self) -> Vec<CheckName> {
        self.check_names()
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<_> = self.ip.preferred_ip_protocol.warning().into_iter().collect();
        if self.query_name.as_str().is_empty() {
            let message = "without a dns section, the probe queries the root name '.' with type \
                           ANY; set query_name";
            warnings.push(Warning::new(message));
        }
        if self.valid_rcodes.is_empty() {
            let message = "the list is empty, so every probe fails";
            warnings.push(Warning::at("valid_rcodes", message));
        }
        warnings.extend(self.query_warnings());
        for (section, rules) in [
            ("validate_answer_rrs", &self.validate_answer_rrs),
            ("validate_authority_rrs", &self.validate_authority_rrs),
            ("validate_additional_rrs", &self.validate_additional_rrs),
        ] {
            warnings.extend(rules.warnings().map(|warning| warning.inside(section)));
        }
        let unused = (!self.dns_over_tls).then_some("'dns_over_tls: true'");
        let tls = self.tls_config.settings().warnings(unused).into_iter();
        warnings.extend(tls.map(|warning| warning.inside("tls_config")));
        warnings.extend(ip::source_address_warning(self.source_ip_address, &self.ip));
        warnings
    }

    fn explain(&self, words: &mut Explanation) {
        self.explain_probe(words);
    }
}

impl<'de> Deserialize<'de> for Transport {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "" | "udp" => Ok(Self::Udp),
            "tcp" => Ok(Self::Tcp),
            other => Err(de::Error::custom(format!(
                "transport protocol '{other}' is not valid; write udp or tcp"
            ))),
        }
    }
}

impl Form<RecordClass> for EmptyIsDefault {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RecordClass, D::Error> {
        text_or(RecordClass::IN, deserializer)
    }

    fn write<S: Serializer>(class: &RecordClass, serializer: S) -> Result<S::Ok, S::Error> {
        class.serialize(serializer)
    }
}

impl Form<RecordType> for EmptyIsDefault {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RecordType, D::Error> {
        text_or(RecordType::ANY, deserializer)
    }

    fn write<S: Serializer>(kind: &RecordType, serializer: S) -> Result<S::Ok, S::Error> {
        kind.serialize(serializer)
    }
}

/// Reads a text; an empty one means `default`.
fn text_or<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    default: T,
    deserializer: D,
) -> Result<T, D::Error> {
    match String::deserialize(deserializer)? {
        text if text.is_empty() => Ok(default),
        text => T::deserialize(de::value::StringDeserializer::new(text)),
    }
}

impl Form<QueryName> for NameText {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<QueryName, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(QueryName::default());
        }
        QueryName::new(&text)
            .map_err(|what| de::Error::custom(format!("query name '{text}' {what}")))
    }

    fn write<S: Serializer>(name: &QueryName, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> Result<DnsProber, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_those_of_upstream() {
        let prober =
            parse(json!({"query_name": "a", "query_type": "", "query_class": ""})).unwrap();
        assert_eq!(
            prober,
            DnsProber { query_name: QueryName::new("a").unwrap(), ..DnsProber::default() }
        );
        let empty = parse(json!({"query_name": "a", "valid_rcodes": []})).unwrap();
        assert!(empty.valid_rcodes.is_empty());
    }

    #[test]
    fn invalid_queries_are_rejected() {
        let long = "a".repeat(64);
        for (value, expected) in [
            (json!({}), "query name must be set for DNS module".to_owned()),
            (
                json!({"query_name": "a", "dns_over_tls": true}),
                "dns_over_tls: DNS over TLS requires TCP; set transport_protocol to tcp".to_owned(),
            ),
            (
                json!({"query_name": "a", "transport_protocol": "TCP"}),
                "transport protocol 'TCP' is not valid; write udp or tcp".to_owned(),
            ),
            (
                json!({"query_name": "a", "query_type": "TYPE65"}),
                "query type 'TYPE65' is not valid".to_owned(),
            ),
            (json!({"query_name": "a..b"}), "query name 'a..b' has an empty label".to_owned()),
            (
                json!({"query_name": long}),
                format!("query name '{long}' has a label of more than 63 bytes"),
            ),
        ] {
            assert_eq!(parse(value.clone()).unwrap_err(), expected, "{value}");
        }
    }
}
