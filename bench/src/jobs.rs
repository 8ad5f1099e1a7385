//! Jobs through a running master, beside bare processes and a container for each job.

use std::time::{Duration, Instant};

use clap::Args;
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::bare::Rootfs;
use crate::stats::{Series, ms, ratio};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Args)]
pub struct JobsArgs {
    /// The master
    #[arg(long, env = "ENCLOS_URL", default_value = "http://127.0.0.1:7300")]
    url: String,
    /// Jobs per latency series
    #[arg(long, default_value_t = 40)]
    count: usize,
    /// Jobs per throughput series
    #[arg(long, default_value_t = 200)]
    load: usize,
    /// Clients of a throughput series
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// Containers per series of the container-per-job way
    #[arg(long, default_value_t = 10)]
    containers: usize,
}

/// One hello program and how to run it without Enclos.
pub struct Hello {
    pub language: &'static str,
    image: &'static str,
    file: &'static str,
    pub source: &'static str,
    commands: &'static [&'static [&'static str]],
}

pub const HELLOS: [Hello; 4] = [
    Hello {
        language: "c",
        image: "gcc",
        file: "main.c",
        source: "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n",
        commands: &[&["gcc", "-std=gnu17", "-O2", "-pipe", "-o", "main", "main.c", "-lm", "-lpthread"], &["./main"]],
    },
    Hello {
        language: "cpp",
        image: "gcc",
        file: "main.cpp",
        source: "#include <iostream>\nint main() { std::cout << \"hello\\n\"; }\n",
        commands: &[&["g++", "-std=gnu++20", "-O2", "-pipe", "-o", "main", "main.cpp", "-lpthread"], &["./main"]],
    },
    Hello {
        language: "java",
        image: "openjdk",
        file: "Main.java",
        source: "class Main { public static void main(String[] a) { System.out.println(\"hello\"); } }\n",
        commands: &[&["javac", "-encoding", "UTF-8", "-d", ".", "Main.java"], &["java", "-cp", ".", "Main"]],
    },
    Hello {
        language: "python",
        image: "python",
        file: "main.py",
        source: "print('hello')\n",
        commands: &[&["python3", "-B", "main.py"]],
    },
];

impl Hello {
    fn submission(&self, n: usize, scopes: Option<usize>) -> Value {
        let mut submission = json!({ "language": self.language, "source": self.source });
        if let Some(scopes) = scopes {
            submission["scope"] = json!(format!("user-{}", n % scopes));
        }
        submission
    }

    fn commands(&self) -> Vec<Vec<String>> {
        self.commands.iter().map(|c| c.iter().map(|&w| w.to_owned()).collect()).collect()
    }

    fn script(&self) -> String {
        let commands: Vec<String> = self.commands.iter().map(|c| c.join(" ")).collect();
        format!("cat > {} && {}", self.file, commands.join(" && "))
    }

    pub fn check(&self, said: &[u8]) -> Outcome<()> {
        if said == b"hello\n" { Ok(()) } else { Err(format!("{}: wrong answer {said:?}", self.language).into()) }
    }
}

pub fn run(args: &JobsArgs) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client { http: enclos_tls::client::http(None).build()?, url: args.url.clone() };
        latency(&client, args).await?;
        throughput(&client, args).await
    })
}

/// The newest of our images with this name, as the engine's client lists it.
pub fn image_named(name: &str) -> Outcome<String> {
    let format = "{{.Repository}}:{{.Tag}}";
    let listed = std::process::Command::new("docker").args(["images", "--format", format]).output()?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let prefix = format!("enclos/{name}:");
    let found = text.lines().find(|line| line.starts_with(&prefix)).map(str::to_owned);
    found.ok_or_else(|| format!("no image {prefix}…: run 'enclos images build'").into())
}

async fn latency(client: &Client, args: &JobsArgs) -> Outcome<()> {
    const WARM_UP: usize = 5;
    println!(
        "| hello, one client | bare p50 ms | Enclos p50 | p95 | p99 | against bare p50 | `docker run` p50 ms | against bare |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for hello in &HELLOS {
        let rootfs = Rootfs::start(&image_named(hello.image)?)?;
        let (mut ours, mut bare, mut contained) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..WARM_UP + args.count {
            let begun = Instant::now();
            client.hello(hello, n, None).await?;
            let time = begun.elapsed();
            let (said, bare_time) = rootfs.run(hello.file, hello.source, &hello.commands())?;
            hello.check(&said)?;
            if n >= WARM_UP {
                ours.push(time);
                bare.push(bare_time);
            }
        }
        for _ in 0..args.containers {
            let (said, time) = rootfs.run_container(hello.source, &hello.script())?;
            hello.check(&said)?;
            contained.push(time);
        }
        let (ours, bare, contained) = (Series::of(ours), Series::of(bare), Series::of(contained));
        let base = bare.percentile(50);
        println!(
            "| {} | {} | {} | {} | {} | **{}** | {} | {} |",
            hello.language,
            ms(base),
            ms(ours.percentile(50)),
            ms(ours.percentile(95)),
            ms(ours.percentile(99)),
            ratio(ours.percentile(50), base),
            ms(contained.percentile(50)),
            ratio(contained.percentile(50), base),
        );
    }
    Ok(())
}

async fn throughput(client: &Client, args: &JobsArgs) -> Outcome<()> {
    println!("\n| hello, {} clients | jobs/s |", args.clients);
    println!("|---|---|");
    for hello in &HELLOS {
        let rate = client.load(hello, args, None).await?;
        println!("| {} | {rate:.1} |", hello.language);
    }
    let python = &HELLOS[3];
    let rate = client.load(python, args, Some(args.load / 2)).await?;
    println!("| python, {} scopes | {rate:.1} |", args.load / 2);
    Ok(())
}

struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    async fn hello(&self, hello: &Hello, n: usize, scopes: Option<usize>) -> Outcome<()> {
        let url = format!("{}/v1/jobs?wait_ms=60000", self.url);
        let response = self.http.post(url).json(&hello.submission(n, scopes)).send().await?;
        let job: Value = response.json().await?;
        match job["run"]["stdout"].as_str() {
            Some(said) => hello.check(said.as_bytes()),
            None => Err(format!("{}: {job}", hello.language).into()),
        }
    }

    /// Jobs per second with several clients, each sending its next job when the last is answered.
    async fn load(&self, hello: &Hello, args: &JobsArgs, scopes: Option<usize>) -> Outcome<f64> {
        for n in 0..args.clients {
            self.hello(hello, n, scopes).await?;
        }
        let begun = Instant::now();
        let mut answers =
            futures::stream::iter(0..args.load).map(|n| self.hello(hello, n, scopes)).buffer_unordered(args.clients);
        while let Some(answer) = answers.next().await {
            answer?;
        }
        let elapsed: Duration = begun.elapsed();
        Ok(args.load as f64 / elapsed.as_secs_f64())
    }
}
