//! The grpc prober: one call of the health service.

mod settings;

pub use settings::GrpcProber;
