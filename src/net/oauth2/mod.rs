//! OAuth2 tokens, requested from a token server and cached until they expire.

mod assertion;
mod cache;
mod client;
mod request;
mod token_response;

use std::{
    fmt,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderValue, StatusCode};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};
use url::Url;

use self::{
    cache::Cache,
    client::Client,
    request::AuthStyle,
    token_response::{Refusal, Token},
};
use crate::{
    diagnostics::{Failure, Phase, Phases, Stage},
    metrics::{Description, Metric, Unit},
    net::{Context, http::credentials, tls::TlsClient},
    settings::{
        http_client::{OAuth2Settings, ProxySettings, Source},
        rule::RuleError,
        secret::Secret,
    },
};

/// Duration of getting a token.
pub const DURATION: Metric<1> = Metric::new(
    "probe_oauth2_duration_seconds",
    "Duration of getting an OAuth2 token in seconds; close to 0 if the token is cached.",
    ["phase"],
)
.extra()
.when("if the probe needed a token")
.unit(Unit::Seconds)
.labels_mean(["token: getting a token from the cache or the token server"]);

/// The metrics of a token.
pub const METRICS: &[Description] = &[DURATION.describe()];

/// The phases of `probe_oauth2_duration_seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuth2Phase {
    /// Getting a token, from the cache or the token server.
    Token,
}

impl Phase for OAuth2Phase {
    fn label(self) -> &'static str {
        match self {
            Self::Token => "token",
        }
    }
}

/// The tokens of one `oauth2` section, with a cache.
///
/// Clones share the cache.
#[derive(Clone)]
pub struct TokenSource {
    settings: Arc<OAuth2Settings>,
    shared: Arc<Shared>,
}

struct Shared {
    url: Url,
    tls: TlsClient,
    proxy: ProxySettings,
    cache: Mutex<Cache>,
    /// Serialises fetches, until a fetch takes longer than [`MAX_EXCLUSIVE_FETCH`].
    fetch_lock: tokio::sync::Mutex<()>,
    /// Notifies all waiting probes about the end of a fetch.
    fetch_ended: Notify,
}

/// Time after which a running fetch no longer blocks the next one, because the server may respond
/// on another connection. The next fetch blocks others again.
const MAX_EXCLUSIVE_FETCH: Duration = Duration::from_secs(2);

impl TokenSource {
    /// Returns the value of `Authorization` with the cached token or a new one. `agent` is the user
    /// agent.
    ///
    /// If a probe is cancelled while it fetches, the next one fetches.
    ///
    /// # Errors
    /// A failure of the stage [`Stage::Request`]. Its message contains the server, and no secret.
    pub(crate) async fn token(
        &self,
        context: &Context,
        agent: Option<&str>,
        times: &mut Phases<OAuth2Phase>,
    ) -> Result<HeaderValue, Failure> {
        let _held = context.hold(Stage::Request);
        let _timed = times.stopwatch(OAuth2Phase::Token);
        let started_at = Instant::now();
        let secret = self.read_secret(context).await?;
        context.hide(secret.expose());
        if let Some(value) = self.valid(&secret) {
            return Ok(value);
        }
        tokio::select! {
            biased;
            outcome = self.fetch_exclusively(context, &secret, agent, started_at) => outcome,
            outcome = self.wait_for_other_fetch(&secret, started_at) => outcome,
        }
    }

    /// Fetches a token and caches it, after fetches by other probes. Returns the result of theirs, if
    /// they ended after `started_at`.
    async fn fetch_exclusively(
        &self,
        context: &Context,
        secret: &Secret,
        agent: Option<&str>,
        started_at: Instant,
    ) -> Result<HeaderValue, Failure> {
        let lock = {
            let _waiting = context.waiting_for(|| "the token request of another probe".to_owned());
            self.shared.fetch_lock.lock().await
        };
        let other = self.cache().result_since(started_at, secret);
        if let Some(result) = other {
            return result;
        }
        context.log.debug("Requesting a token", &[("token_url", &self.server())]);
        let _waiting =
            context.waiting_for(|| format!("no response from the token server {}", self.server()));
        let mut fetch = pin!(self.fetch(context, secret, agent));
        let early = tokio::select! {
            fetched = &mut fetch => Some(fetched),
            () = sleep(MAX_EXCLUSIVE_FETCH) => None,
        };
        let fetched = if let Some(fetched) = early {
            fetched
        } else {
            drop(lock);
            fetch.await
        };
        let result = match fetched {
            Ok(token) => Ok(self.cache().store(token, secret.clone())),
            Err(failure) => {
                let message = format!("the token server {}: {failure}", self.server());
                let failure = Failure::of_request(failure.reason, message);
                self.cache().note_failure(failure.clone(), secret.clone());
                Err(failure)
            }
        };
        self.shared.fetch_ended.notify_waiters();
        result
    }

    /// Waits for the result of a fetch by another probe that ends after `started_at`.
    async fn wait_for_other_fetch(
        &self,
        secret: &Secret,
        started_at: Instant,
    ) -> Result<HeaderValue, Failure> {
        loop {
            // Notifications after this line are received.
            let notified = self.shared.fetch_ended.notified();
            let result = self.cache().result_since(started_at, secret);
            if let Some(result) = result {
                return result;
            }
            notified.await;
        }
    }

    /// Removes a token from the cache if a target rejected it.
    pub(crate) fn discard_if_rejected(&self, status: StatusCode, value: &HeaderValue) {
        if status == StatusCode::UNAUTHORIZED {
            self.cache().remove(value);
        }
    }

    async fn read_secret(&self, context: &Context) -> Result<Secret, Failure> {
        let (key, source) = self.settings.secret();
        match source {
            Some(Source::Inline(secret)) => Ok(secret),
            Some(file) => {
                let what = format!("{}, {key}_file of oauth2", file.file());
                credentials::read(&file, &what, context).await
            }
            None => Ok(Secret::default()),
        }
    }

    /// Requests a token. If it is not known how the server accepts credentials and the first way is
    /// rejected, tries the second one.
    async fn fetch(
        &self,
        context: &Context,
        secret: &Secret,
        agent: Option<&str>,
    ) -> Result<Token, Failure> {
        let Self { settings, shared } = self;
        let Shared { url, tls, proxy, .. } = &**shared;
        let client = Client { context, url, tls, proxy };
        let known = self.cache().style;
        let request = async |style| {
            let form = request::form(settings, secret, style)?;
            if let Some(Ok(authorization)) = form.authorization.as_ref().map(HeaderValue::to_str) {
                context.hide(authorization.trim_start_matches("Basic "));
            }
            client.request_token(form, agent).await
        };
        if settings.is_jwt_bearer() {
            return Ok(request(AuthStyle::Params).await??);
        }
        let first = request(known.unwrap_or(AuthStyle::Header)).await?;
        let (token, style) = match (first, known) {
            (Ok(token), known) => (token, known.unwrap_or(AuthStyle::Header)),
            (Err(refusal), Some(_)) => return Err(refusal.into()),
            (Err(Refusal(_)), None) => (request(AuthStyle::Params).await??, AuthStyle::Params),
        };
        self.cache().style = Some(style);
        Ok(token)
    }

    /// Returns the cached token, if it was requested with this secret and has not expired.
    fn valid(&self, secret: &Secret) -> Option<HeaderValue> {
        self.cache().valid(secret)
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.shared.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the URL of the server without the parts that may be secret.
    fn server(&self) -> String {
        let mut url = self.shared.url.clone();
        url.set_query(None);
        // This fails only for URLs without a host.
        let _ = (url.set_username(""), url.set_password(None));
        url.into()
    }
}

impl TryFrom<OAuth2Settings> for TokenSource {
    type Error = RuleError;

    /// Unlike upstream: unusable keys and certificates, and unsupported TLS versions, are rejected
    /// at load.
    fn try_from(settings: OAuth2Settings) -> Result<Self, RuleError> {
        let tls = TlsClient::try_from(settings.tls_config.clone())
            .map_err(|error| error.inside("tls_config"))?;
        if let (key, Some(Source::Inline(secret))) = settings.secret()
            && settings.is_jwt_bearer()
        {
            assertion::key(&secret).map_err(|message| RuleError::at(key, message))?;
        }
        let Some(url) = settings.token_url.url().cloned() else {
            return Err(RuleError::new("oauth2 token_url must be configured"));
        };
        let shared = Shared {
            url,
            tls,
            proxy: settings.proxy.clone(),
            cache: Mutex::default(),
            fetch_lock: tokio::sync::Mutex::default(),
            fetch_ended: Notify::new(),
        };
        Ok(Self { settings: Arc::new(settings), shared: Arc::new(shared) })
    }
}

/// Sources with equal settings are equal.
impl PartialEq for TokenSource {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("TokenSource").field(&self.settings).finish()
    }
}
