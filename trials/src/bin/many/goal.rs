//! Bounds and measurements.

/// A figure and its bounds.
#[derive(Debug)]
pub(crate) struct Goal {
    name: String,
    value: f64,
    bound: Bound,
    unit: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// For comparison only.
    None,
}

impl Goal {
    pub(crate) fn at_least(
        name: impl Into<String>,
        value: f64,
        bound: f64,
        unit: &'static str,
    ) -> Self {
        Self::new(name.into(), value, Bound::AtLeast(bound), unit)
    }

    pub(crate) fn at_most(
        name: impl Into<String>,
        value: f64,
        bound: f64,
        unit: &'static str,
    ) -> Self {
        Self::new(name.into(), value, Bound::AtMost(bound), unit)
    }

    /// A figure that stands beside another.
    pub(crate) fn aside(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self::new(name.into(), value, Bound::None, unit)
    }

    fn new(name: String, value: f64, bound: Bound, unit: &'static str) -> Self {
        Self {
            name,
            value,
            bound,
            unit,
        }
    }

    /// A value that could not be measured fails.
    pub(crate) fn is_reached(&self) -> bool {
        match self.bound {
            Bound::AtLeast(bound) => self.value >= bound,
            Bound::AtMost(bound) => self.value <= bound,
            Bound::None => true,
        }
    }
}

/// As a Markdown table.
pub(crate) fn table(goals: &[Goal]) -> String {
    let mut table = String::from("| what | measured | bound | |\n|---|--:|--:|---|\n");
    for goal in goals {
        let Goal {
            name, value, unit, ..
        } = goal;
        let digits = if value.fract() == 0.0 { 0 } else { 1 };
        let bound = match goal.bound {
            Bound::AtLeast(bound) => format!("≥ {bound}{unit}"),
            Bound::AtMost(bound) => format!("≤ {bound}{unit}"),
            Bound::None => String::new(),
        };
        let verdict = match goal.bound {
            Bound::None => "",
            _ if goal.is_reached() => "reached",
            _ => "**missed**",
        };
        table += &format!("| {name} | {value:.digits$}{unit} | {bound} | {verdict} |\n");
    }
    table
}
