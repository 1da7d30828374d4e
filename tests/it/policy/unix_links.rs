//! Unix sockets behind symbolic links, also while the links change.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use probe_exporter::diagnostics::RefusalCause;

use super::sink::Names;

fn listen(path: &std::path::Path) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(path).unwrap();
    let hits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&hits);
    thread::spawn(move || {
        for _stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    hits
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_path_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(folder.path()).unwrap();
    for name in ["allowed", "denied", "links"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    let (allowed, denied) = (root.join("allowed/socket"), root.join("denied/socket"));
    let (allowed_hits, denied_hits) = (listen(&allowed), listen(&denied));
    symlink(&denied, root.join("allowed/link")).unwrap();
    symlink(&allowed, root.join("links/link")).unwrap();
    symlink(root.join("denied"), root.join("allowed/folder")).unwrap();
    let yaml = format!(
        "modules: {{m: {{prober: unix, policy: {{unix_paths: {{allow: ['{}/allowed/**']}}}}}}}}",
        root.display()
    );
    let names = Names::start(&[]);
    for (path, is_denied, is_ok) in [
        ("allowed/socket", false, true),
        ("links/link", false, true),
        ("links/../allowed/socket", false, true),
        ("allowed/../denied/socket", true, false),
        ("allowed/link", true, false),
        ("allowed/folder/socket", true, false),
        ("denied/socket", true, false),
        // Whether a denied path exists must not show.
        ("denied/missing", true, false),
        ("allowed/folder/missing", true, false),
        ("allowed/missing", false, false),
    ] {
        let target = root.join(path).display().to_string();
        let report = names.probe(&yaml, &target, "").await;
        let refusal = report.verdict.refusal().map(|refusal| refusal.cause);
        assert_eq!(refusal, is_denied.then_some(RefusalCause::Denied), "{}", report.debug_text());
        assert_eq!(report.verdict.is_ok(), is_ok, "{path}: {}", report.debug_text());
    }
    assert_eq!(denied_hits.load(Ordering::SeqCst), 0);
    assert!(allowed_hits.load(Ordering::SeqCst) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_changes_never_leads_to_a_denied_socket() {
    let folder = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(folder.path()).unwrap();
    let (allowed, denied) = (root.join("allowed"), root.join("denied"));
    let (allowed_hits, denied_hits) = (listen(&allowed), listen(&denied));
    let link = root.join("link");
    symlink(&allowed, &link).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, changed) = (Arc::clone(&stop), link.clone());
    let [first, second] = [denied.clone(), allowed.clone()];
    let other = root.join("other");
    let swapping = thread::spawn(move || {
        while !stopped.load(Ordering::SeqCst) {
            for end in [&first, &second] {
                symlink(end, &other).unwrap();
                fs::rename(&other, &changed).unwrap();
            }
        }
    });
    let yaml = format!(
        "modules: {{m: {{prober: unix, policy: {{unix_paths: {{allow: ['{}']}}}}}}}}",
        allowed.display()
    );
    let names = Names::start(&[]);
    let target = link.display().to_string();
    let (mut successes, mut refusals) = (0, 0);
    // Both happen soon; the bound is for a machine that never switches threads.
    for _ in 0..5_000 {
        let report = names.probe(&yaml, &target, "").await;
        successes += u32::from(report.verdict.is_ok());
        refusals += u32::from(report.verdict.refusal().is_some());
        if successes > 100 && refusals > 100 {
            break;
        }
    }
    stop.store(true, Ordering::SeqCst);
    swapping.join().unwrap();
    assert!(successes > 0 && refusals > 0, "{successes} successes, {refusals} refusals");
    assert_eq!(denied_hits.load(Ordering::SeqCst), 0);
    assert!(allowed_hits.load(Ordering::SeqCst) > 0);
}
