//! Describes the settings of the http prober in plain text.

use crate::{
    probers::http::{
        HeaderMatcher, HttpProber, connection_headers::asks_for_upgrade, redirects::MAX_REDIRECTS,
    },
    settings::{
        explain::{Explanation, Redirects, ServerName, Topic, any_of, header, quoted},
        regexp::Regexp,
    },
};

impl HttpProber {
    /// Describes a probe in plain text.
    pub(super) fn explain_probe(&self, words: &mut Explanation) {
        let scheme = if self.enable_http3 { "https://" } else { "http://" };
        let text = format!("A URL; without a scheme, {scheme} is assumed.");
        words.say(Topic::Target, text);
        if self.leaves_name_to_proxy() {
            words.say(Topic::Address, "The proxy resolves the name.");
        } else {
            self.ip.explain(words);
        }
        self.client.proxy.explain(words);
        self.explain_tls(words);
        self.explain_request(words);
        self.explain_checks(words);
        let text = "DNS failure, connection refused, TLS error, invalid or incomplete HTTP \
                    response, or timeout.";
        words.say(Topic::Fails, text);
    }

    fn explain_tls(&self, words: &mut Explanation) {
        let start = "For https:// URLs";
        let host = self.headers.find("Host").map(|(_, host)| host);
        let name = host.map_or(ServerName::HostOrHostname, ServerName::Header);
        if self.enable_http3 {
            words.say(Topic::Tls, "HTTP/3, over QUIC with TLS 1.3.");
            self.tls_client.settings().explain("Always", name, words);
        } else {
            self.tls_client.settings().explain(start, name, words);
            if self.asks_for_upgrade() {
                let text = "HTTP/2 is not offered: the headers Connection and Upgrade request \
                            another protocol, and only HTTP/1.1 can switch protocols.";
                words.say(Topic::Tls, text);
            } else if self.client.enable_http2 {
                words.say_default(Topic::Tls, "HTTP/2 and HTTP/1.1 are offered over TLS.");
            } else {
                words.say(Topic::Tls, "HTTP/2 is not offered.");
            }
        }
    }

    /// Returns whether headers request another protocol. Headers from files are not known here.
    fn asks_for_upgrade(&self) -> bool {
        let configured = self.headers.iter().map(|(name, value)| (name, value.as_bytes()));
        let added = self.client.http_headers.iter().flat_map(|(name, values)| {
            values.values.iter().map(move |value| (name, value.as_bytes()))
        });
        asks_for_upgrade(configured.chain(added))
    }

    fn explain_request(&self, words: &mut Explanation) {
        let topic = Topic::Sends;
        let default = Self::default();
        words.say_of(self.method == default.method, topic, format!("The method {}.", self.method));
        for (name, value) in self.headers.iter() {
            words.say(topic, format!("The header {}.", header(name, value)));
        }
        self.client.explain_additions(words);
        match (self.body_file.as_str(), self.body.is_empty()) {
            ("", true) => words.say_default(topic, "No body."),
            ("", false) => words.say(topic, format!("The body {}.", quoted(&self.body))),
            (file, _) => {
                words.say(topic, format!("The body from {file}, read at each probe."));
            }
        }
        self.client.explain_redirects(Redirects(MAX_REDIRECTS), words);
    }

    fn explain_checks(&self, words: &mut Explanation) {
        let codes: Vec<_> = self.valid_status_codes.iter().map(i64::to_string).collect();
        let text = match codes.as_slice() {
            [] => "The status code is 200 to 299.".to_owned(),
            codes => format!("The status code is {}.", any_of(codes)),
        };
        words.check(codes.is_empty(), self.valid_status_codes.name.as_ref(), text);
        for rule in &self.fail_if_header_matches {
            words.check(false, rule.name.as_ref(), rule.explain("must not match"));
        }
        for rule in &self.fail_if_header_not_matches {
            words.check(false, rule.name.as_ref(), rule.explain("matches"));
        }
        if let Some(limit) = self.body_size_limit.limit() {
            let text = format!("The decompressed body has at most {limit} bytes.");
            words.check(false, None, text);
        }
        if let Some(compression) = &self.compression {
            words.check(false, None, format!("The body is compressed with {compression}."));
        }
        self.explain_body_checks(words);
        let versions = &self.valid_http_versions;
        let text = match versions.as_slice() {
            [] => "Any HTTP version is accepted.".to_owned(),
            versions => format!("The HTTP version is {}.", any_of(versions)),
        };
        words.check(versions.is_empty(), versions.name.as_ref(), text);
        if *self.fail_if_ssl {
            let text = "The final URL must not use https.";
            words.check(false, self.fail_if_ssl.name.as_ref(), text);
        }
        if *self.fail_if_not_ssl {
            let text = "The final URL must use https.";
            words.check(false, self.fail_if_not_ssl.name.as_ref(), text);
        }
    }

    fn explain_body_checks(&self, words: &mut Explanation) {
        for pattern in &self.fail_if_body_matches_regexp {
            let text = format!("The body must not match {}.", in_quotes(pattern));
            words.check(false, pattern.name.as_ref(), text);
        }
        for pattern in &self.fail_if_body_not_matches_regexp {
            let text = format!("The body matches {}.", in_quotes(pattern));
            words.check(false, pattern.name.as_ref(), text);
        }
        for (program, verdict) in [
            (&self.fail_if_body_json_matches_cel, "false"),
            (&self.fail_if_body_json_not_matches_cel, "true"),
        ] {
            if let Some(program) = program {
                let text = format!("The body is JSON for which '{}' is {verdict}.", **program);
                words.check(false, program.name.as_ref(), text);
            }
        }
    }
}

impl HeaderMatcher {
    fn explain(&self, relation: &str) -> String {
        let missing = if self.allow_missing { "may be missing" } else { "is present" };
        let (header, pattern) = (&self.header, self.pattern());
        format!("The header {header} {missing}, and {relation} '{pattern}'.")
    }
}

fn in_quotes(pattern: &Regexp) -> String {
    format!("'{}'", pattern.as_str())
}
