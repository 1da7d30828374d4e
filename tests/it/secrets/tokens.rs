//! Secrets of token servers, and tokens.

use std::rc::Rc;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Case, case, cases::file, check, module, planted};
use crate::fixtures::{
    hostile::RUNTIME,
    http::{Answer, RunningHttpServer, http, ok, redirect, status},
};

fn start(answers: impl IntoIterator<Item = Answer>) -> Rc<RunningHttpServer> {
    Rc::new(RUNTIME.block_on(http(answers).start()))
}

fn json(answer: Answer, body: &str) -> Answer {
    answer.header("Content-Type", "application/json").body(body)
}

/// Returns a case with a target that repeats `repeated`, and a token server with this response.
fn of(
    what: &'static str,
    keys: &str,
    answer: Answer,
    repeated: &str,
    success: bool,
    used: &str,
) -> Case {
    let tokens = start([answer]);
    let target = start([redirect(format!("/{repeated}")), ok("fine")]);
    let keys = keys.replace("SERVER", &tokens.address.to_string());
    let url = format!("http://{}/", target.address);
    let heard = {
        let servers = [Rc::clone(&tokens), Rc::clone(&target)];
        move || {
            let asked = servers.iter().flat_map(|server| server.asked());
            let text = |body: Vec<u8>| String::from_utf8_lossy(&body).into_owned();
            asked.map(|asked| asked.head + &text(asked.body)).collect::<String>()
        }
    };
    let module = module("http", &format!("oauth2: {{client_id: me, {keys}}}"));
    case(what, module, url, success, (tokens, target)).used(used, heard)
}

#[test]
fn tokens_and_the_secrets_of_token_requests_are_redacted() {
    let secret = planted("client-secret");
    let in_file = planted("client-secret-file");
    let secret_file = file(&in_file);
    let token = planted("token");
    let parameter = planted("endpoint");
    let url = planted("token-url");
    let basic = |secret: &str| STANDARD.encode(format!("me:{secret}"));
    let granted = || json(ok(""), &format!(r#"{{"access_token": "{token}"}}"#));
    let refusing = |secret: &str| {
        let words = format!(r#"{{"error": "bad {secret}", "error_description": "{secret}"}}"#);
        json(status(400), &words)
    };
    check(&[
        of(
            "a token that is repeated",
            &format!("client_secret: {secret}, token_url: 'http://SERVER/'"),
            granted(),
            &token,
            true,
            &token,
        )
        .derived(basic(&secret)),
        of(
            "a secret that is refused and repeated",
            &format!("client_secret: {secret}, token_url: 'http://SERVER/'"),
            refusing(&secret),
            "",
            false,
            &secret,
        ),
        of(
            "a secret in a file that is refused and repeated",
            &format!("client_secret_file: {secret_file}, token_url: 'http://SERVER/'"),
            refusing(&format!("{in_file} {}", basic(&in_file))),
            "",
            false,
            &in_file,
        )
        .derived(basic(&in_file)),
        of(
            "parameters, and a token server's URL",
            &format!(
                "endpoint_params: {{password: {parameter}, refresh_token: {parameter}}}, \
                 token_url: 'http://u:{url}@SERVER/?key={url}'"
            ),
            refusing(&format!("{parameter} {url}")),
            "",
            false,
            &parameter,
        ),
    ]);
}
