//! Addresses that replace those of a name.

use std::str::FromStr;

use super::{address::Address, hosts::key};
use crate::settings::host_name;

/// The addresses of a name for connections to one port, in the form of `--resolve` of curl:
/// `HOST:PORT:ADDRESS[,ADDRESS]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The key of the name, as in a hosts file.
    host: String,
    port: u16,
    addresses: Vec<Address>,
}

/// Example in errors.
const FORM: &str = "write HOST:PORT:ADDRESS, such as example.org:443:192.0.2.1 or \
                    example.org:443:[2001:db8::1]";

impl Pin {
    /// Returns the addresses for connections to `port` of `host`. A target without a port, as of an
    /// echo request, has those for any port.
    pub(super) fn find<'p>(
        pins: &'p [Self],
        host: &str,
        port: Option<u16>,
    ) -> Option<&'p [Address]> {
        if pins.is_empty() {
            return None;
        }
        let host = key(host);
        let found =
            pins.iter().find(|pin| pin.host == host && port.is_none_or(|port| port == pin.port));
        found.map(|pin| pin.addresses.as_slice())
    }
}

impl FromStr for Pin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let (Some(host), Some(port), Some(addresses)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(FORM.to_owned());
        };
        let port = port.parse().map_err(|_| format!("'{port}' is not a port; {FORM}"))?;
        if Address::literal(host).is_some() {
            return Err(format!("'{host}' is an address, not a name; {FORM}"));
        }
        host_name::check(host).map_err(|error| format!("{}; {FORM}", error.message(host)))?;
        let address = |text: &str| {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
            let address = Address::literal(bare.unwrap_or(text)).and_then(Result::ok);
            address.ok_or_else(|| format!("'{text}' is not an IP address; {FORM}"))
        };
        let addresses = addresses.split(',').map(address).collect::<Result<_, _>>()?;
        Ok(Self { host: key(host), port, addresses })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pins: &[&str], host: &str, port: Option<u16>) -> Option<String> {
        let pins: Vec<Pin> = pins.iter().map(|text| text.parse().unwrap()).collect();
        let addresses = Pin::find(&pins, host, port)?;
        Some(addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_pin_is_for_one_name_and_one_port() {
        let pins = ["Web.example:443:192.0.2.1,[2001:db8::1]", "web.example.:80:2001:db8::2"];
        let both = Some("192.0.2.1 2001:db8::1".to_owned());
        assert_eq!(found(&pins, "WEB.example.", Some(443)), both);
        assert_eq!(found(&pins, "web.example", Some(80)).as_deref(), Some("2001:db8::2"));
        assert_eq!(found(&pins, "web.example", Some(8080)), None);
        assert_eq!(found(&pins, "www.web.example", Some(443)), None);
        assert_eq!(found(&pins, "web.example", None), both, "an echo request has no port");
    }

    #[test]
    fn errors_show_the_form() {
        for text in [
            "",
            "h",
            "h:443",
            "h:443:",
            "h:x:192.0.2.1",
            "h:443:other.example",
            "h:443:1.2.3.4,",
            "192.0.2.1:443:192.0.2.2",
            "*:443:192.0.2.1",
            "https://h:443:192.0.2.1",
            ":443:::1",
        ] {
            let error = text.parse::<Pin>().unwrap_err();
            assert!(error.contains("HOST:PORT:ADDRESS"), "{text}: {error}");
        }
    }
}
