//! What a module does, in words: what its prober says, and what all modules share.

use std::time::Duration;

use crate::{
    config::{AnyProber, Module},
    settings::{
        duration::GoDuration,
        explain::{Explanation, Topic},
    },
};

impl Module {
    /// What a probe of the module does, in words. No secret is among them. `offset` is what
    /// `--timeout-offset` takes off scrape timeouts, in seconds.
    #[must_use]
    pub fn explain(&self, offset: f64) -> Explanation {
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
        words.say_of(self.timeout.is_none(), Topic::Time, self.explain_timeout(offset));
        if !self.extra_metrics {
            let text = "Only the metrics that blackbox_exporter has.";
            words.say(Topic::Exports, text);
        }
        words
    }

    fn explain_timeout(&self, offset: f64) -> String {
        let scrape = match Duration::try_from_secs_f64(offset) {
            Ok(offset) if !offset.is_zero() => {
                format!("the scrape timeout less {} (--timeout-offset)", GoDuration::from(offset))
            }
            _ => "the scrape timeout".to_owned(),
        };
        let without = GoDuration::from(self.timeout_within(None, offset));
        match self.timeout {
            Some(timeout) => {
                let timeout = GoDuration::from(timeout);
                let default_is_less = without < timeout;
                let longest = if default_is_less {
                    format!(" {without} if a request has no scrape timeout.")
                } else {
                    String::new()
                };
                format!("At most {timeout}, or {scrape} if that is less.{longest}")
            }
            None => format!("At most {scrape}; {without} if a request has no scrape timeout."),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn the_time_that_is_explained_is_the_time_that_holds() {
        for (keys, offset, expected) in [
            (
                "",
                0.5,
                "At most the scrape timeout less 500ms (--timeout-offset); 1m59.5s if a request has \
                 no scrape timeout.",
            ),
            ("", 0.0, "At most the scrape timeout; 2m0s if a request has no scrape timeout."),
            ("", -3.0, "At most the scrape timeout; 2m0s if a request has no scrape timeout."),
            (
                ", timeout: 5s",
                1.5,
                "At most 5s, or the scrape timeout less 1.5s (--timeout-offset) if that is less.",
            ),
            (
                ", timeout: 3m",
                0.5,
                "At most 3m0s, or the scrape timeout less 500ms (--timeout-offset) if that is less. \
                 1m59.5s if a request has no scrape timeout.",
            ),
        ] {
            let yaml = format!("modules: {{a: {{prober: tcp{keys}}}}}");
            let module = Config::parse(yaml, "a.yml").unwrap().module("a").unwrap();
            assert_eq!(module.explain_timeout(offset), expected, "{keys} {offset}");
        }
    }
}
