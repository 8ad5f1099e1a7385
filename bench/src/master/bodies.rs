//! Large jobs that wait: their bytes are on the disk, not in memory.

use serde_json::json;

use super::Outcome;
use super::client::Client;
use crate::processes::Master;

/// Bytes of each program.
const SOURCE_BYTES: usize = 1 << 20;
/// What the master may gain while they wait, whatever their number, in bytes: bodies on their way, and what an
/// allocator keeps of them.
const GAIN_BYTES_MAX: u64 = 96 << 20;

/// No agent is connected: all of them wait.
pub async fn measure(master: &Master, jobs: u32) -> Outcome<()> {
    let mut client = Client::connect(&master.address()).await?;
    let body = json!({ "language": "python", "source": "#".repeat(SOURCE_BYTES) }).to_string();
    // The first have their buffers made.
    for _ in 0..8 {
        queued(&mut client, &body).await?;
    }
    let before = master.resident_bytes()?;
    for _ in 0..jobs {
        queued(&mut client, &body).await?;
    }
    let gained = master.resident_bytes()?.saturating_sub(before);
    println!("{jobs} jobs of 1 MiB each wait: the master has {:.1} MB more than before them.", gained as f64 / 1e6);
    if gained > GAIN_BYTES_MAX {
        Err(format!("the master holds {gained} bytes more for jobs that wait").into())
    } else {
        Ok(())
    }
}

async fn queued(client: &mut Client, body: &str) -> Outcome<()> {
    match client.post("/v1/jobs", body).await? {
        (201, job) if job["state"] == "queued" => Ok(()),
        (status, job) => Err(format!("answered {status}: {job}").into()),
    }
}
