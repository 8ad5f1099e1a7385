//! What is drawn: counts, the last hour, agents, what waits, outcomes.

use std::time::Instant;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table, TableState};

use super::seen::{Agent, Seen};
use super::state::{Freshness, State};
use crate::cli::terminal::{Colour, colour_of};

/// Lines of the counts.
const COUNTS_LINES: u16 = 2;
/// Lines of the last hour, its frame among them.
const HOUR_LINES: u16 = 6;
/// In a window of fewer lines, the last hour is left out.
const HOUR_FROM_LINES: u16 = 24;
/// Lines of what waits, its frame among them.
const QUEUE_LINES: u16 = 9;
/// In a window of fewer lines, what waits is left out.
const QUEUE_FROM_LINES: u16 = 18;
/// In a window of fewer columns, an agent is told of in few words.
const WHOLE_FROM_COLUMNS: u16 = 84;

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, now: Instant) {
    let lines = frame.area().height;
    let part = |wanted: u16, from: u16| Constraint::Length(if lines >= from { wanted } else { 0 });
    let [title, counts, hour, agents, queue, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(COUNTS_LINES),
        part(HOUR_LINES, HOUR_FROM_LINES),
        Constraint::Min(0),
        part(QUEUE_LINES, QUEUE_FROM_LINES),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    draw_title(frame, state, now, title);
    draw_counts(frame, &state.seen, counts);
    draw_hour(frame, state, hour);
    draw_agents(frame, state, agents);
    let [left, right] = Layout::horizontal([Constraint::Percentage(60), Constraint::Percentage(40)]).areas(queue);
    draw_queue(frame, &state.seen, left);
    draw_outcomes(frame, &state.seen, right);
    draw_keys(frame, state, keys);
}

fn styled(state: &State, colour: Colour) -> Style {
    let plain = Style::new();
    match colour {
        Colour::Plain => plain,
        Colour::Faint => plain.add_modifier(Modifier::DIM),
        _ if !state.colours => plain,
        Colour::Good => plain.fg(Color::Green),
        Colour::Bad => plain.fg(Color::Red),
        Colour::Busy => plain.fg(Color::Yellow),
    }
}

fn draw_title(frame: &mut Frame<'_>, state: &State, now: Instant, area: Rect) {
    let fresh = match state.freshness(now) {
        Freshness::Live => Span::styled("live", styled(state, Colour::Good)),
        Freshness::Stale(since) => {
            let why = state.trouble.as_deref().unwrap_or("the master is silent");
            let said = format!("STALE for {}: {why}; trying again", age(since.as_secs()));
            Span::styled(said, styled(state, Colour::Bad).add_modifier(Modifier::REVERSED))
        }
    };
    let line = Line::from(vec!["Enclos ".bold(), Span::raw(state.url.as_str()), Span::raw("  "), fresh]);
    frame.render_widget(line, area);
}

fn draw_counts(frame: &mut Frame<'_>, seen: &Seen, area: Rect) {
    let capacity = seen.capacity().map(|slots| format!("/{slots}")).unwrap_or_default();
    let finished = seen.finished.map(|count| format!("   finished {count}")).unwrap_or_default();
    let agents =
        seen.connected.map(|(connected, lost)| format!("   agents {connected}, {lost} lost")).unwrap_or_default();
    let [accepted, ended, refused] = seen.rates;
    let [waits, runs] = [seen.waits_ms, seen.runs_ms].map(|[p50, p99]| format!("{} / {}", millis(p50), millis(p99)));
    let lines = vec![
        Line::from(format!("queued {}   running {}{capacity}{finished}{agents}", seen.queued, seen.running)),
        Line::from(format!(
            "accepted {accepted:.1}/s   ended {ended:.1}/s   refused {refused:.1}/s   wait p50/p99 {waits}   run {runs}"
        )),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

fn draw_hour(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let halves = Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas::<2>(area);
    let graphs = [("ended in 10 s", &state.hour.ended), ("queued", &state.hour.queued)];
    for ((name, points), area) in graphs.into_iter().zip(halves) {
        // The newest to the right; as many steps to a column as it takes for the hour to fit.
        let columns = usize::from(area.width.saturating_sub(2)).max(1);
        let steps = points.chunks(points.len().div_ceil(columns).max(1));
        let mut data: Vec<u64> = steps.map(|steps| steps.iter().copied().max().unwrap_or(0)).collect();
        let unused = columns.saturating_sub(data.len());
        data.splice(0..0, vec![0; unused]);
        let most = points.iter().copied().max().unwrap_or(0);
        let title = format!(" {name}, the last hour, at most {most} ");
        let graph = Sparkline::default().data(&data).block(Block::bordered().title(title));
        frame.render_widget(graph.style(styled(state, Colour::Good)), area);
    }
}

fn draw_agents(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let title = format!(" agents ({}) ", state.agents().len());
    let block = Block::bordered().title(title);
    let none = match &state.seen.agents {
        None => Some("a key with the scope 'operate' sees the agents"),
        Some(agents) if agents.is_empty() => Some("no agents; enclos-agent --master URL joins one"),
        Some(_) => None,
    };
    if let Some(none) = none {
        return frame.render_widget(Paragraph::new(none).block(block), area);
    }
    let is_whole = area.width >= WHOLE_FROM_COLUMNS;
    let columns = || AGENT_COLUMNS.iter().filter(|(_, _, is_always)| is_whole || *is_always);
    let widths = columns().map(|(_, width, _)| match width {
        0 => Constraint::Fill(1),
        width => Constraint::Length(*width),
    });
    let headings = Row::new(columns().map(|(name, ..)| *name)).dim();
    let rows = state.agents().iter().map(|agent| {
        let cells = agent_cells(state, agent).into_iter().zip(AGENT_COLUMNS);
        Row::new(cells.filter(|(_, (_, _, is_always))| is_whole || *is_always).map(|(cell, _)| cell))
    });
    let chosen = Style::new().add_modifier(Modifier::REVERSED);
    let table = Table::new(rows, widths).header(headings).block(block).row_highlight_style(chosen);
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(state.place()));
}

/// Columns of the agents: a heading, a width (0: what is left), and whether it is there in a narrow window.
const AGENT_COLUMNS: [(&str, u16, bool); 9] = [
    ("agent", 0, true),
    ("state", 10, true),
    ("isolation", 10, false),
    ("running", 9, true),
    ("cpu", 5, true),
    ("memory", 6, true),
    ("sandboxes", 9, false),
    ("warm", 5, false),
    ("seen", 5, false),
];

fn agent_cells<'a>(state: &State, agent: &'a Agent) -> [Span<'a>; AGENT_COLUMNS.len()] {
    let Agent { name, state: how, isolation, running, busy, sandboxes, seen_s } = agent;
    [
        Span::raw(name.as_str()),
        Span::styled(how.as_str(), styled(state, colour_of(how))),
        Span::raw(isolation.as_str()),
        Span::raw(format!("{}/{}", running.0, running.1)),
        Span::raw(percent(busy.0)),
        Span::raw(percent(busy.1)),
        Span::raw(sandboxes.0.to_string()),
        Span::raw(sandboxes.1.to_string()),
        Span::raw(age(*seen_s)),
    ]
}

fn draw_queue(frame: &mut Frame<'_>, seen: &Seen, area: Rect) {
    let rows = seen.queue.iter().map(|row| {
        let (tenant, language, priority) = match &row.named {
            Some((tenant, language, priority)) => (tenant.as_str(), language.as_str(), priority.as_str()),
            None => ("(others)", "", ""),
        };
        let figures = [row.count.to_string(), age(row.oldest_ms / 1000)];
        Row::new([tenant, language, priority].map(ToOwned::to_owned).into_iter().chain(figures))
    });
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(12),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(6),
    ];
    let headings = Row::new(["tenant", "language", "priority", "queued", "oldest"]).dim();
    let table = Table::new(rows, widths).header(headings).block(Block::bordered().title(" queue "));
    frame.render_widget(table, area);
}

fn draw_outcomes(frame: &mut Frame<'_>, seen: &Seen, area: Rect) {
    let outcomes = seen.outcomes.iter().map(|(name, count)| (name.as_str(), count, ""));
    let refusals = seen.refusals.iter().map(|(name, count)| (name.as_str(), count, "refused: "));
    let lines: Vec<Line<'_>> =
        outcomes.chain(refusals).map(|(name, count, what)| Line::from(format!("{count:>8} {what}{name}"))).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" the last hour ")), area);
}

fn draw_keys(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let line = match (&state.asked, &state.told) {
        (Some(name), _) => {
            let asked = format!("Drain {name}? It ends what it has and takes no more jobs. y: yes, any other key: no");
            Line::styled(asked, styled(state, Colour::Busy).add_modifier(Modifier::BOLD))
        }
        (None, Some(Ok(done))) => Line::styled(done.as_str(), styled(state, Colour::Good)),
        (None, Some(Err(failed))) => Line::styled(failed.as_str(), styled(state, Colour::Bad)),
        (None, None) => Line::from("q quit   up/down choose an agent   d drain it").dim(),
    };
    frame.render_widget(line, area);
}

/// A part of 1.
pub(super) fn percent(part: f64) -> String {
    format!("{:.0}%", part * 100.0)
}

/// Whole seconds, in the largest unit that fits.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Milliseconds, or a dash where there are none.
pub(super) fn millis(of: Option<f64>) -> String {
    match of {
        None => "-".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
        Some(ms) if ms < 10_000.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{:.0} s", ms / 1000.0),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use serde_json::{Value, json};

    use super::super::feed::Update;
    use super::super::seen::Hour;
    use super::*;

    /// A cluster with something of everything.
    pub(in crate::cli::top) fn busy() -> Seen {
        let agent = |name: &str, state: &str, running: u64, cpu: f64| {
            json!({ "name": name, "state": state, "isolation": "runsc", "running": running,
                    "capacity": { "slots": 8 }, "load": { "cpu_busy": cpu, "memory_busy": 0.25 },
                    "sandboxes": 9, "warm": 4, "last_seen_ms": 1000 })
        };
        let row = |tenant: &Value, count: u64| json!({ "tenant": tenant, "language": "python", "priority": "normal", "count": count, "oldest_ms": 75_000 });
        Seen::of(&json!({
            "queued": 12, "running": 8, "finished": 12_345, "agents": 2, "agents_suspect": 1,
            "queue": [row(&json!("acme"), 9), row(&Value::Null, 3)],
            "rates": { "accepted_per_s": 12.3, "ended_per_s": 11.0, "refused_per_s": 0.5 },
            "waits": { "p50_ms": 3.2, "p99_ms": 812.0 }, "runs": { "p50_ms": 45.0, "p99_ms": 12_000.0 },
            "outcomes": { "ok": 900, "time_limit": 7 }, "refusals": { "overloaded": 3 },
            "agents_detail": [agent("node-1", "connected", 8, 0.97), agent("node-2", "draining", 0, 0.01), agent("node-3", "suspect", 0, 0.0)],
        }))
    }

    fn drawn(state: &State, now: Instant, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state, now)).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(line).collect::<Vec<_>>().join("\n")
    }

    fn state() -> (State, Instant) {
        let (mut state, now) = (State::new("http://127.0.0.1:7300", true), Instant::now());
        state.seen(busy(), now);
        let ended = (0..360).map(|n| n / 10).collect();
        state.update(Update::Hour(Hour { ended, queued: vec![0; 360] }), now);
        (state, now)
    }

    #[test]
    fn all_of_it_stands_on_a_usual_terminal() {
        let (state, now) = state();
        insta::assert_snapshot!(drawn(&state, now, 100, 30));
    }

    #[test]
    fn a_small_window_keeps_what_matters_most() {
        let (state, now) = state();
        for (width, height) in [(80, 24), (60, 16), (45, 10), (20, 5), (1, 1), (300, 100)] {
            let page = drawn(&state, now, width, height);
            assert!(height < 10 || page.contains("node-1"), "{width}x{height}:\n{page}");
        }
    }

    #[test]
    fn what_is_old_and_what_is_asked_is_said() {
        let (mut state, now) = state();
        state.update(Update::Lost("no master answers".into()), now);
        let page = drawn(&state, now + std::time::Duration::from_secs(61), 100, 30);
        assert!(page.lines().next().unwrap().contains("STALE for 1m: no master answers"), "{page}");
        state.asked = Some("node-1".into());
        assert!(drawn(&state, now, 100, 30).lines().last().unwrap().starts_with("Drain node-1?"));
        state.asked = None;
        state.told(Err("missing_scope: no".into()));
        assert!(drawn(&state, now, 100, 30).ends_with("missing_scope: no"));
    }

    #[test]
    fn who_may_not_see_agents_is_told_so() {
        let mut state = State::new("x", false);
        state.seen(Seen { agents: None, ..busy() }, Instant::now());
        assert!(drawn(&state, Instant::now(), 100, 30).contains("a key with the scope 'operate' sees the agents"));
    }

    #[test]
    fn spans_of_time_are_short() {
        assert_eq!([0, 59, 60, 3600, 172_800].map(age), ["0s", "59s", "1m", "1h", "2d"]);
        assert_eq!([None, Some(0.42), Some(812.0), Some(12_000.0)].map(millis), ["-", "0.4 ms", "812 ms", "12 s"]);
    }
}
