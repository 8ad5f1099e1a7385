//! Debian's Prometheus and its tool, as programs.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::cluster::{free_port, look_until};
use crate::tidy::root;

/// Longest that it may take to be ready.
const READY_WAIT: Duration = Duration::from_secs(60);

/// The path of a program of the package `prometheus`: installed, or as `scripts/setup.sh test` unpacks it.
fn program(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_enclos")).ancestors().nth(2).expect("it is below the target directory");
    let places = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&places).map(|folder| folder.join(name));
    let mut all = installed.chain([target.join("prometheus/usr/bin").join(name)]);
    all.find(|path| path.is_file()).unwrap_or_else(|| panic!("{name} is not there: run `scripts/setup.sh test`"))
}

/// Runs the tool in the root of the repository, with this on its standard input; it must have nothing to say.
pub async fn check(args: &[&str], input: &str) {
    let mut tool = Command::new(program("promtool"));
    tool.args(args).current_dir(root()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = tool.kill_on_drop(true).spawn().expect("the tool starts");
    let mut stdin = running.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).await.expect("the tool reads");
    drop(stdin);
    let output = running.wait_with_output().await.expect("the tool ends");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "promtool {args:?}: {}\n{said}", output.status);
    // It says what it looks at and that it is well; a lint that it only warns of says more.
    let odd =
        said.lines().filter(|line| !["", "Checking", "SUCCESS", "Unit"].iter().any(|w| line.trim().starts_with(w)));
    assert_eq!(odd.collect::<Vec<_>>(), Vec::<&str>::new(), "promtool {args:?}");
}

/// A server that scrapes one master each second, and evaluates the rules of the repository.
pub struct Prometheus {
    url: String,
    http: reqwest::Client,
    _process: Child,
    _data: TempDir,
}

impl Prometheus {
    /// Starts one for the metrics at this port, and waits until it is ready.
    pub async fn start(metrics_port: u16) -> Self {
        let data = TempDir::new().expect("a temporary directory can be made");
        let rules = root().join(super::files::FOLDER);
        let configuration = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: [\"{0}/recording.yml\", \"{0}/alerts.yml\"]\n\
             scrape_configs:\n  - job_name: enclos\n    static_configs: [{{ targets: [\"127.0.0.1:{metrics_port}\"] }}]\n",
            rules.display()
        );
        let file = data.path().join("prometheus.yml");
        std::fs::write(&file, configuration).expect("the file can be written");
        let port = free_port();
        let log = std::fs::File::create(data.path().join("log")).expect("the log can be made");
        let process = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.path().join("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("Prometheus starts");
        let http = enclos_tls::client::http(None).build().expect("a client can be made");
        let server = Self { url: format!("http://127.0.0.1:{port}"), http, _process: process, _data: data };
        let ready = || async {
            let answer = server.http.get(format!("{}/-/ready", server.url)).send().await;
            answer.is_ok_and(|answer| answer.status().is_success()).then_some(())
        };
        assert!(look_until(READY_WAIT, ready).await.is_some(), "Prometheus is ready");
        server
    }

    /// The JSON that its API answers.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.url)).expect("it is a URL");
        url.query_pairs_mut().extend_pairs(query);
        let answer = self.http.get(url).send().await.expect("Prometheus answers");
        answer.json().await.expect("it answers in JSON")
    }

    /// Values of an instant query that are numbers.
    pub async fn values(&self, expression: &str) -> Vec<f64> {
        let answer = self.get("/api/v1/query", &[("query", expression)]).await;
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let result = answer["data"]["result"].as_array().expect("a query has a result").iter();
        let values = result.filter_map(|series| series["value"][1].as_str()?.parse::<f64>().ok());
        values.filter(|value| value.is_finite()).collect()
    }
}
