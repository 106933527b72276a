//! Goals, and whether they were reached.

use serde::{Deserialize, Serialize};

/// A goal and the figure that decides it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Goal {
    /// The subject.
    pub name: String,
    /// What was measured.
    pub value: f64,
    /// The target.
    pub target: f64,
    /// Whether more is better.
    pub at_least: bool,
    /// The unit.
    pub unit: String,
}

impl Goal {
    /// At least this.
    #[must_use]
    pub fn at_least(name: impl Into<String>, value: f64, target: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            value,
            target,
            at_least: true,
            unit: unit.into(),
        }
    }

    /// At most this.
    #[must_use]
    pub fn at_most(name: impl Into<String>, value: f64, target: f64, unit: &str) -> Self {
        Self {
            name: name.into(),
            value,
            target,
            at_least: false,
            unit: unit.into(),
        }
    }

    /// Whether it is reached. A value that could not be measured is not.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        if self.at_least {
            self.value >= self.target
        } else {
            self.value <= self.target
        }
    }

    /// Target and figure; a missed goal is bold.
    fn cells(&self) -> String {
        let sign = if self.at_least { '≥' } else { '≤' };
        let bold = if self.is_reached() { "" } else { "**" };
        let (target, value, unit) = (self.target, self.value, &self.unit);
        format!("{sign} {target}{unit} | {bold}{value:.2}{unit}{bold}")
    }
}

/// As a Markdown table.
#[must_use]
pub fn table(goals: &[Goal]) -> String {
    let mut table = String::from("| goal | target | measured |\n|---|--:|--:|\n");
    for goal in goals {
        table += &format!("| {} | {} |\n", goal.name, goal.cells());
    }
    table
}

/// The measurements as users build, and the same goals with fat LTO.
#[must_use]
pub fn table_of_both(goals: &[Goal], fat: &[Goal]) -> String {
    let mut table = String::from(
        "| goal | target | measured | fat LTO: target | measured |\n|---|--:|--:|--:|--:|\n",
    );
    for goal in goals {
        let with_fat = fat.iter().find(|other| other.name == goal.name);
        let fat_cells = with_fat.map_or("– | –".to_owned(), Goal::cells);
        table += &format!("| {} | {} | {fat_cells} |\n", goal.name, goal.cells());
    }
    table
}

/// How many of them are reached, in words.
#[must_use]
pub fn reached(goals: &[Goal]) -> String {
    let reached = goals.iter().filter(|goal| goal.is_reached()).count();
    format!("{reached} of {} reached", goals.len())
}

/// The geometric mean; NaN for no values.
pub fn geometric_mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (count, logarithms) = values.into_iter().fold((0.0, 0.0), |(n, sum), value: f64| {
        (n + 1.0, sum + value.ln())
    });
    (logarithms / count).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_geometric_mean_of_a_half_and_two_is_one() {
        assert!((geometric_mean([0.5, 2.0]) - 1.0).abs() < 1e-12);
        assert!(geometric_mean([]).is_nan());
    }

    #[test]
    fn what_could_not_be_measured_is_not_reached() {
        assert!(!Goal::at_least("", f64::NAN, 1.0, "").is_reached());
        assert!(!Goal::at_most("", f64::NAN, 1.0, "").is_reached());
        assert!(Goal::at_most("", 1.0, 1.0, "").is_reached());
    }
}
