//! What a module of this prober does, in words.

use crate::{
    probers::grpc::{GrpcProber, usual_port},
    settings::explain::{Explanation, ServerName, Topic, header},
};

impl GrpcProber {
    /// Says what a probe does.
    pub fn explain(&self, words: &mut Explanation) {
        let port = usual_port(self.tls);
        let text =
            format!("host:port, or a URL of which only those count; without a port, {port}.");
        words.say(Topic::Target, text);
        self.ip.explain(words);
        if self.tls {
            let start = "From the start, with HTTP/2 agreed on";
            self.tls_config.settings().explain(start, ServerName::Host, words);
        } else {
            words.usual(Topic::Tls, "Not spoken.");
        }
        let (is_default, service) = match self.service.as_str() {
            "" => (true, "the server as a whole".to_owned()),
            name => (false, format!("the service {name}")),
        };
        let text = format!("One call over HTTP/2: grpc.health.v1.Health/Check for {service}.");
        words.say_of(is_default, Topic::Sends, text);
        for (name, value) in self.metadata.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            words.say(Topic::Sends, format!("The metadata {}.", header(name.as_str(), &value)));
        }
        let text = "The call ends with the status OK, and the answer says SERVING.";
        words.check(false, self.service.name.as_ref(), text);
        let text = "Nobody listens, the server does not speak HTTP/2, or time is up.";
        words.say(Topic::Fails, text);
    }
}
