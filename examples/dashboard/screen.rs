//! The board on a terminal.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, LineGauge, List, Paragraph, Row, Sparkline, Table};
use tokio::time::Instant;

use crate::board::{Board, Connection, Series};

/// Columns of a price: its name, value and change.
const PRICE_WIDTH: u16 = 29;
/// Columns of its history, where the terminal is wide enough.
const HISTORY_WIDTH: u16 = 24;
const SPACING: u16 = 2;

pub(crate) fn draw(frame: &mut Frame<'_>, board: &Board) {
    let rows = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(board.prices.len().max(1) as u16 + 2),
        Constraint::Length(board.sensors.len().max(1) as u16 + 2),
        Constraint::Min(3),
        Constraint::Length(1),
    ]);
    let [head, prices, sensors, alerts, foot] = rows.areas(frame.area());
    frame.render_widget(connection(board), head);
    draw_prices(frame, board, prices);
    draw_sensors(frame, board, sensors);
    let list = List::new(board.alerts.iter().map(String::as_str));
    frame.render_widget(list.block(Block::bordered().title(" Alerts ")), alerts);
    let keys = " p pause, resume   r reconnect   q quit";
    frame.render_widget(Paragraph::new(keys.dim()), foot);
}

fn connection(board: &Board) -> Line<'_> {
    let state = match &board.connection {
        Connection::Connecting => " connecting ".black().on_yellow(),
        Connection::Open => " open ".black().on_green(),
        Connection::Paused => " paused ".black().on_cyan(),
        Connection::Waiting(..) => " waiting ".black().on_yellow(),
    };
    let mut line = Line::from(vec![state, Span::raw(format!(" {} events", board.events))]);
    if let Connection::Waiting(until, reason) = &board.connection {
        let seconds = until
            .saturating_duration_since(Instant::now())
            .as_secs_f64();
        line.push_span(format!(", again in {seconds:.1} s: {reason}"));
    }
    line
}

fn draw_prices(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let block = Block::bordered().title(" Prices ");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let history_width = HISTORY_WIDTH.min(inner.width.saturating_sub(PRICE_WIDTH + SPACING));
    let columns = Layout::horizontal([
        Constraint::Min(PRICE_WIDTH),
        Constraint::Length(history_width),
    ])
    .spacing(SPACING);
    let [table, histories] = columns.areas(inner);
    let rows = board.prices.iter().map(|(symbol, price)| {
        let change = price.change();
        Row::new([
            Line::raw(symbol.as_str()),
            Line::raw(format!("{:.2}", price.latest())).right_aligned(),
            Line::styled(format!("{change:+.2}"), colour(change)).right_aligned(),
        ])
    });
    let widths = [
        Constraint::Min(8),
        Constraint::Length(10),
        Constraint::Length(9),
    ];
    frame.render_widget(Table::new(rows, widths), table);
    for (price, line) in board.prices.values().zip(histories.rows()) {
        frame.render_widget(history(price, history_width), line);
    }
}

/// A row of bars: from the lowest value in it to the highest.
fn history(series: &Series, width: u16) -> Sparkline<'static> {
    let latest = series.values.iter().rev().take(width.into()).rev();
    let (low, high) = latest
        .clone()
        .fold((f64::MAX, f64::MIN), |(low, high), &value| {
            (low.min(value), high.max(value))
        });
    let bar = |value: &f64| 1 + ((value - low) / (high - low).max(f64::EPSILON) * 7.0) as u64;
    Sparkline::default()
        .data(latest.map(bar).collect::<Vec<_>>())
        .max(8)
        .fg(Color::Blue)
}

fn draw_sensors(frame: &mut Frame<'_>, board: &Board, area: Rect) {
    let block = Block::bordered().title(" Sensors ");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    for ((name, sensor), line) in board.sensors.iter().zip(inner.rows()) {
        let label = format!("{name:<8} {:>6.1} {:<3}", sensor.latest(), sensor.unit);
        let gauge = LineGauge::default()
            .ratio((sensor.latest() / 100.0).clamp(0.0, 1.0))
            .label(label)
            .filled_style(Color::Green);
        frame.render_widget(gauge, line);
    }
}

fn colour(change: f64) -> Style {
    match change {
        up if up > 0.0 => Color::Green.into(),
        down if down < 0.0 => Color::Red.into(),
        _ => Style::new(),
    }
}
