//! From process start to the first answer, with few and with many modules; the size of the binary.

use std::{fmt::Write as _, fs, path::Path};

use serde::Serialize;

use crate::{
    arguments::Arguments, exporter::Exporter, figures::Figure, report, responders::Responders,
};

/// Start-up with a number of modules.
#[derive(Debug, Serialize)]
pub(crate) struct StartupRow {
    pub(crate) modules: usize,
    /// To the first connection that was taken, in milliseconds.
    pub(crate) listening_milliseconds: Figure,
    /// To the first answer to `/-/healthy`, in milliseconds.
    pub(crate) healthy_milliseconds: Figure,
}

/// Starts each exporter many times, in turns.
pub(crate) fn measure(arguments: &Arguments, sides: &[&Path]) -> Vec<StartupRow> {
    let responders = Responders::start();
    let row = |&modules: &usize| {
        let config = responders.file(&format!("start-{modules}.yml"));
        fs::write(&config, configuration(modules)).expect("a file");
        let (mut listening, mut healthy) = (Vec::new(), Vec::new());
        for _ in 0..arguments.starts {
            let started = sides.iter().map(|side| Exporter::start(side, &config));
            let started: Vec<_> = started.map(|it| (it.listening, it.healthy)).collect();
            let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
            listening.push(started.iter().map(|it| milliseconds(it.0)).collect());
            healthy.push(started.iter().map(|it| milliseconds(it.1)).collect());
        }
        StartupRow {
            modules,
            listening_milliseconds: Figure::of(&listening),
            healthy_milliseconds: Figure::of(&healthy),
        }
    };
    let rows: Vec<_> = arguments.modules.iter().map(row).collect();
    report::startup(&rows);
    rows
}

/// Modules as people write them, of four kinds in turn.
fn configuration(modules: usize) -> String {
    let mut text = "modules:\n".to_owned();
    for number in 0..modules {
        let module = match number % 4 {
            0 => {
                "prober: http\n    timeout: 5s\n    http:\n      method: GET\n      \
                 preferred_ip_protocol: ip4\n      valid_status_codes: [200, 204]\n      \
                 headers:\n        Accept-Language: en-US\n      \
                 fail_if_body_not_matches_regexp:\n        - 'status: (ok|degraded)'"
            }
            1 => {
                "prober: tcp\n    timeout: 5s\n    tcp:\n      query_response:\n        \
                 - expect: '^SSH-2.0-'\n        - send: 'SSH-2.0-blackbox-ssh-check'"
            }
            2 => "prober: icmp\n    icmp:\n      preferred_ip_protocol: ip4",
            _ => {
                "prober: dns\n    dns:\n      query_name: www.example.org\n      query_type: A\n      \
                 validate_answer_rrs:\n        fail_if_not_matches_regexp: ['192\\.0\\.2\\..*']"
            }
        };
        writeln!(text, "  module_{number}:\n    {module}").expect("memory");
    }
    text
}
