//! A web config file of any bytes is read or refused, and every refusal names its place.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use probe_exporter::config::web::WebConfig;

fuzz_target!(|text: &[u8]| {
    match WebConfig::read(text, Path::new("fuzz.yml"), Ok) {
        Ok(config) => {
            for (name, value) in &config.headers {
                assert!(!name.contains(['\r', '\n']) && !value.contains(['\r', '\n']));
            }
        }
        Err(error) => assert!(error.to_string().starts_with("fuzz.yml:")),
    }
});
