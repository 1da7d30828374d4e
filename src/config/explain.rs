//! What a module does, in words: what its prober says, and what all modules share.

use crate::{
    config::{AnyProber, Module, module::DEFAULT_SCRAPE_TIMEOUT},
    settings::{
        duration::GoDuration,
        explain::{Explanation, Topic},
    },
};

impl Module {
    /// What a probe of the module does, in words. No secret is among them.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let mut words = Explanation::default();
        match &self.prober {
            AnyProber::Dns(prober) => prober.explain(&mut words),
            AnyProber::Grpc(prober) => prober.explain(&mut words),
            AnyProber::Http(prober) => prober.explain(&mut words),
            AnyProber::Icmp(prober) => prober.explain(&mut words),
            AnyProber::Tcp(prober) => prober.explain(&mut words),
            AnyProber::Unix(prober) => prober.explain(&mut words),
            AnyProber::Websocket(prober) => prober.explain(&mut words),
        }
        if let Some(timeout) = self.timeout {
            let timeout = GoDuration::from(timeout);
            let text = format!("At most {timeout}, or what the scraper allows if that is less.");
            words.say(Topic::Time, text);
        } else {
            let usual = GoDuration::from(DEFAULT_SCRAPE_TIMEOUT);
            let text = format!("As long as the scraper allows; without a word from it, {usual}.");
            words.usual(Topic::Time, text);
        }
        if !self.extra_metrics {
            let text = "Only the metrics that blackbox_exporter has.";
            words.say(Topic::Exports, text);
        }
        words
    }
}
