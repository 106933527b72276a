//! The chart: requests per second, over time.

use std::path::Path;

use fetch_event_source::BoxError;
use plotters::prelude::*;

use crate::town::{DROPS, RESTARTS, SERVES_AGAIN};

const SIZE: (u32, u32) = (1000, 520);

/// The lowest rate that is drawn; less counts as zero.
const FLOOR: f64 = 5.0;
const CEILING: f64 = 4e6;

/// Seconds that are drawn.
const SHOWN: f64 = 150.0;

const GREY: RGBColor = RGBColor(150, 150, 150);
const ORANGE: RGBColor = RGBColor(230, 130, 20);
const PINK: RGBColor = RGBColor(200, 80, 120);
const BLUE_: RGBColor = RGBColor(20, 90, 200);
const TEAL: RGBColor = RGBColor(0, 140, 120);

/// A name and its points: seconds, and requests per second.
pub(crate) type Curve = (&'static str, Vec<(f64, f64)>);

pub(crate) fn draw(path: &Path, curves: &[Curve]) -> Result<(), BoxError> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "10 000 clients come back to a server that restarts",
            ("sans-serif", 20),
        )
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..SHOWN, (FLOOR..CEILING).log_scale())?;
    let spans = [
        (RESTARTS, DROPS, "it refuses", RGBColor(250, 225, 220)),
        (
            DROPS,
            SERVES_AGAIN,
            "it accepts and drops",
            RGBColor(250, 240, 215),
        ),
    ];
    for (from, to, what, colour) in spans {
        let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
        let area = Rectangle::new([(from, FLOOR), (to, CEILING)], colour.filled());
        chart.draw_series([area])?;
        let text = Text::new(what, (from + 1.0, CEILING * 0.8), ("sans-serif", 14));
        chart.draw_series([text])?;
    }
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE.mix(0.0))
        .x_desc("seconds")
        .y_desc("requests per second, by tenths of a second")
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .draw()?;
    let colours = [GREY, ORANGE, PINK, BLUE_, TEAL];
    for ((name, points), colour) in curves.iter().zip(colours) {
        let drawn = points
            .iter()
            .filter(|(at, _)| *at <= SHOWN)
            .map(|(at, rate)| (*at, rate.max(FLOOR)));
        chart
            .draw_series(LineSeries::new(drawn, colour.stroke_width(1)))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(GREY)
        .label_font(("sans-serif", 14))
        .draw()?;
    root.present()?;
    Ok(())
}
