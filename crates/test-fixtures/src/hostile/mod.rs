//! A server that does what the bytes of a script say: any bytes, HTTP/1 and HTTP/2 messages, TLS
//! records and handshake messages, in any order.
//!
//! Every sequence of bytes is a script. The fuzz target `hostile_server` makes them up, and the
//! integration tests run those of its corpus. The format:
//!
//! ```text
//! script      = module connection *( 13 connection )
//! connection  = transport *action
//! action      = operation, with the parameters that `script` reads
//! ```

mod handshake;
mod http2;
mod input;
mod script;
mod server;

pub use self::{
    script::{Action, Connection, Script, Transport},
    server::HostileServer,
};

/// The names of [`modules`], in the order of their numbers in scripts.
const NAMES: [&str; 8] =
    ["plain", "checks", "gzip", "br", "deflate", "verified", "websocket", "grpc"];

/// The configuration with the modules that probe the server.
pub fn modules(server: &HostileServer) -> String {
    let authority = server.authority_pem().replace('\n', "\n        ");
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
