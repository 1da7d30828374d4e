//! What a probe notes while it runs: its log, its phases, and why it failed.
