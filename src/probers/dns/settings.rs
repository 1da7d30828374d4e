//! The section `dns`.

use std::net::IpAddr;

use dns_text::{QueryName, Rcode, RecordClass, RecordType};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{
    net::tls::TlsClient,
    settings::{
        ip::{self, IpSettings, PreferredIpProtocol},
        named::Named,
        regexp::{Regexp, Subject},
        rule::{RuleError, Warning},
    },
};

/// Asks one question and checks the answer's code and records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "DnsKeys", into = "DnsKeys")]
pub struct DnsProber {
    /// Which address of the server is probed.
    pub ip: IpSettings,
    /// Whether the question goes over TLS, which needs TCP.
    pub dns_over_tls: bool,
    /// How TLS is spoken.
    pub tls_config: TlsClient,
    /// The address to ask from.
    pub source_ip_address: Option<IpAddr>,
    /// What carries the question.
    pub transport_protocol: Transport,
    /// The class that is asked for.
    pub query_class: RecordClass,
    /// The name that is asked for; the root when there is no section `dns`.
    pub query_name: QueryName,
    /// The type that is asked for.
    pub query_type: RecordType,
    /// Whether the server is asked to look further.
    pub recursion_desired: bool,
    /// The codes that the answer may have; an empty list means that none will do.
    pub valid_rcodes: Named<Vec<Rcode>>,
    /// Rules over the records of the answer section.
    pub validate_answer_rrs: RecordRules,
    /// Rules over the records of the authority section.
    pub validate_authority_rrs: RecordRules,
    /// Rules over the records of the additional section.
    pub validate_additional_rrs: RecordRules,
}

/// What carries a question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP, and TLS on it.
    Tcp,
    /// UDP.
    #[default]
    Udp,
}

/// Rules over the records of one section, as patterns over their presentation text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordRules {
    /// Fails when a record matches one of these.
    pub fail_if_matches_regexp: Vec<Named<Regexp>>,
    /// Fails when not all records match all of these: the opposite of what the key says, as
    /// upstream has it.
    pub fail_if_all_match_regexp: Vec<Named<Regexp>>,
    /// Fails when a record does not match one of these.
    pub fail_if_not_matches_regexp: Vec<Named<Regexp>>,
    /// Fails when no record matches any of these.
    pub fail_if_none_matches_regexp: Vec<Named<Regexp>>,
}

impl RecordRules {
    /// Why patterns cannot mean what they say, each reason after its place.
    fn doubts(&self) -> impl Iterator<Item = Warning> {
        let lists = [
            ("fail_if_matches_regexp", &self.fail_if_matches_regexp),
            ("fail_if_all_match_regexp", &self.fail_if_all_match_regexp),
            ("fail_if_not_matches_regexp", &self.fail_if_not_matches_regexp),
            ("fail_if_none_matches_regexp", &self.fail_if_none_matches_regexp),
        ];
        lists.into_iter().flat_map(|(key, patterns)| {
            let doubts = patterns.iter().enumerate().filter_map(|(index, pattern)| {
                // OPT records have several lines.
                Some((index, pattern.warning(Subject::Text)?))
            });
            doubts.map(move |(index, doubt)| Warning::at((key, index), doubt))
        })
    }
}

/// The section as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DnsKeys {
    preferred_ip_protocol: PreferredIpProtocol,
    ip_protocol_fallback: bool,
    dns_over_tls: bool,
    tls_config: TlsClient,
    #[serde(deserialize_with = "ip::source_address")]
    source_ip_address: Option<IpAddr>,
    transport_protocol: Transport,
    #[serde(deserialize_with = "query_class")]
    query_class: RecordClass,
    query_name: String,
    #[serde(deserialize_with = "query_type")]
    query_type: RecordType,
    recursion_desired: bool,
    valid_rcodes: Named<Vec<Rcode>>,
    validate_answer_rrs: RecordRules,
    validate_authority_rrs: RecordRules,
    validate_additional_rrs: RecordRules,
}

impl Default for DnsProber {
    fn default() -> Self {
        Self {
            ip: IpSettings::default(),
            dns_over_tls: false,
            tls_config: TlsClient::default(),
            source_ip_address: None,
            transport_protocol: Transport::default(),
            query_class: RecordClass::IN,
            query_name: QueryName::default(),
            query_type: RecordType::ANY,
            recursion_desired: true,
            valid_rcodes: vec![Rcode::NOERROR].into(),
            validate_answer_rrs: RecordRules::default(),
            validate_authority_rrs: RecordRules::default(),
            validate_additional_rrs: RecordRules::default(),
        }
    }
}

impl DnsProber {
    /// What is surprising about the settings.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<_> = self.ip.preferred_ip_protocol.warning().into_iter().collect();
        if self.query_name.as_str().is_empty() {
            let message = "without a section dns the probe asks for the root name '.' and type ANY";
            warnings.push(Warning::new(message));
        }
        if self.valid_rcodes.is_empty() {
            let message = "the list is empty, so no answer is ever valid";
            warnings.push(Warning::at("valid_rcodes", message));
        }
        warnings.extend(self.doubts());
        for (section, rules) in [
            ("validate_answer_rrs", &self.validate_answer_rrs),
            ("validate_authority_rrs", &self.validate_authority_rrs),
            ("validate_additional_rrs", &self.validate_additional_rrs),
        ] {
            warnings.extend(rules.doubts().map(|doubt| doubt.inside(section)));
        }
        warnings
    }
}

impl Default for DnsKeys {
    fn default() -> Self {
        DnsProber::default().into()
    }
}

impl TryFrom<DnsKeys> for DnsProber {
    type Error = RuleError;

    fn try_from(keys: DnsKeys) -> Result<Self, RuleError> {
        if keys.query_name.is_empty() {
            let message = "query name must be set for DNS module";
            return Err(RuleError::new(message).involving(["query_name"]));
        }
        let query_name = QueryName::new(&keys.query_name).map_err(|what| {
            RuleError::at("query_name", format!("query name '{}' {what}", keys.query_name))
        })?;
        if keys.dns_over_tls && keys.transport_protocol != Transport::Tcp {
            let message = "DNS over TLS needs TCP: set transport_protocol to tcp";
            let error = RuleError::at("dns_over_tls", message);
            return Err(error.involving(["transport_protocol"]));
        }
        Ok(Self {
            ip: IpSettings {
                preferred_ip_protocol: keys.preferred_ip_protocol,
                ip_protocol_fallback: keys.ip_protocol_fallback,
            },
            dns_over_tls: keys.dns_over_tls,
            tls_config: keys.tls_config,
            source_ip_address: keys.source_ip_address,
            transport_protocol: keys.transport_protocol,
            query_class: keys.query_class,
            query_name,
            query_type: keys.query_type,
            recursion_desired: keys.recursion_desired,
            valid_rcodes: keys.valid_rcodes,
            validate_answer_rrs: keys.validate_answer_rrs,
            validate_authority_rrs: keys.validate_authority_rrs,
            validate_additional_rrs: keys.validate_additional_rrs,
        })
    }
}

impl From<DnsProber> for DnsKeys {
    fn from(prober: DnsProber) -> Self {
        Self {
            preferred_ip_protocol: prober.ip.preferred_ip_protocol,
            ip_protocol_fallback: prober.ip.ip_protocol_fallback,
            dns_over_tls: prober.dns_over_tls,
            tls_config: prober.tls_config,
            source_ip_address: prober.source_ip_address,
            transport_protocol: prober.transport_protocol,
            query_class: prober.query_class,
            query_name: prober.query_name.as_str().to_owned(),
            query_type: prober.query_type,
            recursion_desired: prober.recursion_desired,
            valid_rcodes: prober.valid_rcodes,
            validate_answer_rrs: prober.validate_answer_rrs,
            validate_authority_rrs: prober.validate_authority_rrs,
            validate_additional_rrs: prober.validate_additional_rrs,
        }
    }
}

impl<'de> Deserialize<'de> for Transport {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "" | "udp" => Ok(Self::Udp),
            "tcp" => Ok(Self::Tcp),
            other => Err(de::Error::custom(format!(
                "transport protocol '{other}' is not valid: it is udp or tcp"
            ))),
        }
    }
}

/// Reads `query_class`; an empty text means the default.
fn query_class<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RecordClass, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" => Ok(RecordClass::IN),
        name => RecordClass::deserialize(de::value::StrDeserializer::new(name)),
    }
}

/// Reads `query_type`; an empty text means the default.
fn query_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RecordType, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" => Ok(RecordType::ANY),
        name => RecordType::deserialize(de::value::StrDeserializer::new(name)),
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
    fn defaults_are_upstreams() {
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
    fn what_cannot_be_asked_is_refused() {
        let long = "a".repeat(64);
        for (value, expected) in [
            (json!({}), "query name must be set for DNS module".to_owned()),
            (
                json!({"query_name": "a", "dns_over_tls": true}),
                "dns_over_tls: DNS over TLS needs TCP: set transport_protocol to tcp".to_owned(),
            ),
            (
                json!({"query_name": "a", "transport_protocol": "TCP"}),
                "transport protocol 'TCP' is not valid: it is udp or tcp".to_owned(),
            ),
            (
                json!({"query_name": "a", "query_type": "TYPE65"}),
                "query type 'TYPE65' is not valid".to_owned(),
            ),
            (
                json!({"query_name": "a..b"}),
                "query_name: query name 'a..b' has an empty label".to_owned(),
            ),
            (
                json!({"query_name": long}),
                format!("query_name: query name '{long}' has a label of more than 63 bytes"),
            ),
        ] {
            assert_eq!(parse(value.clone()).unwrap_err(), expected, "{value}");
        }
    }
}
