//! Interleaved timing: all contestants take turns, so that a disturbance affects all of them.
//!
//! It measures the CPU time of the thread. Nothing waits here, so that is wall time without other processes.

use std::time::Duration;

use cpu_time::ThreadTime;

/// A sample is at least this long, so that the clock does not matter.
const SAMPLE: Duration = Duration::from_millis(2);
/// A slower contestant gets fewer samples.
const SLOW: Duration = Duration::from_millis(50);
/// A slower contestant gets no sample besides its check.
const HOPELESS: Duration = Duration::from_millis(800);

/// One contestant's samples of one workload: nanoseconds a pass.
#[derive(Debug, Clone)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Samples that were taken elsewhere; sorted here.
    #[must_use]
    pub fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        Self(samples)
    }

    /// The middle one.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The fastest.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    /// The quantile: this share is below it.
    #[must_use]
    pub fn quantile(&self, part: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let at = part * last as f64;
        let (low, high) = (at.floor() as usize, at.ceil() as usize);
        match (self.0.get(low), self.0.get(high)) {
            (Some(low), Some(high)) => (low + high) / 2.0,
            _ => f64::NAN,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// Something to time, and how long its first pass took.
pub struct Racer<'a> {
    /// One pass.
    pub pass: Box<dyn FnMut() + 'a>,
    /// How long the check took.
    pub first: Duration,
}

/// Runs all in turns; each round begins with another one.
pub fn interleave(racers: &mut [Racer<'_>], rounds: usize) -> Vec<Samples> {
    let mut samples: Vec<Vec<f64>> = racers.iter().map(|_| Vec::new()).collect();
    for (racer, samples) in racers.iter().zip(&mut samples) {
        if racer.first > HOPELESS {
            samples.push(racer.first.as_nanos() as f64);
        }
    }
    for round in 0..rounds {
        for turn in 0..racers.len() {
            let at = (round + turn) % racers.len();
            let racer = &mut racers[at];
            let enough = if racer.first > SLOW {
                5.min(rounds)
            } else {
                rounds
            };
            if racer.first <= HOPELESS && round < enough {
                samples[at].push(sample(racer));
            }
        }
    }
    samples.into_iter().map(Samples::of).collect()
}

fn sample(racer: &mut Racer<'_>) -> f64 {
    let passes = (SAMPLE.as_nanos() / racer.first.as_nanos().max(1)).clamp(1, 100_000) as u32;
    let start = ThreadTime::now();
    for _ in 0..passes {
        (racer.pass)();
    }
    start.elapsed().as_nanos() as f64 / f64::from(passes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_two() {
        assert_eq!(Samples::of(vec![4.0, 1.0, 3.0, 2.0]).median(), 2.5);
        assert_eq!(Samples::of(vec![3.0, 1.0, 2.0]).median(), 2.0);
    }
}
