//! Flags that change the module of one probe, with the names of curl.

use std::{path::Path, sync::Arc};

use clap::{Args, ValueHint};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::{
    config::{AnyProber, Module},
    net::resolve::Pin,
    probers::http::HttpProber,
    settings::{explain::any_of, file},
};

/// The flags. They change the module in memory, through the keys of a configuration file.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[expect(clippy::struct_excessive_bools, reason = "a switch of the command line is a bool")]
#[command(next_help_heading = "Changes of the module for this probe, as in curl")]
pub(in crate::cli) struct Adjustments {
    /// Do not verify the certificate
    #[arg(short = 'k', long)]
    insecure: bool,

    /// File with the trusted CAs, in place of those of the module or the system
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    cacert: Option<String>,

    /// Header of the request, for example 'Accept: text/html'; 'Accept:' removes the header of the
    /// module; can be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,

    /// Method of the request
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<String>,

    /// Body of the request, or @FILE; makes a GET a POST of a form; can be repeated
    #[arg(short, long, value_name = "DATA", allow_hyphen_values = true)]
    data: Vec<String>,

    /// Use IPv4 only
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    ipv4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long)]
    ipv6: bool,

    /// Use an address for a host and a port, as in example.org:443:192.0.2.1; the request and TLS keep
    /// the name; can be repeated
    #[arg(long = "resolve", value_name = "HOST:PORT:ADDRESS")]
    pub(super) pins: Vec<Pin>,

    /// Use HTTP/1.1
    #[arg(long = "http1.1", conflicts_with_all = ["http2", "http3"])]
    http1: bool,

    /// Offer HTTP/2, which is used over TLS if the server supports it
    #[arg(long, conflicts_with = "http3")]
    http2: bool,

    /// Use HTTP/3 only
    #[arg(long)]
    http3: bool,
}

/// Maximum size of a file with data in MiB.
const MAX_DATA_MIB: u64 = 64;

impl Adjustments {
    /// Returns the module `name` with the changes.
    pub(super) fn apply(&self, name: &str, module: Arc<Module>) -> Result<Arc<Module>, String> {
        self.check_prober(name, &module.prober)?;
        let data = self.read_data()?;
        let keys = self.keys(&module.prober, data.as_deref())?;
        if keys.is_empty() {
            return Ok(module);
        }
        let secrets = data.map(|data| secrets_of(&data)).unwrap_or_default();
        let changed = module.with_keys(Value::Object(keys), &secrets);
        changed.map(Arc::new).map_err(|error| format!("module {name} with these flags: {error}"))
    }

    /// Checks that each flag applies to the prober: that its section has the key of the flag.
    fn check_prober(&self, name: &str, prober: &AnyProber) -> Result<(), String> {
        let flags = [
            ("-k", self.insecure, TLS),
            ("--cacert", self.cacert.is_some(), TLS),
            ("-4", self.ipv4, FAMILY),
            ("-6", self.ipv6, FAMILY),
            ("--resolve", !self.pins.is_empty(), FAMILY),
            ("-H", !self.headers.is_empty(), METHOD),
            ("-X", self.method.is_some(), METHOD),
            ("-d", !self.data.is_empty(), METHOD),
            ("--http1.1", self.http1, METHOD),
            ("--http2", self.http2, METHOD),
            ("--http3", self.http3, METHOD),
        ];
        let is_wrong = |(_, is_given, key): &&(_, bool, &str)| *is_given && !has_key(prober, key);
        let Some((flag, _, key)) = flags.iter().find(is_wrong) else { return Ok(()) };
        let probers = AnyProber::all().into_iter().filter(|prober| has_key(prober, key));
        let probers: Vec<_> = probers.map(|prober| prober.name().to_owned()).collect();
        let (probers, used) = (any_of(&probers), prober.name());
        Err(format!("{flag} applies to {probers} modules; module {name} uses the prober {used}"))
    }

    /// Returns the keys of the prober's section with their new values.
    fn keys(&self, prober: &AnyProber, data: Option<&str>) -> Result<Map<String, Value>, String> {
        let mut keys = Map::new();
        let mut set = |key: &str, value: Value| drop(keys.insert(key.to_owned(), value));
        if self.insecure || self.cacert.is_some() {
            let mut tls = Map::new();
            if self.insecure {
                tls.insert("insecure_skip_verify".to_owned(), Value::Bool(true));
            }
            if let Some(file) = &self.cacert {
                tls.extend(
                    [("ca", ""), ("ca_file", file)]
                        .map(|(key, value)| (key.to_owned(), value.into())),
                );
            }
            match prober {
                AnyProber::Websocket(_) => set(HTTP_CONFIG, json!({ TLS: tls })),
                _ => set(TLS, Value::Object(tls)),
            }
        }
        if self.ipv4 || self.ipv6 {
            set(FAMILY, json!(if self.ipv4 { "ip4" } else { "ip6" }));
            set("ip_protocol_fallback", json!(false));
        }
        if self.http1 || self.http2 || self.http3 {
            set("enable_http2", json!(self.http2));
            set("enable_http3", json!(self.http3));
        }
        if let AnyProber::Http(http) = prober {
            self.set_http_keys(http, data, set)?;
        }
        Ok(keys)
    }

    /// Sets the keys that only modules of the http prober have.
    fn set_http_keys(
        &self,
        http: &HttpProber,
        data: Option<&str>,
        mut set: impl FnMut(&str, Value),
    ) -> Result<(), String> {
        let known = http.headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut headers: Vec<(String, String)> = known.collect();
        for header in &self.headers {
            change(&mut headers, header)?;
        }
        if let Some(data) = data {
            set("body", json!(data));
            set("body_file", json!(""));
            let is = |header: &str| header.eq_ignore_ascii_case("content-type");
            if !headers.iter().any(|(name, _)| is(name)) {
                headers.push(("Content-Type".to_owned(), FORM.to_owned()));
            }
            if http.method == http::Method::GET {
                set(METHOD, json!("POST"));
            }
        }
        if !self.headers.is_empty() || data.is_some() {
            let headers = headers.into_iter().map(|(name, value)| (name, value.into()));
            set("headers", Value::Object(headers.collect()));
        }
        if let Some(method) = &self.method {
            set(METHOD, json!(method));
        }
        Ok(())
    }

    /// Returns the body: the values of `-d`, joined as a form. Like curl, reads files without line
    /// breaks.
    fn read_data(&self) -> Result<Option<String>, String> {
        let read = |data: &String| {
            let Some(path) = data.strip_prefix('@') else { return Ok(data.clone()) };
            let file = if path == "-" { "/dev/stdin" } else { path };
            let bytes = file::read_stream(Path::new(file), MAX_DATA_MIB);
            let mut bytes = bytes.map_err(|error| format!("-d @{path}: {error}"))?;
            bytes.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
            let refused = "is not UTF-8; use the key body_file in a module";
            String::from_utf8(bytes).map_err(|_| format!("-d @{path}: {refused}"))
        };
        let data = self.data.iter().map(read).collect::<Result<Vec<_>, String>>()?;
        Ok(Some(data.join("&")).filter(|_| !self.data.is_empty()))
    }
}

const TLS: &str = "tls_config";
const FAMILY: &str = "preferred_ip_protocol";
const METHOD: &str = "method";

/// The key of the websocket prober that has `tls_config`.
const HTTP_CONFIG: &str = "http_config";

/// The content type of data without one.
const FORM: &str = "application/x-www-form-urlencoded";

fn has_key(prober: &AnyProber, key: &str) -> bool {
    let keys = prober.keys();
    keys.iter().any(|known| known.name == key || (known.name == HTTP_CONFIG && key == TLS))
}

/// Changes a header like curl: `Name: value` sets it, `Name:` removes it, `Name;` sets an empty
/// value. Errors do not contain the text, which can be a secret.
fn change(headers: &mut Vec<(String, String)>, text: &str) -> Result<(), String> {
    let (name, value) = match (text.split_once(':'), text.strip_suffix(';')) {
        (Some((name, value)), _) => (name.trim(), Some(value.trim()).filter(|it| !it.is_empty())),
        (None, Some(name)) => (name, Some("")),
        (None, None) => {
            let message = "a value of -H is not 'Name: value'; write it in quotes, for example -H \
                           'Accept: text/html'";
            return Err(message.to_owned());
        }
    };
    headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    // An empty user agent removes the default one.
    let is_agent = name.eq_ignore_ascii_case("user-agent");
    let value = value.or_else(|| is_agent.then_some(""));
    headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    Ok(())
}

/// Returns the texts of a body that can be secrets: all of it, and its values.
fn secrets_of(data: &str) -> Vec<String> {
    let mut secrets = vec![data.to_owned()];
    if let Ok(document) = serde_json::from_str(data) {
        collect_texts(&document, &mut secrets);
    } else {
        secrets
            .extend(form_urlencoded::parse(data.as_bytes()).map(|(_, value)| value.into_owned()));
        let written = data.split('&').filter_map(|pair| Some(pair.split_once('=')?.1.to_owned()));
        secrets.extend(written);
    }
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect_texts(value, texts)),
        Value::Object(values) => values.values().for_each(|value| collect_texts(value, texts)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::Config;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        adjustments: Adjustments,
    }

    /// Applies flags to the section of a module; returns its keys that are not the default.
    fn applied(module: &str, flags: &[&str]) -> Result<String, String> {
        let config = Config::parse(format!("modules: {{m: {module}}}"), "").unwrap();
        let line = Line::try_parse_from([&["probe"], flags].concat()).unwrap();
        let module = line.adjustments.apply("m", config.module("m").unwrap())?;
        Ok(module.to_yaml().replace('\n', " ").split_whitespace().collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn flags_set_the_keys_of_the_module_and_keep_the_others() {
        let http = "{prober: http, http: {headers: {accept: a, X-Old: b}, method: PUT, \
                    valid_status_codes: [200], tls_config: {server_name: h, ca_file: old.pem}}}";
        for (module, flags, expected) in [
            ("{prober: http}", &[][..], "prober: http"),
            (
                "{prober: http}",
                &["-k"],
                "prober: http http: tls_config: insecure_skip_verify: true",
            ),
            (
                "{prober: tcp, tcp: {tls: true, tls_config: {server_name: h}}}",
                &["-k", "--cacert=x.pem", "-4"],
                "prober: tcp tcp: preferred_ip_protocol: ip4 ip_protocol_fallback: false tls: true \
                 tls_config: ca_file: x.pem server_name: h insecure_skip_verify: true",
            ),
            (
                "{prober: websocket}",
                &["-k", "-6"],
                "prober: websocket websocket: http_config: tls_config: insecure_skip_verify: true \
                 preferred_ip_protocol: ip6 ip_protocol_fallback: false",
            ),
            (
                http,
                &["-H", "Accept: b", "-H", "x-old:", "-H", "X-New: c:d", "-H", "X-Empty;"],
                "prober: http http: valid_status_codes: - 200 method: PUT headers: Accept: b \
                 X-Empty: \"\" X-New: c:d tls_config: ca_file: old.pem server_name: h",
            ),
            (
                "{prober: http}",
                &["-d", "a=b", "-d", "-c"],
                "prober: http http: method: POST headers: Content-Type: \
                 application/x-www-form-urlencoded body: a=b&-c",
            ),
            (
                "{prober: http, http: {method: PUT, body_file: f, headers: {content-type: t}}}",
                &["-d", "{}"],
                "prober: http http: method: PUT headers: content-type: t body: '{}'",
            ),
            (
                "{prober: http}",
                &["-X", "DELETE", "-d", "a", "-H", "Content-Type: t", "-H", "User-Agent:"],
                "prober: http http: method: DELETE headers: Content-Type: t User-Agent: \"\" body: a",
            ),
            ("{prober: http}", &["--http1.1"], "prober: http http: enable_http2: false"),
            ("{prober: http, http: {enable_http2: false}}", &["--http2"], "prober: http"),
        ] {
            assert_eq!(applied(module, flags).as_deref(), Ok(expected), "{module} {flags:?}");
        }
        let kept = applied(http, &["--cacert", "x.pem"]).unwrap();
        assert!(kept.contains("ca_file: x.pem server_name: h"), "{kept}");
    }

    #[test]
    fn errors_name_the_flag_or_the_key() {
        for (module, flags, expected) in [
            (
                "{prober: tcp}",
                &["-X", "PUT"][..],
                "-X applies to http modules; module m uses the prober tcp",
            ),
            (
                "{prober: icmp}",
                &["-k"],
                "-k applies to http, tcp, dns, grpc, unix or websocket modules; module m uses the \
                 prober icmp",
            ),
            (
                "{prober: unix}",
                &["-4"],
                "-4 applies to http, tcp, icmp, dns, grpc or websocket modules; module m uses the \
                 prober unix",
            ),
            (
                "{prober: http}",
                &["-X", "GET IT"],
                "module m with these flags: http.method 'GET IT' is not valid; write a method such \
                 as GET",
            ),
            (
                "{prober: http, http: {proxy_url: 'http://h:1'}}",
                &["--http3"],
                "module m with these flags: http.proxy_url: HTTP/3 does not support proxies; remove \
                 the proxy, or use HTTP/2",
            ),
        ] {
            assert_eq!(applied(module, flags).unwrap_err(), expected);
        }
        for flags in [&["-H", "hunter2"], &["-H", "a b: hunter2"], &["-H", "a: hunter2\r"]] {
            let error = applied("{prober: http}", flags).err().unwrap_or_default();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn values_of_a_body_are_secrets() {
        for (data, secret) in [
            ("user=bob&password=hunter%202", "hunter 2"),
            ("user=bob&password=hunter%202", "hunter%202"),
            ("{\"a\": [{\"b\": \"hunter2\"}]}", "hunter2"),
            ("hunter2", "hunter2"),
        ] {
            assert!(secrets_of(data).iter().any(|found| found == secret), "{data}");
        }
        let config = Config::parse("modules: {m: {prober: http}}", "").unwrap();
        let line = Line::try_parse_from(["probe", "-d", "a=hunter2", "-H", "Authorization: x y"]);
        let module = line.unwrap().adjustments.apply("m", config.module("m").unwrap()).unwrap();
        let kept = "{m: {prober: http, http: {basic_auth: {username: u, password: old}}}}";
        let kept = Config::parse(format!("modules: {kept}"), "").unwrap().module("m").unwrap();
        let flags = Line::try_parse_from(["probe", "-k", "-d", "a"]).unwrap().adjustments;
        let kept = flags.apply("m", kept).unwrap();
        assert_eq!(kept.secrets(), ["old", "a"]);
        for secret in ["hunter2", "x y"] {
            assert!(module.secrets().iter().any(|known| known == secret), "{secret}");
        }
    }
}
