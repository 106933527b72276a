//! Combines the results of the other programs into `results.json`, `RESULTS.md` and the charts, in the given folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use plotters::prelude::*;
use serde_json::{Value, json};

use fetch_event_source_benches::BoxError;
use fetch_event_source_benches::goal::{self, Goal};
use fetch_event_source_benches::machine::Machine;
use fetch_event_source_benches::part::{self, Curve, FAT, Part, RELEASE, Row};
use fetch_event_source_benches::peers::ALL;

const SIZES: &str = "time-by-size.svg";

type Parts = BTreeMap<&'static str, Part<Value>>;

/// The profiles, what users get first, and their charts.
const PROFILES: [(&str, &str, &str); 2] = [
    (
        RELEASE,
        "As users build: Cargo's release profile",
        "throughput.svg",
    ),
    (
        FAT,
        "With fat LTO and one codegen unit",
        "throughput-fat.svg",
    ),
];

fn main() -> Result<(), BoxError> {
    let folder = std::env::args()
        .nth(1)
        .map(PathBuf::from)
        .ok_or("name a folder")?;
    std::fs::create_dir_all(&folder)?;
    let [release, fat] = [parts(RELEASE)?, parts(FAT)?];
    let Some(any) = release.values().chain(fat.values()).next() else {
        return Err("nothing was measured: see benches/run".into());
    };
    let machine = any.machine.clone();
    let results = json!({ "machine": machine, RELEASE: release, FAT: fat });
    std::fs::write(
        folder.join("results.json"),
        serde_json::to_vec_pretty(&results)?,
    )?;
    let text = markdown(&machine, &[release, fat]);
    std::fs::write(folder.join("RESULTS.md"), text)?;
    for (profile, _, throughput) in PROFILES {
        if let Some(Part { figures, .. }) = part::found::<Vec<Row>>(profile, "compare")? {
            draw_throughput(&folder.join(throughput), &figures)?;
        }
    }
    if let Some(Part { figures, .. }) = part::found::<Vec<Curve>>(RELEASE, "linear")? {
        draw_sizes(&folder.join(SIZES), &figures)?;
    }
    Ok(())
}

fn parts(profile: &str) -> Result<Parts, BoxError> {
    let mut parts = Parts::new();
    for name in part::NAMES {
        if let Some(part) = part::found(profile, name)? {
            parts.insert(name, part);
        }
    }
    Ok(parts)
}

fn markdown(machine: &Machine, parts: &[Parts; 2]) -> String {
    let [goals, fat] = parts.each_ref().map(|parts| -> Vec<Goal> {
        let parts = part::NAMES.iter().filter_map(|name| parts.get(name));
        parts.flat_map(|part| part.goals.clone()).collect()
    });
    let mut text = format!(
        "# Results\n\nWritten by `benches/run`, with default options only.\n\n{}\n\
         ## Goals\n\nAs users build, {}; with fat LTO, {}.\n\n{}",
        machine.markdown(),
        goal::reached(&goals),
        goal::reached(&fat),
        goal::table_of_both(&goals, &fat),
    );
    for ((_, title, throughput), parts) in PROFILES.into_iter().zip(parts) {
        if parts.is_empty() {
            continue;
        }
        text += &format!("\n## {title}\n\n![GB/s of each contestant]({throughput})\n");
        for name in part::NAMES {
            if let Some(part) = parts.get(name) {
                let tables = part.markdown.trim_end();
                text += &format!("\n### {}\n\n{tables}\n", heading(name));
            }
        }
    }
    text + &format!("\n![Time against the size of an event]({SIZES})\n")
}

fn heading(part: &str) -> &'static str {
    match part {
        "compare" => "In memory",
        "e2e" => "End to end, over the loopback",
        "linear" => "Linear, whatever a server sends",
        "memory" => "Memory",
        "latency" => "Latency",
        "crowd" => "Many streams at once",
        _ => "Compile time",
    }
}

/// The contestants of the chart: all of the table.
const DRAWN: [(&str, RGBColor); ALL.len()] = {
    const COLORS: [RGBColor; ALL.len()] = [
        RGBColor(205, 205, 205),
        RGBColor(120, 120, 120),
        RGBColor(60, 60, 60),
        RGBColor(0, 90, 200),
        RGBColor(60, 150, 250),
        RGBColor(130, 200, 255),
        RGBColor(20, 170, 180),
        RGBColor(220, 120, 0),
        RGBColor(200, 30, 60),
        RGBColor(120, 60, 170),
        RGBColor(30, 140, 60),
        RGBColor(250, 190, 90),
        RGBColor(240, 130, 150),
    ];
    let mut drawn = [("", BLACK); ALL.len()];
    let mut at = 0;
    while at < ALL.len() {
        drawn[at] = (ALL[at].name, COLORS[at]);
        at += 1;
    }
    drawn
};

const FONT: &str = "sans-serif";
const MARGIN: i32 = 16;

/// A dot for each contestant, a row for each workload.
fn draw_throughput(path: &Path, rows: &[Row]) -> Result<(), BoxError> {
    const LABELS: i32 = 220;
    let height = 110 + 34 * rows.len() as u32;
    let root = SVGBackend::new(path, (1080, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let speeds: Vec<f64> = rows
        .iter()
        .flat_map(|row| DRAWN.iter().filter_map(|(name, _)| row.speed(name)))
        .collect();
    let (low, high) = decades(&speeds);
    let mut chart = ChartBuilder::on(&root)
        .caption("GB/s, to the right is faster", (FONT, 18))
        .margin(MARGIN)
        .margin_right(260)
        .x_label_area_size(32)
        .y_label_area_size(LABELS)
        .build_cartesian_2d((low..high).log_scale(), 0.0..rows.len() as f64)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .y_labels(0)
        .light_line_style(WHITE)
        .x_label_formatter(&|speed| format!("{speed}"))
        .label_style((FONT, 13))
        .draw()?;
    for (at, row) in rows.iter().enumerate() {
        let height = rows.len() as f64 - at as f64 - 0.5;
        let line = [(low, height), (high, height)];
        chart.draw_series([PathElement::new(line, RGBColor(225, 225, 225))])?;
        let (_, y) = chart.backend_coord(&(low, height));
        root.draw(&Text::new(
            row.workload.clone(),
            (MARGIN, y - 7),
            (FONT, 14),
        ))?;
    }
    for (name, color) in DRAWN {
        let points = rows
            .iter()
            .enumerate()
            .filter_map(|(at, row)| Some((row.speed(name)?, rows.len() as f64 - at as f64 - 0.5)));
        chart.draw_series(points.map(|point| Circle::new(point, 6, color.filled())))?;
    }
    legend(&root, 1080 - 250)?;
    root.present()?;
    Ok(())
}

fn legend(
    root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    left: i32,
) -> Result<(), BoxError> {
    for (at, (name, color)) in DRAWN.iter().enumerate() {
        let y = 60 + 24 * at as i32;
        root.draw(&Circle::new((left, y), 6, color.filled()))?;
        root.draw(&Text::new(*name, (left + 14, y - 7), (FONT, 14)))?;
    }
    Ok(())
}

/// The powers of ten around these.
fn decades(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    if low > high {
        (1.0, 10.0)
    } else {
        (
            10f64.powf(low.log10().floor()),
            10f64.powf(high.log10().ceil()),
        )
    }
}

/// Time against size, both logarithmic: a quadratic line is twice as steep.
fn draw_sizes(path: &Path, curves: &[Curve]) -> Result<(), BoxError> {
    const CASES: [(&str, &str); 2] = [
        ("one event, 1 KiB chunks", "One event, 1 KiB chunks"),
        ("one line, 16 B chunks", "One event, 16 B chunks"),
    ];
    let root = SVGBackend::new(path, (1280, 480)).into_drawing_area();
    root.fill(&WHITE)?;
    let (panels, _) = root.split_horizontally(1020);
    for (panel, (case, caption)) in panels.split_evenly((1, CASES.len())).iter().zip(CASES) {
        let curves: Vec<&Curve> = curves.iter().filter(|curve| curve.case == case).collect();
        draw_growth(panel, caption, &curves)?;
    }
    legend(&root, 1030)?;
    root.present()?;
    Ok(())
}

fn draw_growth(
    panel: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    caption: &str,
    curves: &[&Curve],
) -> Result<(), BoxError> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let times: Vec<f64> = points().map(|(_, time)| time / 1e6).collect();
    let sizes: Vec<f64> = points().map(|(size, _)| in_kib(*size)).collect();
    let (low, high) = decades(&times);
    let smallest = sizes.iter().copied().fold(f64::INFINITY, f64::min).min(1e6);
    let largest = sizes.iter().copied().fold(2.0 * smallest, f64::max);
    let mut chart = ChartBuilder::on(panel)
        .caption(caption, (FONT, 18))
        .margin(MARGIN)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(
            (smallest..largest).log_scale().base(4.0),
            (low..high).log_scale(),
        )?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("size of the event, KiB")
        .y_desc("ms")
        .x_label_formatter(&|size| format!("{size:.0}"))
        .y_label_formatter(&|time| format!("{time}"))
        .label_style((FONT, 13))
        .draw()?;
    for (name, color) in DRAWN {
        let Some(curve) = curves.iter().find(|curve| curve.name == name) else {
            continue;
        };
        let points = curve
            .points
            .iter()
            .map(|(size, time)| (in_kib(*size), time / 1e6));
        chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?;
        chart.draw_series(points.map(|point| Circle::new(point, 4, color.filled())))?;
    }
    Ok(())
}

fn in_kib(size: usize) -> f64 {
    size as f64 / 1024.0
}
