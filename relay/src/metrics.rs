//! What is counted, and where it is read.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub partitions: Gauge,
    pub sources: Gauge,
    pub events: Counter,
    pub events_without_id: Counter,
    pub too_large: Counter,
    pub takeovers: Counter,
    pub failures: Counter,
    pub refused: Counter,
    pub rewinds: Counter,
    pub clients: Gauge,
    pub served: Counter,
    pub resets: Counter,
}

impl Metrics {
    fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("relay");
        let gauges = [
            ("partitions", "Partitions held.", &self.partitions),
            ("sources", "Sources followed.", &self.sources),
            ("clients", "Clients served now.", &self.clients),
        ];
        let counters = [
            ("events", "Messages written to logs.", &self.events),
            ("events_without_id", "Events without their own ID.", &self.events_without_id),
            ("too_large", "Events over the limit, left out.", &self.too_large),
            ("takeovers", "Times a partition was taken.", &self.takeovers),
            ("write_failures", "Writes that were not acknowledged.", &self.failures),
            ("writes_refused", "Writes refused since another had the log.", &self.refused),
            ("rewinds", "Times a log had lost its end.", &self.rewinds),
            ("served_events", "Events sent to clients.", &self.served),
            ("resets", "Clients whose ID was not of this log.", &self.resets),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry
    }

    /// `/metrics`, in Prometheus' text form.
    pub fn router(&self) -> Router {
        let registry = Arc::new(self.registry());
        let scrape = async move || {
            let mut text = String::new();
            match prometheus_text::encode(&mut text, &registry) {
                Ok(()) => {
                    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
                }
                Err(error) => {
                    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
                }
            }
        };
        Router::new().route("/metrics", get(scrape))
    }
}
