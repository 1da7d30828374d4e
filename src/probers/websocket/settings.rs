//! The section `websocket`.

use crate::{
    diagnostics::CheckName,
    net::tls::TlsClient,
    probers::{
        ProberSettings,
        query_response::{QueryResponse, Step},
    },
    settings::{
        explain::{Explanation, ServerName, Topic},
        header,
        http_client::{AddedHeaders, HeaderValues, HttpClientSettings},
        ip::IpSettings,
        regexp::Subject,
        rule::{KeyPath, RuleError, Warning},
        secret::is_secret_name,
        section::section,
    },
};

section! {
    /// Settings of the websocket prober, which upgrades a connection and does a dialogue if one is
    /// configured.
    #[derive(Debug, Clone, PartialEq)]
    pub struct WebsocketProber {
        /// HTTP client settings; only `basic_auth`, `authorization`, the bearer keys and
        /// `tls_config` take effect. A credentials file that cannot be read is treated as empty.
        pub http_config: HttpClientSettings => HttpClientSettings,
        /// Request headers. `Upgrade`, `Connection`, `Sec-WebSocket-Key` and `Sec-WebSocket-Version`
        /// are rejected.
        pub headers: AddedHeaders => HeaderValues,
        /// Steps of the dialogue; without any, the probe succeeds once the server accepts the
        /// upgrade. Each step expects or sends one message.
        pub query_response: QueryResponse => Step,
        /// The address family to prefer.
        #[key(group)]
        pub ip: IpSettings,
        /// The TLS client, made from `tls_config` of `http_config`.
        #[key(built)]
        pub tls_client: TlsClient,
    }
    check Self::check;
}

/// Headers that the prober sets itself.
const RESERVED: [&str; 4] = ["Connection", "Sec-Websocket-Key", "Sec-Websocket-Version", "Upgrade"];

impl WebsocketProber {
    fn check(&mut self) -> Result<(), RuleError> {
        self.tls_client = TlsClient::try_from(self.http_config.tls_config.clone())
            .map_err(|error| error.inside(["http_config", "tls_config"]))?;
        Ok(())
    }
}

impl ProberSettings for WebsocketProber {
    fn sends_credentials(&self) -> bool {
        self.http_config.has_credentials()
            || self.headers.iter().any(|(name, _)| is_secret_name(name))
    }

    /// Rejects headers that the prober sets itself, and invalid ones.
    fn check_use(&self) -> Result<(), RuleError> {
        for (name, values) in self.headers.iter() {
            let place = KeyPath::from(["headers", name]);
            let canonical = header::canonical(name);
            if RESERVED.contains(&canonical.as_str()) {
                let message = format!("the prober sets the header '{canonical}' itself; remove it");
                return Err(RuleError::at(place, message));
            }
            values.check(name, &place)?;
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<_> = self.ip.preferred_ip_protocol.warning().into_iter().collect();
        let HttpClientSettings { oauth2, proxy, http_headers, .. } = &self.http_config;
        for (key, is_set, instead) in [
            ("oauth2", oauth2.is_some(), ""),
            ("proxy_url", proxy.proxy_url.is_some(), ""),
            ("proxy_from_environment", proxy.proxy_from_environment, ""),
            ("http_headers", http_headers.iter().next().is_some(), "; use headers"),
        ] {
            if is_set {
                let message = format!("no effect in the websocket prober{instead}");
                warnings.push(Warning::at(["http_config", key], message));
            }
        }
        for (index, step) in self.query_response.steps().iter().enumerate() {
            for (key, is_set) in [
                ("expect_bytes", !step.expect_bytes.is_empty()),
                ("labels", !step.labels.is_empty()),
                ("starttls", step.starttls),
                ("skip_newline_on_send", step.skip_newline_on_send),
            ] {
                if is_set {
                    let path = KeyPath::from("query_response").index(index).key(key);
                    warnings.push(Warning::at(path, "no effect in the websocket prober"));
                }
            }
        }
        if self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Extensions"))
        {
            let message = "the server may select an extension, and the prober supports none; \
                           remove Sec-WebSocket-Extensions";
            warnings.push(Warning::at("headers", message));
        }
        let tls = self.tls_client.settings().warnings(None).into_iter();
        warnings.extend(tls.map(|warning| warning.inside(["http_config", "tls_config"])));
        warnings.extend(self.query_response.warnings(Subject::Text));
        warnings
    }

    fn checks(&self) -> Vec<CheckName> {
        self.query_response.checks()
    }

    fn explain(&self, words: &mut Explanation) {
        let text = "A URL with ws:// or wss://; the default port is 80 or 443.";
        words.say(Topic::Target, text);
        self.ip.explain(words);
        let start = "For wss:// URLs";
        self.tls_client.settings().explain(start, ServerName::Host, words);
        words.say(Topic::Sends, "GET over HTTP/1.1 with a WebSocket upgrade.");
        for (name, values) in self.headers.iter() {
            words.say(Topic::Sends, format!("The header {}.", values.explain(name)));
        }
        self.http_config.explain_authorization(words);
        words.say(Topic::Checks, "The server accepts the upgrade (101).");
        self.query_response.explain("message", words);
        let text = "Connection refused, connection closed early, or timeout.";
        words.say(Topic::Fails, text);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: Value) -> WebsocketProber {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn reserved_and_invalid_headers_are_rejected() {
        for (headers, expected) in [
            (json!({"upgrade": {"values": ["h2c"]}}), "headers.upgrade: the prober sets"),
            (json!({"SEC-websocket-key": {}}), "headers.SEC-websocket-key: the prober sets"),
            (
                json!({"X": {"values": ["a", "b\nc"]}}),
                "headers.X.values[1]: the value of header 'X'",
            ),
            (json!({"a b": {}}), "headers.\"a b\": 'a b' is not a valid header name"),
        ] {
            let error = parse(json!({"headers": headers})).check_use().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let allowed = json!({"Host": {"values": ["a"]}, "Authorization": {"secrets": ["b"]}});
        assert_eq!(parse(json!({"headers": allowed})).check_use(), Ok(()));
    }

    #[test]
    fn keys_without_effect_cause_warnings() {
        let prober = parse(json!({
            "http_config": {
                "oauth2": {"client_id": "a", "token_url": "http://b"},
                "proxy_url": "http://c",
                "http_headers": {"X": {"values": ["d"]}},
            },
            "query_response": [
                {"expect": "a"},
                {"expect_bytes": "b", "starttls": true, "skip_newline_on_send": true},
                {"labels": [{"name": "c"}]},
            ],
            "headers": {"sec-websocket-extensions": {"values": ["permessage-deflate"]}},
            "preferred_ip_protocol": "ipv6",
        }));
        assert_eq!(prober.warnings().len(), 9, "{:?}", prober.warnings());
        assert!(WebsocketProber::default().warnings().is_empty());
    }
}
