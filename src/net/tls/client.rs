//! The TLS client of a module.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    diagnostics::{Failure, Reason, Stage},
    net::{
        Context,
        tls::{
            prepared_config::{self, ConfigCache, PreparedConfig},
            tls_files,
            verify::CertificateVerifier,
        },
    },
    settings::{host_name::to_ascii, rule::RuleError, tls::TlsSettings},
};

/// A TLS client with the settings of one `tls_config`.
///
/// Clones share the prepared configuration: trusted certificates, client certificate and engine.
#[derive(Debug, Clone, Default)]
pub struct TlsClient {
    pub(super) settings: Arc<TlsSettings>,
    cache: Arc<ConfigCache>,
}

impl TlsClient {
    /// Creates a client with `settings`.
    #[must_use]
    pub fn new(settings: TlsSettings) -> Self {
        Self { settings: Arc::new(settings), cache: Arc::default() }
    }

    /// The settings of the client.
    #[must_use]
    pub fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// Returns a client without the `server_name`, for a redirect to another host.
    #[must_use]
    pub fn without_server_name(&self) -> Self {
        let settings =
            TlsSettings { server_name: String::new(), ..TlsSettings::clone(self.settings()) };
        Self { settings: Arc::new(settings), cache: Arc::clone(&self.cache) }
    }

    /// Reads the files of the settings if they have changed, for probers that must check them
    /// before they connect.
    ///
    /// The system's trusted certificates are not read, since the probe may not use TLS.
    pub async fn prepare(&self, context: &Context) -> Result<(), Failure> {
        if tls_files::names(&self.settings).is_empty() {
            return Ok(());
        }
        self.read(context).await.map(drop)
    }

    /// Creates the verifier of a handshake with `server_name`, unless the settings have another
    /// one.
    pub(super) fn verifier(
        &self,
        context: &Context,
        prepared: &PreparedConfig,
        server_name: &str,
    ) -> Result<CertificateVerifier, Failure> {
        let host = match self.settings.server_name.as_str() {
            "" => server_name,
            configured => configured,
        };
        let host = to_ascii(host).map_err(|error| {
            Failure::new(Stage::Tls, Reason::InvalidRequest, format!("the server name {error}"))
        })?;
        if host.is_empty() && !self.settings.insecure_skip_verify {
            return Err(Failure::new(
                Stage::Tls,
                Reason::InvalidRequest,
                "tls_config requires server_name or insecure_skip_verify, because the target has \
                 no host name to verify",
            ));
        }
        Ok(CertificateVerifier {
            trust: Arc::clone(&prepared.trust),
            host: host.into_owned(),
            skip_verify: self.settings.insecure_skip_verify,
            verdict: Arc::default(),
            memory: Arc::clone(&context.memory),
        })
    }

    /// Reads the files of the settings if they have changed.
    pub(super) async fn read(&self, context: &Context) -> Result<Arc<PreparedConfig>, Failure> {
        let _waiting = context.waiting_for(|| tls_files::awaited(&self.settings));
        self.prepared().await
    }

    /// Reads the files of the settings if they have changed, without a description of the wait.
    pub(super) async fn prepared(&self) -> Result<Arc<PreparedConfig>, Failure> {
        if let Some(prepared) = self.cache.current(&self.settings) {
            return Ok(prepared);
        }
        self.cache.refresh(&self.settings).await
    }
}

/// Two clients are equal if their settings are.
impl PartialEq for TlsClient {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

impl Eq for TlsClient {}

impl Serialize for TlsClient {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.settings.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for TlsClient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut client = Self::default();
        Self::deserialize_in_place(deserializer, &mut client)?;
        Ok(client)
    }

    fn deserialize_in_place<D: Deserializer<'de>>(
        deserializer: D,
        place: &mut Self,
    ) -> Result<(), D::Error> {
        let mut settings = TlsSettings::clone(place.settings());
        TlsSettings::deserialize_in_place(deserializer, &mut settings)?;
        *place = settings.try_into().map_err(de::Error::custom)?;
        Ok(())
    }
}

/// Unlike upstream, unusable certificates and keys in the settings are refused when the
/// configuration is loaded.
impl TryFrom<TlsSettings> for TlsClient {
    type Error = RuleError;

    fn try_from(settings: TlsSettings) -> Result<Self, RuleError> {
        prepared_config::check_inline(&settings)?;
        Ok(Self::new(settings))
    }
}
