//! What the dashboard shows: the latest values, and how the connection is.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::support::printable;

/// How many values of a series are kept, and how many alerts.
const HISTORY: usize = 64;
/// How many series are kept, however many the server names.
const MOST: usize = 100;

/// The events of this server: each type is a variant, and the data, as JSON, is what is in it.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Update {
    Price(Price),
    Sensor(Sensor),
    Alert(String),
    /// A type that this program does not know yet: no error.
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
pub(crate) struct Price {
    symbol: String,
    price: f64,
}

#[derive(Deserialize)]
pub(crate) struct Sensor {
    name: String,
    value: f64,
    unit: String,
}

/// For a line of text, where there is no terminal to draw on.
impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Price(Price { symbol, price }) => {
                write!(f, "price   {:<8} {price:>8.2}", printable(symbol))
            }
            Self::Sensor(Sensor { name, value, unit }) => {
                let (name, unit) = (printable(name), printable(unit));
                write!(f, "sensor  {name:<8} {value:>8.1} {unit}")
            }
            Self::Alert(text) => write!(f, "alert   {}", printable(text)),
            Self::Unknown => write!(f, "unknown"),
        }
    }
}

/// The values of one price or sensor, the latest last.
#[derive(Default)]
pub(crate) struct Series {
    pub(crate) values: VecDeque<f64>,
    pub(crate) unit: String,
}

impl Series {
    fn push(&mut self, value: f64) {
        if self.values.len() == HISTORY {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    pub(crate) fn latest(&self) -> f64 {
        self.values.back().copied().unwrap_or_default()
    }

    /// By how much the latest value differs from the one before.
    pub(crate) fn change(&self) -> f64 {
        let before = self.values.iter().rev().nth(1);
        before.map_or(0.0, |before| self.latest() - before)
    }
}

pub(crate) enum Connection {
    Connecting,
    Open,
    Paused,
    /// Until then.
    Waiting(Instant, String),
}

pub(crate) struct Board {
    pub(crate) prices: BTreeMap<String, Series>,
    pub(crate) sensors: BTreeMap<String, Series>,
    pub(crate) alerts: VecDeque<String>,
    pub(crate) events: u64,
    pub(crate) connection: Connection,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self {
            prices: BTreeMap::new(),
            sensors: BTreeMap::new(),
            alerts: VecDeque::new(),
            events: 0,
            connection: Connection::Connecting,
        }
    }

    pub(crate) fn take(&mut self, update: Update) {
        self.events += 1;
        match update {
            Update::Price(it) => push(&mut self.prices, &it.symbol, it.price, ""),
            Update::Sensor(it) => push(&mut self.sensors, &it.name, it.value, &it.unit),
            Update::Alert(text) => {
                self.alerts.truncate(HISTORY - 1);
                self.alerts.push_front(printable(&text));
            }
            Update::Unknown => {}
        }
    }

    pub(crate) fn wait(&mut self, delay: Duration, reason: String) {
        self.connection = Connection::Waiting(Instant::now() + delay, reason);
    }
}

fn push(all: &mut BTreeMap<String, Series>, name: &str, value: f64, unit: &str) {
    let name = printable(name);
    if all.len() < MOST || all.contains_key(&name) {
        let series = all.entry(name).or_default();
        series.push(value);
        series.unit = printable(unit);
    }
}
