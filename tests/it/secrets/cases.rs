//! Secrets of requests: credentials, headers, URLs, proxies, keys.

use std::{fmt, fs, rc::Rc};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use tempfile::NamedTempFile;

use super::{Case, MARK, case, check, check_in, module, planted};
use crate::fixtures::{
    grpc::GrpcServer,
    hostile::RUNTIME,
    http::{Answer, RunningHttpServer, http, ok, redirect, status},
    proxy::proxy,
    tcp::tcp,
    tls::{authority, leaf, server},
};

/// A web server with its requests.
pub(super) struct Web(Rc<RunningHttpServer>);

impl Web {
    pub(super) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self(Rc::new(RUNTIME.block_on(http(answers).start())))
    }

    fn url(&self) -> String {
        format!("http://{}/", self.0.address)
    }

    /// Returns a case that probes this server and must send it `used`.
    pub(super) fn case(self, what: &'static str, keys: &str, success: bool, used: &str) -> Case {
        let url = self.url();
        self.case_of(what, keys, &url, success, used)
    }

    fn case_of(
        self,
        what: &'static str,
        keys: &str,
        target: &str,
        success: bool,
        used: &str,
    ) -> Case {
        let Self(server) = self;
        let heard = {
            let server = Rc::clone(&server);
            move || {
                let asked = server.asked().into_iter();
                let text = |body: Vec<u8>| String::from_utf8_lossy(&body).into_owned();
                asked.map(|asked| asked.head + &text(asked.body)).collect::<String>()
            }
        };
        case(what, module("http", keys), target, success, server).used(used, heard)
    }
}

/// A temporary file; displays as its path.
pub(super) struct File(NamedTempFile);

/// Creates a file with this content.
pub(super) fn file(content: &str) -> File {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    File(file)
}

impl fmt::Display for File {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.path().display().fmt(formatter)
    }
}

fn basic(user: &str, password: &str) -> String {
    STANDARD.encode(format!("{user}:{password}"))
}

#[test]
fn credentials_are_redacted() {
    let password = planted("password");
    let in_file = planted("password-file");
    let token = planted("credentials");
    let token_in_file = planted("credentials-file");
    let password_file = file(&in_file);
    let token_file = file(&token_in_file);
    check(&[
        Web::new([ok("fine")])
            .case(
                "a password",
                &format!("basic_auth: {{username: u, password: {password}}}"),
                true,
                &basic("u", &password),
            )
            .derived(basic("u", &password)),
        Web::new([status(500)])
            .case(
                "a password in a file, and a failure",
                &format!("basic_auth: {{username: u, password_file: {password_file}}}"),
                false,
                &basic("u", &in_file),
            )
            .derived(basic("u", &in_file)),
        // A server may repeat data of the request.
        Web::new([redirect(format!("ftp://echo/{token}"))]).case(
            "a token that is repeated",
            &format!("authorization: {{credentials: {token}}}"),
            false,
            &token,
        ),
        Web::new([redirect(format!("/?said={token_in_file}")), ok("fine")]).case(
            "a token in a file that is repeated",
            &format!("authorization: {{credentials_file: {token_file}}}"),
            true,
            &token_in_file,
        ),
        Web::new([redirect(format!("mailto:{}", basic("u", &planted("old"))))])
            .case(
                "an old bearer token",
                &format!("bearer_token: {}", basic("u", &planted("old"))),
                false,
                &basic("u", &planted("old")),
            )
            .derived(basic("u", &planted("old"))),
    ]);
}

#[test]
fn headers_are_redacted() {
    let of_file = file(&planted("header-file"));
    let names = ["Authorization", "Cookie", "X-Api-Key", "X-Auth-Token", "Proxy-Authorization"];
    let mut cases: Vec<_> = names
        .iter()
        .map(|name| {
            let value = planted(name);
            let keys = format!("headers: {{{name}: '{value}'}}");
            Web::new([redirect(format!("/{value}")), status(404)]).case(
                "a header by its name",
                &keys,
                false,
                &value,
            )
        })
        .collect();
    let body = file(&planted("body"));
    cases.push(Web::new([ok("fine")]).case(
        "the secret of a header",
        &format!("http_headers: {{X-Odd: {{secrets: [{}]}}}}", planted("header")),
        true,
        &planted("header"),
    ));
    cases.push(Web::new([redirect(format!("/{}", planted("header-file"))), ok("")]).case(
        "a header from a file",
        &format!("http_headers: {{X-Odd: {{files: [{of_file}]}}}}"),
        true,
        &planted("header-file"),
    ));
    cases.push(Web::new([ok("fine")]).case(
        "the value of a header by its name",
        &format!("http_headers: {{X-Api-Key: {{values: [{}]}}}}", planted("value")),
        true,
        &planted("value"),
    ));
    cases.push(Web::new([status(500)]).case(
        "a body from a file",
        &format!("method: POST, body_file: {body}"),
        false,
        &planted("body"),
    ));
    let cookie = planted("cookie");
    let set = |answer: Answer| answer.header("Set-Cookie", format!("session={cookie}; Path=/"));
    let rule = "fail_if_header_matches: [{header: Set-Cookie, regexp: session}]";
    cases.push(
        Web::new([set(redirect("/")), set(ok("fine"))]).case("a cookie", rule, false, &cookie),
    );
    check(&cases);
}

#[test]
fn repeated_secrets_are_redacted_in_any_encoding() {
    let secret = planted("x/y z\"");
    let file = file(&secret);
    let keys = format!("authorization: {{credentials_file: {file}}}");
    let encoded = |location: &str| location.replace("MARK", MARK);
    check(&[
        Web::new([redirect(encoded("/?said=MARK-x%2fy%20z%22")), status(404)]).case(
            "a secret in lower-case percent-encoding",
            &keys,
            false,
            "GET",
        ),
        Web::new([redirect(encoded("/?said=MARK-x/y+z%22")), status(404)]).case(
            "a secret with a plus for a space",
            &keys,
            false,
            "GET",
        ),
        Web::new([redirect(encoded("ftp://h/MARK-x/y%20z%22"))]).case(
            "a secret in a URL that is not followed",
            &keys,
            false,
            "GET",
        ),
    ]);
}

#[test]
fn texts_are_hidden_if_a_peer_sets_too_many_cookies() {
    let cookie = |number: u32| planted(&format!("{number:080}"));
    // The only answer: each hop sets all cookies, and repeats the last of them.
    let last = redirect(format!("/said/{}", cookie(399)));
    let many = (0..400).fold(last, |answer, number| {
        answer.header("Set-Cookie", format!("c{number}={}", cookie(number)))
    });
    let what = "a cookie beyond the limit that is repeated";
    check(&[Web::new([many]).case(what, "", false, &cookie(399))]);
}

#[test]
fn long_secrets_are_redacted_to_their_end() {
    let token = planted("long") + &MARK.repeat(1000);
    let keys = format!("authorization: {{credentials: {token}}}");
    check(&[
        Web::new([redirect(format!("/{token}/x")), status(404)]).case(
            "a long token that is repeated",
            &keys,
            false,
            "/x",
        ),
        Web::new([redirect(format!("ftp://h/{}", &token[..100]))]).case(
            "the beginning of a long token",
            &keys,
            false,
            "GET",
        ),
    ]);
}

#[test]
fn targets_and_redirects_are_redacted() {
    let password = planted("target-password");
    let parameter = planted("parameter");
    let location = planted("location");
    let good = Web::new([ok("fine")]);
    let with_password = format!("http://user:{password}@{}/", good.0.address);
    let bad = Web::new([status(500)]);
    let signed = format!("{}?x=1&X-Amz-Signature={parameter}&token=abc", bad.url());
    let odd = planted("odd") + "%2F";
    let unreachable = format!("http://u:{odd}@127.0.0.1:1/");
    let leading =
        Web::new([redirect(format!("/next?code={location}#key={location}")), status(404)]);
    let away = Web::new([redirect(format!("ftp://u:{location}@h/?secret={location}"))]);
    // No server receives these.
    let alone = |what, prober: &str, keys: &str, target: String| {
        case(what, module(prober, keys), target, false, "no server")
    };
    let [in_nonsense, ws] = ["nonsense", "ws"].map(planted);
    let user = |name: &str| format!("u:{}@127.0.0.1:1", planted(name));
    check(&[
        good.case_of("in the target", "", &with_password, true, &basic("user", &password))
            .derived(basic("user", &password)),
        bad.case_of("a signature", "", &signed, false, &parameter).derived("token=abc"),
        alone("of a refused connection", "http", "", unreachable),
        alone("in nonsense", "http", "", format!("http://u:{in_nonsense}@h:port/")),
        leading.case("a code in a redirect", "", false, &location),
        away.case("in a redirect out of HTTP", "", false, "GET /"),
        alone("of a websocket", "websocket", "", format!("ws://u:{ws}@127.0.0.1:1/?token={ws}")),
        alone("for a prober without URLs", "tcp", "", user("tcp")),
        alone("for a prober of names", "dns", "query_name: example", user("dns")),
        alone("for a prober of services", "grpc", "", format!("http://{}", user("grpc"))),
    ]);
}

/// Returns a case with a proxy that refuses and repeats data of the request.
fn refusing(what: &'static str, keys: &str, repeated: &str, used: &str) -> Case {
    let answer = format!("HTTP/1.1 403 {repeated}\r\n\r\n");
    let proxy = Rc::new(RUNTIME.block_on(proxy().answering(answer).start()));
    let keys = keys.replace("PROXY", &proxy.address.to_string());
    let heard = {
        let proxy = Rc::clone(&proxy);
        move || proxy.asked().concat()
    };
    case(what, module("http", &keys), "https://127.0.0.1:1/", false, proxy).used(used, heard)
}

#[test]
fn proxy_credentials_are_redacted() {
    let password = planted("proxy");
    let header = planted("connect");
    let login = basic("u", &password);
    let from_environment = planted("environment");
    let environment_login = basic("u", &from_environment);
    let answer = format!("HTTP/1.1 407 {from_environment} {environment_login}\r\n\r\n");
    let environment = Rc::new(RUNTIME.block_on(proxy().answering(answer).start()));
    let url = format!("http://u:{from_environment}@{}", environment.address);
    let socks = Rc::new(RUNTIME.block_on(proxy().for_user("u", "other").start()));
    let keys = format!("proxy_url: 'socks5://u:{password}@{}'", socks.address);
    check_in(
        &[("HTTPS_PROXY", &url)],
        &[
            refusing(
                "a password of a proxy",
                &format!("proxy_url: 'http://u:{password}@PROXY'"),
                &format!("{login} {password}"),
                &login,
            )
            .derived(&login),
            refusing(
                "a header for a proxy",
                &format!("proxy_url: 'http://PROXY', proxy_connect_header: {{X-Odd: [{header}]}}"),
                &format!("no {header}"),
                &header,
            ),
            case("a password of SOCKS", module("http", &keys), "http://127.0.0.1:1/", false, socks),
            case(
                "a proxy of the environment",
                module("http", "proxy_from_environment: true, skip_resolve_phase_with_proxy: true"),
                "https://named.invalid/",
                false,
                Rc::clone(&environment),
            )
            .used(&environment_login, move || environment.asked().concat())
            .derived(&environment_login),
        ],
    );
}

#[test]
fn private_keys_are_redacted() {
    let root = authority("Client Root").self_signed();
    let client = leaf("client.example").signed_by(&root);
    let own = leaf("127.0.0.1").self_signed();
    let context = server(&own).demand_client_certificate(&root).context();
    let demanding = RUNTIME.block_on(http([ok("fine")]).over_tls(context).start());
    let key = client.key_pem();
    let telling = key.lines().nth(1).unwrap().to_owned();
    let quoted = |pem: &str| format!("\"{}\"", pem.replace('\n', "\\n"));
    let inline = format!(
        "tls_config: {{insecure_skip_verify: true, cert: {}, key: {}}}",
        quoted(&client.pem()),
        quoted(&key)
    );
    let key_file = file(&key);
    let cert_file = file(&client.pem());
    let broken = file(&planted("key-file"));
    let of_file = |key: &File| {
        format!(
            "tls: true, tls_config: {{cert_file: {cert_file}, key_file: {key}, insecure_skip_verify: true}}"
        )
    };
    let talker = RUNTIME.block_on(tcp().start());
    check(&[
        case(
            "a key",
            module("http", &inline),
            format!("https://{}/", demanding.address),
            true,
            demanding,
        )
        .derived(&telling),
        case(
            "a broken key",
            module("tcp", &of_file(&broken)),
            talker.address.to_string(),
            false,
            (),
        ),
        case("a key in a file", module("tcp", &of_file(&key_file)), "127.0.0.1:1", false, talker)
            .derived(&telling),
    ]);
}

#[test]
fn grpc_metadata_is_redacted() {
    let value = planted("metadata");
    let server = Rc::new(RUNTIME.block_on(GrpcServer::start("127.0.0.1", None)));
    let heard = |server: &Rc<GrpcServer>| {
        let server = Rc::clone(server);
        move || format!("{:?}", server.heard())
    };
    let keys = |service: &str| {
        format!(
            "service: {service}, metadata: {{authorization: ['Bearer {value}'], x-api-key: [{value}]}}"
        )
    };
    let of = |what, service: &str, success| {
        let module = module("grpc", &keys(service));
        let target = server.address.to_string();
        // The debug output of the server shows headers that are not marked as sensitive.
        let case = case(what, module, target, success, Rc::clone(&server));
        // After four bytes of the message, two of the value complete the second group.
        case.used(MARK, heard(&server)).derived(STANDARD_NO_PAD.encode(&value[2..]))
    };
    check(&[of("metadata", "'1'", true), of("metadata that is repeated", "echo", false)]);
}
