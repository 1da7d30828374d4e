//! A packet of any bytes is no reply unless it is exactly the reply.

#![no_main]

use libfuzzer_sys::fuzz_target;
use probe_exporter::probers::icmp::fuzzing;

fuzz_target!(|packet: &[u8]| fuzzing::judge(packet));
