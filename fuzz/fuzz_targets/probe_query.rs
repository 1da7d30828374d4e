//! A query for a probe, with a scrape timeout before the first line feed, is understood or refused.

#![no_main]

use std::{sync::LazyLock, time::Duration};

use libfuzzer_sys::fuzz_target;
use probe_exporter::{
    config::Config,
    probe::{ProbeRequest, request::RawRequest},
};

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let modules = "modules:
  http_2xx: {prober: http, timeout: 5s}
  host: {prober: http, http: {headers: {Host: a.example}}}
  tcp: {prober: tcp}";
    Config::parse(modules, "").expect("it is valid")
});

fuzz_target!(|text: &str| {
    let (timeout, query) = text.split_once('\n').unwrap_or(("", text));
    for offset in [0.5, 0.0, -1.0] {
        let raw = RawRequest { query, scrape_timeout: Some(timeout) };
        match ProbeRequest::parse(raw, &CONFIG, offset) {
            Ok(request) => {
                assert!(!request.target.name.is_empty());
                // Less than a nanosecond is none.
                let is_told = timeout.parse().is_ok_and(|scrape: f64| scrape < 1e-9);
                assert!(is_told || request.timeout > Duration::ZERO);
                if let Ok(scrape) = timeout.parse::<f64>()
                    && scrape > 0.0
                    && offset >= 0.0
                {
                    // As precise as the arithmetic on a number of this size.
                    assert!(request.timeout.as_secs_f64() <= scrape * (1.0 + 1e-9) + 1e-9);
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
