//! Keys of older versions of blackbox_exporter and of other tools, with their replacements.

use strict_yaml::Replacement;

const fn now(key: &'static str, advice: &'static str) -> Replacement {
    Replacement { key: Some(key), advice }
}

const fn instead(advice: &'static str) -> Replacement {
    Replacement { key: None, advice }
}

/// Returns the replacement of a key in the section at `path` of a module.
pub(super) fn of_module(path: &[&str], key: &str) -> Option<Replacement> {
    const PREFERRED: &str = "preferred_ip_protocol";
    Some(match (path, key) {
        (["http"], "fail_if_matches_regexp") => now(
            "fail_if_body_matches_regexp",
            "blackbox_exporter 0.14 renamed it to 'fail_if_body_matches_regexp'",
        ),
        (["http"], "fail_if_not_matches_regexp") => now(
            "fail_if_body_not_matches_regexp",
            "blackbox_exporter 0.14 renamed it to 'fail_if_body_not_matches_regexp'",
        ),
        (["http"], "fail_if_matches") => {
            instead("write 'fail_if_body_matches_regexp' or 'fail_if_header_matches'")
        }
        (["http"], "fail_if_not_matches") => {
            instead("write 'fail_if_body_not_matches_regexp' or 'fail_if_header_not_matches'")
        }
        (["dns"], "protocol") => now(
            "transport_protocol",
            "blackbox_exporter 0.6 split it into 'transport_protocol' (udp or tcp) and \
             'preferred_ip_protocol' (ip4 or ip6)",
        ),
        (["http" | "tcp" | "icmp"], "protocol") => now(
            PREFERRED,
            "blackbox_exporter 0.6 replaced it by 'preferred_ip_protocol' (ip4 or ip6)",
        ),
        (
            ["http" | "tcp" | "icmp" | "dns" | "grpc" | "websocket"],
            "ip_protocol" | "ip_version",
        ) => now(PREFERRED, "write 'preferred_ip_protocol' (ip4 or ip6)"),
        (["http"], "use_http3" | "http3") => now("enable_http3", "write 'enable_http3'"),
        (["http"], "use_http2" | "http2") => now("enable_http2", "write 'enable_http2'"),
        (["http"], "disable_http2" | "no_http2") => {
            now("enable_http2", "write 'enable_http2: false' for 'true'")
        }
        (["websocket", "http_config"], "no_follow_redirects") => {
            now("follow_redirects", "write 'follow_redirects: false' for 'true'")
        }
        (["http"], "http_client_config" | "http_config") => {
            instead("put its keys directly under 'http', for example 'basic_auth' and 'tls_config'")
        }
        (["policy"], "mode" | "overrides") => {
            instead("it belongs in the section 'policy' at the top of the file")
        }
        ([], "config") => {
            instead("put the settings of a prober under its name, for example 'http'")
        }
        ([], "module" | "modules") => instead("put the module directly under 'modules'"),
        ([] | [_], "target" | "targets" | "url" | "host" | "hostname" | "path" | "port") => {
            instead(
                "a module does not contain the target; pass it in the parameter 'target' of the \
                 scrape",
            )
        }
        ([] | [_], "interval" | "scrape_interval") => {
            instead("set 'scrape_interval' of the job in Prometheus")
        }
        ([] | [_], "scrape_timeout") => now("timeout", "write 'timeout'"),
        _ => return None,
    })
}

/// Returns the replacement of a key in the section at `path` of a web configuration file.
pub(super) fn of_web_config(path: &[&str], key: &str) -> Option<Replacement> {
    Some(match (path, key) {
        ([], "tls_config") => now("tls_server_config", "write 'tls_server_config'"),
        ([], "basic_auth" | "users") => now(
            "basic_auth_users",
            "write 'basic_auth_users', with a bcrypt hash under each user's name",
        ),
        (["tls_server_config"], "client_cas" | "clientCAs" | "ca_file") => {
            now("client_ca_file", "write 'client_ca_file'")
        }
        (["tls_server_config"], "client_auth" | "clientAuth") => {
            now("client_auth_type", "write 'client_auth_type'")
        }
        (["tls_server_config"], "tlsCertPath" | "tls_cert_path") => {
            now("cert_file", "write 'cert_file'")
        }
        (["tls_server_config"], "tlsKeyPath" | "tls_key_path") => {
            now("key_file", "write 'key_file'")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, web::WebConfig};

    /// Returns the error messages for a key in the section at `path` of a module.
    fn suggestion(path: &[&str], key: &str) -> String {
        let prober = path.first().unwrap_or(&"http");
        let section =
            path.iter().rev().fold(format!("{key}: x"), |inner, key| format!("{key}: {{{inner}}}"));
        let yaml = format!("modules: {{m: {{prober: {prober}, {section}}}}}");
        let error = Config::parse(&yaml, "c.yml").unwrap_err().to_string();
        let line = error.lines().find(|line| line.contains("unknown key")).unwrap().to_owned();
        line.split_once("; ").map(|(_, suggestion)| suggestion.to_owned()).unwrap_or_default()
    }

    #[test]
    fn suggests_the_current_name_of_a_key() {
        for (path, key, expected) in [
            (&["http"][..], "fail_if_matches_regexp", "to 'fail_if_body_matches_regexp'"),
            (&["http"], "fail_if_not_matches_regexp", "to 'fail_if_body_not_matches_regexp'"),
            (&["http"], "protocol", "'preferred_ip_protocol'"),
            (&["dns"], "protocol", "'transport_protocol' (udp or tcp)"),
            (&["icmp"], "ip_protocol", "'preferred_ip_protocol'"),
            (&["http"], "use_http3", "'enable_http3'"),
            (&["http"], "disable_http2", "'enable_http2: false'"),
            (&["websocket", "http_config"], "no_follow_redirects", "'follow_redirects: false'"),
            (&["http"], "http_config", "put its keys directly under 'http'"),
            (&["tcp"], "target", "parameter 'target'"),
            (&["http"], "interval", "Prometheus"),
        ] {
            let suggestion = suggestion(path, key);
            assert!(suggestion.contains(expected), "{path:?} {key}: {suggestion}");
        }
    }

    #[test]
    fn suggests_the_section_of_a_misplaced_key() {
        for (path, key, expected) in [
            (&["http"][..], "insecure_skip_verify", "it is a key of 'tls_config', one level below"),
            (&["http"], "timeout", "it is a key of the module, one level above"),
            (&["http"], "prober", "it is a key of the module, one level above"),
            (
                &["http"],
                "query_response",
                "it is a key of 'tcp', 'unix' and 'websocket', not of 'http'",
            ),
            (
                &["http"],
                "source_ip_address",
                "it is a key of 'tcp', 'icmp' and 'dns', not of 'http'",
            ),
            (&["http"], "username", "it is a key of 'basic_auth', one level below"),
            (&["http"], "client_id", "it is a key of 'oauth2', one level below"),
            (&["http", "tls_config"], "headers", "it is a key of 'http', one level above"),
            (&["http", "tls_config"], "timeout", "it is a key of the module, two levels above"),
            (
                &["http", "tls_config"],
                "username",
                "it is a key of 'http.basic_auth', not of 'tls_config'",
            ),
            (&["tcp"], "valid_status_codes", "it is a key of 'http', not of 'tcp'"),
            (&["tcp"], "expect", "it is a key of 'query_response', one level below"),
            (
                &["dns"],
                "fail_if_not_matches_regexp",
                "it is a key of 'validate_answer_rrs', \
              'validate_authority_rrs' and 'validate_additional_rrs', one level below",
            ),
            (&[], "headers", "it is a key of 'http', one level below"),
            (&[], "tls_config", "it is a key of 'http', one level below"),
            (
                &[],
                "query_response",
                "it is a key of 'tcp', 'unix' and 'websocket', one level below",
            ),
            (&[], "insecure_skip_verify", "it is a key of 'http.tls_config', two levels below"),
        ] {
            assert_eq!(suggestion(path, key), expected, "{path:?} {key}");
        }
    }

    #[test]
    fn detects_modules_at_the_wrong_level() {
        for (yaml, expected) in [
            ("web: {prober: http}", "it is one level too high: move it under 'modules'"),
            ("prober: http", "it is a key of the module, which belongs under 'modules'"),
            ("module: {web: {prober: http}}", "did you mean 'modules'?"),
        ] {
            let error = Config::parse(yaml, "c.yml").unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        }
    }

    #[test]
    fn suggests_keys_of_the_web_configuration() {
        for (yaml, expected) in [
            ("tls_config: {}", "write 'tls_server_config'"),
            ("cert_file: a", "it is a key of 'tls_server_config', one level below"),
            ("http2: false", "it is a key of 'http_server_config', one level below"),
            ("tls_server_config: {ca_file: a}", "write 'client_ca_file'"),
            (
                "tls_server_config: {headers: {}}",
                "it is a key of 'http_server_config', not of \
              'tls_server_config'",
            ),
            (
                "http_server_config: {basic_auth_users: {}}",
                "it is a key of the file, one level above",
            ),
        ] {
            let read = WebConfig::read(yaml.as_bytes(), Path::new("w.yml"), |_| Ok(()));
            let error = read.unwrap_err().to_string();
            let line = error.lines().find(|line| line.contains("unknown key")).unwrap_or(&error);
            assert!(line.ends_with(expected), "{error}");
        }
    }
}
