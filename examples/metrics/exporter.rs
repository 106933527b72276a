//! From `Stats` to Prometheus' text form.

use std::fmt;
use std::sync::Arc;

use fetch_event_source::{Handle, ReadyState, Stats};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// The sources and their names. A URL is not a name: it may hold secrets.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions(Vec<(String, Handle)>);

impl Subscriptions {
    /// A handle is enough, and it may outlive its source.
    pub(crate) fn add(&mut self, name: String, handle: Handle) {
        self.0.push((name, handle));
    }
}

/// Name, help, and what it is.
type Metric<T> = (&'static str, &'static str, fn(&Stats) -> T);

/// To the names of these `_total` is added.
const COUNTERS: [Metric<u64>; 5] = [
    ("sse_requests", "Requests sent.", |stats| stats.requests),
    ("sse_connections", "Streams that opened.", |stats| {
        stats.connections
    }),
    ("sse_retries", "Retries decided on.", |stats| stats.retries),
    ("sse_events", "Events handed over.", |stats| stats.events),
    ("sse_received_bytes", "Bytes of streams read.", |stats| {
        stats.bytes
    }),
];

/// What there is not yet is left out.
const GAUGES: [Metric<Option<f64>>; 3] = [
    ("sse_open", "Whether the stream is open.", |stats| {
        Some(f64::from(u8::from(stats.state == ReadyState::Open)))
    }),
    ("sse_state_seconds", "Age of the state.", |stats| {
        Some(stats.time_in_state.as_secs_f64())
    }),
    (
        "sse_last_event_seconds",
        "Age of the last event.",
        |stats| Some(stats.time_since_event?.as_secs_f64()),
    ),
];

/// Asked with each scrape: nothing is copied in between.
impl Collector for Subscriptions {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats: Vec<_> = self
            .0
            .iter()
            .map(|(name, handle)| ([("source", name.as_str())], handle.stats()))
            .collect();
        for (name, help, value) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (labels, stats) in &stats {
                ConstCounter::new(value(stats)).encode(family.encode_family(labels)?)?;
            }
        }
        for (name, help, value) in GAUGES {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (labels, stats) in &stats {
                if let Some(value) = value(stats) {
                    ConstGauge::new(value).encode(family.encode_family(labels)?)?;
                }
            }
        }
        Ok(())
    }
}

#[derive(Clone)]
pub(crate) struct Exporter(Arc<Registry>);

impl Exporter {
    pub(crate) fn new(subscriptions: Subscriptions) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(subscriptions));
        Self(Arc::new(registry))
    }

    /// The text, or what an HTTP server makes an error of.
    pub(crate) fn scrape(&self) -> Result<String, String> {
        let mut text = String::new();
        let encoded = prometheus_text::encode(&mut text, &self.0);
        encoded.map(|()| text).map_err(|error| error.to_string())
    }
}
