//! Failing probes: stage, reason and message of each, in every response format and in the log
//! of the process.

mod connecting;
mod dialogue;
mod dns;
mod expired;
mod formats;
mod grpc;
mod http;
mod in_namespace;
mod network;
mod proxies;
mod routes;
mod row;
mod targets;
mod tls;
mod tokens;
mod waits;
mod websocket;

use std::collections::BTreeSet;

use probe_exporter::diagnostics::{Reason, Stage};

use self::row::Row;

/// Reasons without a row, and why.
const WITHOUT_ROW: [(Reason, &str); 3] = [
    (Reason::Abandoned, "nobody is there any more to look; `server.rs` finds it in the history"),
    (Reason::OutOfResources, "the probe is refused; `in_namespace` and `chaos` show it"),
    (Reason::Internal, "it takes a defect; unit tests of `probe` bring their own"),
];

/// Returns all rows with their servers.
fn all() -> Vec<Row> {
    let mut rows = network::rows();
    for group in [
        connecting::rows,
        dialogue::rows,
        dns::rows,
        expired::rows,
        grpc::rows,
        http::rows,
        proxies::rows,
        routes::rows,
        targets::rows,
        tls::rows,
        tokens::rows,
        waits::rows,
        websocket::rows,
    ] {
        rows.extend(group());
    }
    rows
}

#[test]
fn every_reason_has_a_row_or_an_exception() {
    let rows = all();
    let shown: BTreeSet<_> = rows.iter().map(|row| row.reason.label()).collect();
    for reason in Reason::ALL {
        let excused = WITHOUT_ROW.iter().any(|(known, _)| known == reason);
        assert_eq!(shown.contains(reason.label()), !excused, "{reason}");
    }
    let timeouts = rows.iter().filter(|row| row.reason == Reason::Timeout);
    let stages: BTreeSet<_> = timeouts.map(|row| row.stage.label()).collect();
    for stage in Stage::ALL {
        // Parsing a target waits for nothing.
        assert_eq!(stages.contains(stage.label()), *stage != Stage::Target, "timeout in {stage}");
    }
    assert!(rows.len() >= 80, "{} rows", rows.len());
    let mut names = BTreeSet::new();
    for row in &rows {
        assert!(names.insert(row.what), "there are two of {:?}", row.what);
    }
}
