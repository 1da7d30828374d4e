//! The history counts the memory that reports of hostile targets take.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{
    fixtures::{
        hostile::peer,
        tls::{authority, leaf, server},
    },
    running::Running,
};

/// Number of certificates of a server.
const CERTIFICATES: usize = 100;

/// Numbers of probes: before the measurement, and during it.
const REHEARSAL: usize = 10;
const PROBES: usize = 30;

/// A parsed certificate takes 5 KB and more, and its DER 0.4 KB.
#[test]
fn reports_do_not_keep_parsed_certificates() {
    let own = leaf("127.0.0.1").self_signed();
    let contexts: Vec<_> = (0..REHEARSAL + PROBES)
        .map(|number| {
            let others = (0..CERTIFICATES)
                .map(|other| authority(&format!("{number}-{other}")).same_key(&own).self_signed());
            let others: Vec<_> = others.collect();
            server(&own).chain(&others.iter().collect::<Vec<_>>()).context()
        })
        .collect();
    let visits = AtomicUsize::new(0);
    let target = peer(move |visit| {
        let visit_number = visits.fetch_add(1, Ordering::Relaxed);
        let context = contexts[visit_number % contexts.len()].clone();
        async move { visit.secure(&context).await?.until_gone().await }
    });
    let exporter = Running::start("modules: {http: {prober: http, timeout: 20s}}", &[]);
    let probe = || {
        let answer = exporter.probe("http", &format!("https://{}", target.address));
        answer.metrics().expect(&["probe_success 0"]);
        assert!(answer.text().contains("probe_ssl_verify_info"), "{}", answer.text());
    };
    (0..REHEARSAL).for_each(|_| probe());
    let memory = exporter.memory();
    (0..PROBES).for_each(|_| probe());
    let more = exporter.memory().saturating_sub(memory);
    assert!(more < 8 << 20, "keeps {more} bytes more after {PROBES} probes");
}
