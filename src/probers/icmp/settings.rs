//! The section `icmp`.

use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serializer, de};

use crate::{
    probers::ProberSettings,
    settings::{
        explain::{Explanation, Topic},
        ip::{self, IpSettings, SourceAddress},
        rule::Warning,
        section::{Form, section},
    },
};

section! {
    /// Settings of the icmp prober, which sends one echo request and waits for the reply.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct IcmpProber {
        /// Choice of the address of the target.
        #[key(group)]
        pub ip: IpSettings,
        /// Address to send from.
        pub source_ip_address: Option<IpAddr> as SourceAddress,
        /// Payload size in bytes; 0 sends the default text of 28 bytes.
        pub payload_size: Option<usize> as PayloadSize,
        /// Sets the flag DF, so that routers do not fragment the request (IPv4).
        pub dont_fragment: bool,
        /// TTL or hop limit of the request, at most 255; 0 means the default of the system.
        pub ttl: Option<u8> as Ttl = Some(DEFAULT_TTL),
    }
}

/// Default time to live, in routers.
const DEFAULT_TTL: u8 = 64;

/// Maximum number of bytes after the ICMP header of an IPv6 packet.
const MAX_PAYLOAD: i64 = 65_527;

/// The form of `ttl`: 0 means none.
struct Ttl;

/// The form of `payload_size`: 0 means none.
struct PayloadSize;

impl ProberSettings for IcmpProber {
    fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<_> = self.ip.preferred_ip_protocol.warning().into_iter().collect();
        if let Some(size) = self.payload_size.filter(|size| *size > MAX_PAYLOAD_IPV4) {
            let message =
                format!("{size} bytes exceed {MAX_PAYLOAD_IPV4} bytes, the maximum for IPv4");
            warnings.push(Warning::at("payload_size", message));
        }
        warnings.extend(ip::source_address_warning(self.source_ip_address, &self.ip));
        warnings
    }

    fn explain(&self, words: &mut Explanation) {
        let default = Self::default();
        words.say(Topic::Target, "A host name or an IP address.");
        self.ip.explain(words);
        words.source_address(self.source_ip_address);
        let payload = match self.payload_size {
            Some(size) => format!("One echo request with {size} bytes of payload."),
            None => "One echo request with a short text as its payload.".to_owned(),
        };
        words.say_of(self.payload_size == default.payload_size, Topic::Sends, payload);
        let ttl = match self.ttl {
            Some(1) => "It passes no router (TTL 1).".to_owned(),
            Some(ttl) => format!("It passes at most {} routers (TTL {ttl}).", ttl - 1),
            None => "The default TTL of the system.".to_owned(),
        };
        words.say_of(self.ttl == default.ttl, Topic::Sends, ttl);
        if self.dont_fragment {
            words.say(Topic::Sends, "Over IPv4, routers must not fragment the request.");
        }
        words.say(
            Topic::Checks,
            "The reply must come from the probed address and contain the sent payload.",
        );
        let text = "A router or the host reports that the request was not delivered, or timeout.";
        words.say(Topic::Fails, text);
    }
}

/// Maximum number of bytes after the ICMP header of an IPv4 packet of 65,535 bytes.
const MAX_PAYLOAD_IPV4: usize = 65_535 - 20 - 8;

impl Form<Option<u8>> for Ttl {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
        let ttl = number(deserializer, "ttl", u8::MAX.into())?;
        Ok(u8::try_from(ttl).ok().filter(|ttl| *ttl > 0))
    }

    fn write<S: Serializer>(ttl: &Option<u8>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(ttl.unwrap_or_default())
    }
}

impl Form<Option<usize>> for PayloadSize {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
        let size = number(deserializer, "payload_size", MAX_PAYLOAD)?;
        Ok(usize::try_from(size).ok().filter(|size| *size > 0))
    }

    fn write<S: Serializer>(size: &Option<usize>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(size.unwrap_or_default().try_into().unwrap_or_default())
    }
}

/// Reads a number from 0 to `max`.
fn number<'de, D: Deserializer<'de>>(
    deserializer: D,
    key: &str,
    max: i64,
) -> Result<i64, D::Error> {
    let number = i64::deserialize(deserializer)?;
    if number < 0 {
        return Err(de::Error::custom(format!("\"{key}\" cannot be negative")));
    }
    if number > max {
        return Err(de::Error::custom(format!("\"{key}\" cannot exceed {max}")));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> Result<IcmpProber, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn zero_means_the_default_of_the_system() {
        let prober = parse(json!({"ttl": 0, "payload_size": 0})).unwrap();
        assert_eq!((prober.ttl, prober.payload_size), (None, None));
        assert_eq!(parse(json!({})).unwrap(), IcmpProber::default());
    }

    #[test]
    fn values_out_of_range_are_rejected() {
        for (value, expected) in [
            (json!({"ttl": -1}), "\"ttl\" cannot be negative"),
            (json!({"ttl": 256}), "\"ttl\" cannot exceed 255"),
            (json!({"payload_size": -1}), "\"payload_size\" cannot be negative"),
            (json!({"payload_size": 65_528}), "\"payload_size\" cannot exceed 65527"),
            (
                json!({"source_ip_address": "localhost"}),
                "'localhost' is not an IP address; write for example 192.0.2.1 or 2001:db8::1",
            ),
        ] {
            assert_eq!(parse(value.clone()).unwrap_err(), expected, "{value}");
        }
    }
}
