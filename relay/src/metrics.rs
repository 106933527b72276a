//! What is counted, and where it is read.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub partitions: Gauge,
    pub sources: Gauge,
    pub clients: Gauge,
    pub events: Counter,
    pub events_without_id: Counter,
    pub too_large: Counter,
    pub failures: Counter,
    pub rewinds: Counter,
    pub served: Counter,
    pub resets: Counter,
}

impl Metrics {
    /// `/metrics`, in Prometheus' text form.
    pub fn router(&self) -> Router {
        let mut registry = Registry::with_prefix("relay");
        for (name, help, gauge) in [
            ("partitions", "Partitions held.", &self.partitions),
            ("sources", "Sources followed.", &self.sources),
            ("clients", "Clients served now.", &self.clients),
        ] {
            registry.register(name, help, gauge.clone());
        }
        for (name, help, counter) in [
            ("events", "Messages written to logs.", &self.events),
            ("events_without_id", "Events without their own ID.", &self.events_without_id),
            ("too_large", "Events over the limit, left out.", &self.too_large),
            ("write_failures", "Writes that were not acknowledged.", &self.failures),
            ("rewinds", "Times a log had lost its end.", &self.rewinds),
            ("served_events", "Events sent to clients.", &self.served),
            ("resets", "Clients whose ID was not of this log.", &self.resets),
        ] {
            registry.register(name, help, counter.clone());
        }
        let registry = Arc::new(registry);
        let scrape = async move || {
            let mut text = String::new();
            let written = prometheus_text::encode(&mut text, &registry);
            written.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
            Ok::<_, (StatusCode, String)>(([(CONTENT_TYPE, "text/plain; version=0.0.4")], text))
        };
        Router::new().route("/metrics", get(scrape))
    }
}
