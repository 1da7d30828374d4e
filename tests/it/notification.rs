//! Notifications to systemd: a datagram socket, named by an environment variable.

use std::{fs, os::unix::net::UnixDatagram};

use rustix::process::Signal;

use crate::{harness::PATIENCE, running::Running};

#[test]
fn systemd_is_notified_of_start_reload_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let modules = "modules: {connect: {prober: tcp}}";
    let exporter = Running::start_in(&environment, modules, &[]);
    assert_eq!(next(), "READY=1\n");
    // Also after a failed reload: the exporter serves with the previous configuration.
    for config in [modules, "modules: {connect: {prober: nothing}}"] {
        fs::write(exporter.config(), config).unwrap();
        exporter.signal(Signal::HUP);
        let reloading = next();
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
        assert_eq!(next(), "READY=1\n");
    }
    assert_eq!(exporter.stop().0, Some(0));
    assert_eq!(next(), "STOPPING=1\n");
}
