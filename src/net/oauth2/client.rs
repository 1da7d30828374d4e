//! The client that asks a token server. Nothing of this exchange is measured but its whole time, so
//! that a library does it all: connections, proxies, redirects.

use std::{error::Error, io, sync::Arc};

use http::{HeaderMap, header};
use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use rustls::OtherError;
use url::Url;

use super::{
    answer::{self, Refusal, Token},
    failure,
    request::Form,
};
use crate::{
    evidence::{Call, Cause, Failure, Reason},
    net::{
        Context,
        http::credentials::{header_name, header_value},
        proxy::Proxy,
        resolve::Resolver,
        tls::TlsClient,
    },
    settings::http_client::{Destination, ProxySettings},
};

/// No answer with a token has more bytes.
const LARGEST_ANSWER: usize = 64 << 10;

/// A client for one fetch.
pub(super) struct Client {
    library: reqwest::Client,
    url: Url,
    /// The `Host` header where it is not that of the URL.
    host: Option<String>,
}

/// Prepares the client that the settings ask for.
pub(super) async fn client(
    context: &Context,
    url: &Url,
    tls: &TlsClient,
    proxy: &ProxySettings,
) -> Result<Client, Failure> {
    let mut url = url.clone();
    let proxies = proxies_for(&url, proxy)?;
    let mut names = Names { resolver: Arc::clone(&context.resolver), alias: None };
    let mut host = None;
    // The library asks for the name in the URL. So where another one is to be asked for, that goes
    // into the URL, and leads to where the other would.
    let server_name = tls.settings().server_name.as_str();
    if !server_name.is_empty() && proxies.is_none() && url.scheme() == "https" {
        let own = url.host_str().unwrap_or_default().to_owned();
        let authority = url.authority().rsplit('@').next().unwrap_or_default().to_owned();
        let mut renamed = url.clone();
        if renamed.set_host(Some(server_name)).is_ok() && renamed.domain().is_some() {
            names.alias = Some((server_name.to_ascii_lowercase(), own));
            host = Some(authority);
            url = renamed;
        }
    }
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls.for_library(hostname(&url)).await?)
        .dns_resolver(names)
        .redirect(if host.is_some() { Policy::none() } else { Policy::default() })
        .referer(false)
        .pool_max_idle_per_host(0)
        .no_proxy();
    for proxy in proxies.into_iter().flatten() {
        builder = builder.proxy(proxy);
    }
    let library = builder.build().map_err(|error| failure_of(&error))?;
    Ok(Client { library, url, host })
}

/// The proxy as the library knows it, for requests over TLS and for plain ones. The latter are given
/// to the proxy itself, so that headers of CONNECT would go on to the token server with them.
fn proxies_for(
    url: &Url,
    settings: &ProxySettings,
) -> Result<Option<[reqwest::Proxy; 2]>, Failure> {
    let destination = Destination {
        host: hostname(url),
        address: None,
        port: url.port_or_known_default().unwrap_or_default(),
    };
    let Some(proxy) = Proxy::choose(settings, url.scheme() == "https", destination)? else {
        return Ok(None);
    };
    let mut headers = HeaderMap::new();
    for (name, values) in &settings.proxy_connect_header {
        for value in values {
            headers.append(header_name(name)?, header_value(name, value.expose())?);
        }
    }
    let unusable = || failure(Reason::InvalidRequest, "its proxy is not one");
    let url = proxy.url().ok_or_else(unusable)?;
    let secure = reqwest::Proxy::https(url.clone()).map_err(|_| unusable())?;
    let plain = reqwest::Proxy::http(url).map_err(|_| unusable())?;
    Ok(Some([secure.headers(headers), plain]))
}

/// The host of a URL without brackets.
fn hostname(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_matches(['[', ']'])
}

impl Client {
    /// Asks for a token; a refusal is an answer too.
    pub(super) async fn ask(
        &self,
        form: Form,
        agent: Option<&str>,
    ) -> Result<Result<Token, Refusal>, Failure> {
        let mut url = self.url.clone();
        if form.authorization.is_some() {
            // The library would send the URL's user beside it, Go's client sends one of them.
            // Only a URL without a host refuses these.
            let _ = (url.set_username(""), url.set_password(None));
        }
        let mut request = self
            .library
            .post(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::CONNECTION, "close")
            .body(form.body);
        if let Some(authorization) = form.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if let Some(agent) = agent {
            request = request.header(header::USER_AGENT, header_value("User-Agent", agent)?);
        }
        if let Some(host) = &self.host {
            request = request.header(header::HOST, header_value("Host", host)?);
        }
        let mut response = request.send().await.map_err(|error| failure_of(&error))?;
        let status = response.status();
        let content_type = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| failure_of(&error))? {
            body.extend_from_slice(&piece);
            if body.len() > LARGEST_ANSWER {
                let message = format!("its answer has more than {} KiB", LARGEST_ANSWER >> 10);
                return Err(failure(Reason::TooLarge, message));
            }
        }
        Ok(answer::read(status, &content_type, &body))
    }
}

/// Looks names up as probes do.
struct Names {
    resolver: Arc<Resolver>,
    /// A name that stands for another host.
    alias: Option<(String, String)>,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = Arc::clone(&self.resolver);
        let host = match &self.alias {
            Some((alias, host)) if alias == name.as_str() => host.clone(),
            _ => name.as_str().to_owned(),
        };
        Box::pin(async move {
            let found = resolver.addresses(host.trim_matches(['[', ']'])).await?;
            let addresses = found.into_iter().map(|address| address.with_port(0));
            let addresses: Addrs = Box::new(addresses.collect::<Vec<_>>().into_iter());
            Ok(addresses)
        })
    }
}

/// Why the exchange failed. The library's own words hold the URL, which may hold a secret; those
/// behind them do not.
fn failure_of(error: &reqwest::Error) -> Failure {
    let mut words = Vec::new();
    let mut reason = Reason::Protocol;
    let call = if error.is_connect() { Call::Connect } else { Call::Exchange };
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(failure) = Failure::behind(error).or_else(|| of_tls(error)) {
            return failure.clone();
        }
        let io = error.downcast_ref::<io::Error>();
        let mut hint = "";
        if let Some(io) = io {
            Cause { reason, hint, .. } = Cause::of(call, io);
        } else if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            reason = reason_of_tls(tls);
        }
        if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
            if hyper.is_incomplete_message() {
                reason = Reason::Closed;
            } else if hyper.is_parse() && hyper.to_string().contains("too large") {
                // The method that tells this is there for servers alone.
                reason = Reason::TooLarge;
            }
        }
        words.push(if hint.is_empty() { error.to_string() } else { format!("{hint} ({error})") });
        next = match io.and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    words.dedup();
    if words.is_empty() {
        words.push("the request failed".to_owned());
    }
    failure(reason, words.join(": "))
}

fn reason_of_tls(error: &rustls::Error) -> Reason {
    match error {
        rustls::Error::InvalidMessage(_) => Reason::NotTls,
        rustls::Error::PeerIncompatible(_) => Reason::TlsIncompatible,
        _ => Reason::TlsProtocol,
    }
}

/// What our own verification has found, behind an error of TLS.
fn of_tls<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Failure> {
    match error.downcast_ref::<rustls::Error>()? {
        rustls::Error::Other(OtherError(cause)) => cause.downcast_ref::<Failure>(),
        _ => None,
    }
}
