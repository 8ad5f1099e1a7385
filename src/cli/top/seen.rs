//! What the master said of how it goes. Every text of it is made harmless here, once: names come from
//! clients and agents, and a terminal acts on what it is sent.

use serde_json::Value;

use super::super::terminal::harmless_line;

/// Longest text that is kept, in characters.
const TEXT_CHARS_MAX: usize = 64;
/// Rows of any list that are kept.
const ROWS_MAX: usize = 1000;

/// An agent.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub state: String,
    /// Of its sandboxes.
    pub isolation: String,
    /// Jobs that it holds, of so many.
    pub running: (u64, u64),
    /// How busy its processors and its memory are, 0 to 1.
    pub busy: (f64, f64),
    /// Sandboxes that live, and those among them that wait.
    pub sandboxes: (u64, u64),
    /// How long ago it last spoke, in seconds.
    pub seen_s: u64,
}

/// Jobs of one tenant, language and class that wait.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Row {
    /// Whose, in which language, how urgent; the rest has no names.
    pub named: Option<(String, String, String)>,
    /// How many.
    pub count: u64,
    /// Age of the oldest, in milliseconds.
    pub oldest_ms: u64,
}

/// How it goes.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Seen {
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs at agents.
    pub running: u64,
    /// Jobs that ended, ever.
    pub finished: Option<u64>,
    /// Agents that are connected, and those that are not any more.
    pub connected: Option<(u64, u64)>,
    /// In a second: came, ended, refused.
    pub rates: [f64; 3],
    /// Half, and all but one of a hundred, waited no longer; in milliseconds.
    pub waits_ms: [Option<f64>; 2],
    /// And took no longer.
    pub runs_ms: [Option<f64>; 2],
    /// What waits.
    pub queue: Vec<Row>,
    /// Outcomes of the last hour.
    pub outcomes: Vec<(String, u64)>,
    /// Refusals of the last hour.
    pub refusals: Vec<(String, u64)>,
    /// The agents; `None`: this key is not told of them.
    pub agents: Option<Vec<Agent>>,
}

/// The last hour: what ended in each step, and what waited at its end.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hour {
    /// Jobs that ended, the newest last; 0 where nothing is known.
    pub ended: Vec<u64>,
    /// Jobs that waited.
    pub queued: Vec<u64>,
}

impl Seen {
    /// What an answer or an event says.
    #[must_use]
    pub fn of(stats: &Value) -> Self {
        let counts = |name: &str| stats[name].as_object().into_iter().flatten().map(count).take(ROWS_MAX).collect();
        let quantiles = |name: &str| [stats[name]["p50_ms"].as_f64(), stats[name]["p99_ms"].as_f64()];
        let rate = |name: &str| stats["rates"][name].as_f64().unwrap_or_default();
        let (connected, lost) = (stats["agents"].as_u64(), stats["agents_suspect"].as_u64());
        Self {
            queued: number(&stats["queued"]),
            running: number(&stats["running"]),
            finished: stats["finished"].as_u64(),
            connected: connected.zip(lost),
            rates: ["accepted_per_s", "ended_per_s", "refused_per_s"].map(rate),
            waits_ms: quantiles("waits"),
            runs_ms: quantiles("runs"),
            queue: list(&stats["queue"]).map(row).collect(),
            outcomes: counts("outcomes"),
            refusals: counts("refusals"),
            agents: stats["agents_detail"].is_array().then(|| list(&stats["agents_detail"]).map(agent).collect()),
        }
    }

    /// Jobs that the agents which take any take together.
    #[must_use]
    pub fn capacity(&self) -> Option<u64> {
        let agents = self.agents.as_ref()?.iter().filter(|agent| agent.state == "connected");
        Some(agents.map(|agent| agent.running.1).sum())
    }
}

impl Hour {
    /// What an answer says.
    #[must_use]
    pub fn of(history: &Value) -> Self {
        let points = |name: &str| list(&history[name]).map(number).collect();
        Self { ended: points("ended"), queued: points("queued") }
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten().take(ROWS_MAX)
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn text(value: &Value) -> String {
    plain(value.as_str().unwrap_or_default())
}

fn plain(text: &str) -> String {
    harmless_line(text).chars().take(TEXT_CHARS_MAX).collect()
}

fn count((name, times): (&String, &Value)) -> (String, u64) {
    (plain(name), number(times))
}

fn row(row: &Value) -> Row {
    let named = row["tenant"].is_string();
    Row {
        named: named.then(|| (text(&row["tenant"]), text(&row["language"]), text(&row["priority"]))),
        count: number(&row["count"]),
        oldest_ms: number(&row["oldest_ms"]),
    }
}

fn agent(agent: &Value) -> Agent {
    let part = |name: &str| agent["load"][name].as_f64().unwrap_or_default().clamp(0.0, 1.0);
    Agent {
        name: text(&agent["name"]),
        state: text(&agent["state"]),
        isolation: text(&agent["isolation"]),
        running: (number(&agent["running"]), number(&agent["capacity"]["slots"])),
        busy: (part("cpu_busy"), part("memory_busy")),
        sandboxes: (number(&agent["sandboxes"]), number(&agent["warm"])),
        seen_s: number(&agent["last_seen_ms"]) / 1000,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_cannot_harm_a_terminal_and_take_no_more_than_their_room() {
        let seen = Seen::of(&json!({
            "queue": [{ "tenant": "a\u{1b}[2J", "language": "\r\nc", "priority": "low", "count": 1, "oldest_ms": 5 }],
            "outcomes": { "\u{202e}ok": 1 },
            "agents_detail": [{ "name": "x".repeat(1000), "state": "\u{7}" }],
        }));
        assert_eq!(seen.queue[0].named, Some(("a␛[2J".into(), " c".into(), "low".into())));
        assert_eq!(seen.outcomes[0].0, "\u{fffd}ok");
        let agent = &seen.agents.unwrap()[0];
        assert_eq!((agent.name.len(), agent.state.as_str()), (TEXT_CHARS_MAX, "␇"));
    }

    #[test]
    fn what_is_missing_or_of_another_kind_is_nothing() {
        for odd in [json!({}), json!(null), json!({ "queue": 1, "agents_detail": {}, "rates": [] })] {
            assert_eq!(Seen::of(&odd), Seen::default(), "{odd}");
        }
        assert_eq!(Hour::of(&json!({ "ended": [null, 2] })), Hour { ended: vec![0, 2], queued: vec![] });
    }

    #[test]
    fn what_drains_takes_no_jobs() {
        let agent = |state: &str| json!({ "state": state, "capacity": { "slots": 4 } });
        let seen = Seen::of(&json!({ "agents_detail": [agent("connected"), agent("draining"), agent("suspect")] }));
        assert_eq!((seen.capacity(), Seen::default().capacity()), (Some(4), None));
    }
}
