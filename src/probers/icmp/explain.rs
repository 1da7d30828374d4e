//! What a module of this prober does, in words.

use crate::{
    probers::icmp::IcmpProber,
    settings::explain::{Explanation, Topic},
};

impl IcmpProber {
    /// Says what a probe does.
    pub fn explain(&self, words: &mut Explanation) {
        let usual = Self::default();
        words.say(Topic::Target, "A host name or an IP address.");
        self.ip.explain(words);
        words.source_address(self.source_ip_address);
        let payload = match self.payload_size {
            Some(size) => format!("One echo request with {size} bytes of payload."),
            None => "One echo request with a short text as its payload.".to_owned(),
        };
        words.say_of(self.payload_size == usual.payload_size, Topic::Sends, payload);
        let ttl = match self.ttl {
            Some(1) => "It does not pass any router.".to_owned(),
            Some(ttl) => format!("It passes at most {} routers (TTL {ttl}).", ttl - 1),
            None => "It passes as many routers as the system's TTL allows.".to_owned(),
        };
        words.say_of(self.ttl == usual.ttl, Topic::Sends, ttl);
        if self.dont_fragment {
            words.say(Topic::Sends, "Over IPv4, routers must not fragment it.");
        }
        words.say(
            Topic::Checks,
            "The reply comes from the address that was probed, with what was sent.",
        );
        let text = "A router or the host reports that the request was not delivered, or no reply \
                    comes in time.";
        words.say(Topic::Fails, text);
    }
}
