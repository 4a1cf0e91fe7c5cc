//! The figures of a head, as Prometheus reads them (text format 0.0.4).
//!
//! They are read off the state, the log and a few counters whenever they are asked for: nothing is
//! kept up for them but what cannot be read off later. Labels are words of ours, routes, heads and
//! a bounded number of queues; never users, projects or jobs.

mod gather;
mod requests;

use std::fmt;

use model::measure::{Durations, STEPS_MICROS};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

pub(crate) use gather::gather;
pub(crate) use requests::{Requests, counted};

/// What all names begin with.
const PREFIX: &str = "godocker";
/// What the answer says that it is.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Names and values of labels.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// A metric, with a value for each set of labels.
#[derive(Debug)]
pub(crate) struct Family {
    /// Without the prefix, the unit, and the ending of a counter.
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Gauge(Vec<(Labels, f64)>),
    Counter(Vec<(Labels, u64)>),
    Durations(Vec<(Labels, Durations)>),
}

/// Everything of one moment.
#[derive(Debug)]
struct Scrape(Vec<Family>);

/// The metrics as text.
pub(crate) fn text(families: Vec<Family>) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Scrape(families)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|family| family.encode(&mut encoder))
    }
}

impl Family {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kind = match self.values {
            Values::Gauge(_) => MetricType::Gauge,
            Values::Counter(_) => MetricType::Counter,
            Values::Durations(_) => MetricType::Histogram,
        };
        let unit = self.unit.as_ref();
        let mut metric = encoder.encode_descriptor(self.name, self.help, unit, kind)?;
        match &self.values {
            Values::Gauge(values) => {
                for (labels, value) in values {
                    metric.encode_family(labels)?.encode_gauge(value)?;
                }
            }
            Values::Counter(values) => {
                for (labels, value) in values {
                    let mut metric = metric.encode_family(labels)?;
                    metric.encode_counter::<Labels, u64, f64>(value, None)?;
                }
            }
            Values::Durations(values) => {
                for (labels, value) in values {
                    let (sum, count) = (seconds(value.total_micros), value.count());
                    let mut metric = metric.encode_family(labels)?;
                    metric.encode_histogram::<Labels>(sum, count, &steps(value), None)?;
                }
            }
        }
        Ok(())
    }
}

fn seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

fn steps(durations: &Durations) -> Vec<(f64, u64)> {
    let ends = STEPS_MICROS.into_iter().map(seconds).chain([f64::INFINITY]);
    ends.zip(durations.counts).collect()
}
