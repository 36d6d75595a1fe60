//! What Prometheus asks for.
