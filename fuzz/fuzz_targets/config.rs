//! A configuration file of any bytes loads or is refused; what loads means the same once it was
//! written out and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use probe_exporter::config::Config;

fuzz_target!(|text: &[u8]| {
    match Config::parse(text, "fuzz.yml") {
        Ok(config) => {
            let written = config.to_yaml();
            // Secrets are not written out, so that a module with one is another module.
            if !written.contains("<secret>") && !written.contains("xxxxx") {
                let again = Config::parse(&written, "again.yml")
                    .unwrap_or_else(|error| panic!("{error}\n{written}"));
                assert_eq!(again.to_yaml(), written);
            }
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
        }
    }
});
