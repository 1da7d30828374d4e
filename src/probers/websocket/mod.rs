//! The websocket prober: an upgrade, and a dialogue.

mod settings;

pub use settings::WebsocketProber;
