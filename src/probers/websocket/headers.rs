//! The headers that a module adds to the upgrade request.

use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, HOST, USER_AGENT},
};

use super::WebsocketProber;
use crate::{
    diagnostics::Failure,
    net::{
        Context,
        http::credentials::{basic, header_name, header_value, secret_value},
    },
    settings::{
        http_client::{Authorization, Source},
        secret::Secret,
    },
};

/// The configured headers. `Host` and `User-Agent` replace the defaults; the others are added.
#[derive(Default)]
pub(super) struct Configured {
    pub(super) host: Option<HeaderValue>,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) others: HeaderMap,
}

/// Returns the headers and credentials of the module. Reads their files.
pub(super) async fn configured(
    prober: &WebsocketProber,
    context: &Context,
) -> Result<Configured, Failure> {
    let mut configured = Configured::default();
    if let Some(authorization) = authorization(prober, context).await? {
        if let Some((_, credentials)) =
            authorization.to_str().ok().and_then(|it| it.split_once(' '))
        {
            context.hide(credentials);
        }
        configured.others.append(AUTHORIZATION, authorization);
    }
    for (name, values) in prober.headers.iter() {
        let header = header_name(name)?;
        let mut texts = values.values.clone();
        texts.extend(values.secrets.iter().map(|secret| secret.expose().to_owned()));
        for path in &values.files {
            let file = Source::File(path.clone());
            texts.extend(read(&file, context).await.map(|text| text.expose().to_owned()));
        }
        for text in texts {
            let value = header_value(name, &text)?;
            match header {
                HOST => configured.host = configured.host.or(Some(value)),
                USER_AGENT => configured.user_agent = configured.user_agent.or(Some(value)),
                _ => drop(configured.others.append(header.clone(), value)),
            }
        }
    }
    Ok(configured)
}

/// Returns the value of `Authorization`, if the module has credentials.
async fn authorization(
    prober: &WebsocketProber,
    context: &Context,
) -> Result<Option<HeaderValue>, Failure> {
    let text = async |source: &Option<Source>| match source {
        Some(source) => read(source, context).await.unwrap_or_default(),
        None => Secret::default(),
    };
    match &prober.http_config.credentials {
        None => Ok(None),
        Some(Authorization::Basic { username, password }) => {
            let (name, password) = (text(username).await, text(password).await);
            basic(name.expose(), password.expose()).map(Some)
        }
        Some(Authorization::Scheme { scheme, credentials }) => {
            let credentials = text(credentials).await;
            let value = format!("{scheme} {}", credentials.expose());
            (!credentials.is_empty()).then(|| secret_value(&value)).transpose()
        }
    }
}

/// Reads a text or a file. As in upstream, the probe continues without a file that cannot be read.
async fn read(source: &Source, context: &Context) -> Option<Secret> {
    match (source.read().await, source) {
        (Ok(text), _) => {
            context.hide_with_words(text.expose().as_bytes());
            Some(text)
        }
        (Err(error), Source::File(path)) => {
            context.log.warn("Cannot read a file", &[("file", &path.display()), ("err", &error)]);
            None
        }
        (Err(_), Source::Inline(_)) => None,
    }
}
