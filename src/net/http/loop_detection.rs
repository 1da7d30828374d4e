//! Detection of requests that a probe of this exporter sent, directly or through other exporters.
//!
//! A target can redirect a probe to `/probe` of the exporter, which would start the next probe, and
//! so on. Each request of a probe therefore has a header with the ids of the exporters that led to
//! it, as `CDN-Loop` (RFC 8586) has for caches.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// Name of the header.
pub static HEADER: HeaderName = HeaderName::from_static("x-probe-exporter");

/// Maximum number of exporters that can lead to each other, each probing the next one.
const MAX_EXPORTERS: usize = 4;

/// Number of hexadecimal digits of an id.
const ID_LENGTH: usize = 16;

/// Separator of ids.
const SEPARATOR: &str = ", ";

/// Maximum length of the ids of the other exporters.
const MAX_CHAIN_LENGTH: usize = (MAX_EXPORTERS - 1) * (ID_LENGTH + SEPARATOR.len());

/// Random id of this process.
static OWN_ID: LazyLock<HeaderValue> = LazyLock::new(|| {
    let id = format!("{:0ID_LENGTH$x}", rand::random::<u64>());
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("invalid"))
});

/// The ids of the exporters that led to a probe, ending with this one: value of the header.
#[derive(Debug, Clone)]
pub struct ExporterChain(HeaderValue);

/// The request belongs to a loop, or may do so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LoopDetected {
    /// It was sent by a probe of this exporter, or by too many exporters probing each other.
    #[error(
        "Loop detected: this request comes from a probe of this exporter and is not served; a target \
         or a redirect leads to the exporter itself"
    )]
    Chain,
    /// It was sent by an exporter that does not pass the header on, like many others.
    #[error(
        "Loop suspected: blackbox_exporter requests more than {MAX_UNCHAINED} probes at once; a \
         target or a redirect may lead to the exporter itself"
    )]
    Unchained,
}

/// Maximum number of concurrent requests by exporters that do not pass the header on.
pub const MAX_UNCHAINED: usize = 16;

impl ExporterChain {
    /// Returns the chain of a probe that was requested with these values of the header.
    ///
    /// # Errors
    /// [`LoopDetected::Chain`] if the values contain the id of this process, or too many ids.
    pub fn after(values: impl Iterator<Item: AsRef<str>>) -> Result<Self, LoopDetected> {
        let mut chain = String::new();
        for value in values {
            for id in value.as_ref().split(',').map(str::trim).filter(|id| is_id(id)) {
                if chain.len() >= MAX_CHAIN_LENGTH || *OWN_ID == id {
                    return Err(LoopDetected::Chain);
                }
                chain.push_str(id);
                chain.push_str(SEPARATOR);
            }
        }
        if chain.is_empty() {
            return Ok(Self::default());
        }
        chain.push_str(OWN_ID.to_str().unwrap_or_default());
        Ok(HeaderValue::try_from(chain).map(Self).unwrap_or_default())
    }

    /// Sets the header of a request, and replaces one that the module or the client has set.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        headers.insert(&HEADER, self.0.clone());
    }
}

impl Default for ExporterChain {
    /// The chain of a probe that no other exporter led to.
    fn default() -> Self {
        Self(OWN_ID.clone())
    }
}

/// Returns whether a user agent is that of `blackbox_exporter`, which does not pass the header on.
#[must_use]
pub fn is_unchained(user_agent: &str) -> bool {
    user_agent.starts_with("Blackbox Exporter/")
}

/// Returns true for a well-formed id. Other text is not passed on to targets.
fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(chain: &ExporterChain) -> String {
        let mut headers = HeaderMap::new();
        headers.append(&HEADER, HeaderValue::from_static("configured"));
        headers.append(&HEADER, HeaderValue::from_static("twice"));
        chain.mark(&mut headers);
        assert_eq!(headers.get_all(&HEADER).iter().count(), 1);
        headers[&HEADER].to_str().unwrap().to_owned()
    }

    #[test]
    fn own_requests_are_recognized() {
        let own = sent(&ExporterChain::default());
        assert!(is_id(&own), "{own}");
        for value in [own.clone(), format!("0123456789abcdef,{own}"), format!(" , {own} ,x")] {
            assert_eq!(
                ExporterChain::after([&*value].into_iter()).err(),
                Some(LoopDetected::Chain)
            );
        }
        let lines = ["0123456789abcdef", &own];
        assert_eq!(ExporterChain::after(lines.into_iter()).err(), Some(LoopDetected::Chain));
    }

    #[test]
    fn ids_of_other_exporters_are_passed_on() {
        let own = sent(&ExporterChain::default());
        let after = |value: &str| ExporterChain::after([value].into_iter());
        let other = "0123456789abcdef";
        assert_eq!(sent(&after(other).unwrap()), format!("{other}, {own}"));
        let long = [other; MAX_EXPORTERS - 1].join(",");
        assert!(sent(&after(&long).unwrap()).ends_with(&own));
        assert_eq!(after(&format!("{long},{other}")).err(), Some(LoopDetected::Chain));
    }

    #[test]
    fn text_that_is_no_id_is_not_passed_on() {
        let own = sent(&ExporterChain::default());
        for value in ["", "x", "0123456789abcdeg", "0123456789abcdef0", "a: b"] {
            assert_eq!(sent(&ExporterChain::after([value].into_iter()).unwrap()), own, "{value}");
        }
        assert_eq!(sent(&ExporterChain::after([""; 0].into_iter()).unwrap()), own);
    }
}
