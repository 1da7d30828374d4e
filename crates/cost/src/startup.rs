//! From process start to the first answer, with few and with many modules; the size of the binary.

use std::{fmt::Write as _, fs, path::Path};

use crate::{
    arguments::Arguments, exporter::Exporter, figures::Figure, report, responders::Responders,
    rows::StartupRow,
};

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

/// Modules as people write them, of four kinds in turn. No pattern occurs twice, as it would pay to
/// keep those that do.
fn configuration(modules: usize) -> String {
    let mut text = "modules:\n".to_owned();
    for number in 0..modules {
        let module = match number % 4 {
            0 => format!(
                "prober: http
    timeout: 5s
    http:
      method: GET
      preferred_ip_protocol: ip4
      valid_status_codes: [200, 204]
      headers: {{Accept-Language: en-US}}
      fail_if_body_not_matches_regexp: ['service {number}: (ok|degraded)']"
            ),
            1 => format!(
                "prober: tcp
    timeout: 5s
    tcp:
      query_response:
        - expect: '^220 host-{number} ESMTP'
        - send: 'QUIT'"
            ),
            2 => "prober: icmp\n    icmp: {preferred_ip_protocol: ip4}".to_owned(),
            _ => format!(
                "prober: dns
    dns:
      query_name: host-{number}.example.org
      query_type: A
      validate_answer_rrs: {{fail_if_not_matches_regexp: ['host-{number}\\..*192\\.0\\.2\\..*']}}"
            ),
        };
        writeln!(text, "  module_{number}:\n    {module}").expect("memory");
    }
    text
}
