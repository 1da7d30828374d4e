//! The modules that probe the server.

/// The names of the modules, in the order of their numbers in scripts.
pub(super) const NAMES: [&str; 8] =
    ["plain", "checks", "gzip", "br", "deflate", "verified", "websocket", "grpc"];

/// The configuration with the modules. The module `verified` trusts this authority.
pub(super) fn configuration(authority: &str) -> String {
    let authority = authority.replace('\n', "\n        ");
    format!(
        r#"modules:
  plain: {{prober: http, http: {{body_size_limit: 256KB, tls_config: {{insecure_skip_verify: true}}}}}}
  checks: {{prober: http, http: {{body_size_limit: 256KB, tls_config: {{insecure_skip_verify: true}},
    basic_auth: {{username: user, password: hidden-password}},
    fail_if_body_matches_regexp: ["a+b", "(x|y)*z$"],
    fail_if_header_not_matches: [{{header: X, regexp: "^y", allow_missing: true}}],
    fail_if_body_json_not_matches_cel: "body.a == 1"}}}}
  gzip: {{prober: http, http: {{compression: gzip, body_size_limit: 256KB,
    tls_config: {{insecure_skip_verify: true}}, fail_if_body_matches_regexp: ["a+b"]}}}}
  br: {{prober: http, http: {{compression: br, body_size_limit: 256KB,
    tls_config: {{insecure_skip_verify: true}}, fail_if_body_matches_regexp: ["a+b"]}}}}
  deflate: {{prober: http, http: {{compression: deflate, body_size_limit: 256KB,
    tls_config: {{insecure_skip_verify: true}}, fail_if_body_matches_regexp: ["a+b"]}}}}
  verified:
    prober: http
    http:
     body_size_limit: 256KB
     tls_config:
      ca: |
        {authority}
  websocket: {{prober: websocket, websocket: {{http_config: {{tls_config: {{insecure_skip_verify: true}}}},
    query_response: [{{send: hello}}, {{expect: "^(a|b)+c", labels: [{{name: x, value: "${{1}}"}}]}}]}}}}
  grpc: {{prober: grpc, grpc: {{tls: true, tls_config: {{insecure_skip_verify: true}}}}}}
"#
    )
}
