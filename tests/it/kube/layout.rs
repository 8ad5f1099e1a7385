//! One pod of the overlay `dev`, on this host's engine: what it offers, and what holds it.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::site::Site;
use crate::cluster::{Cluster, TOKEN, look_until};

const MIB: u64 = 1 << 20;
/// Takes as much memory as its argument says, in MiB, and touches all of it.
const TAKES: &str = "import time\nkept = bytearray(MIB * 1048576)\nfor at in range(0, len(kept), 4096): kept[at] = 1\n\
                     print('took', flush=True)\ntime.sleep(SECONDS)\n";

fn takes(mib: u64, seconds: u32) -> String {
    TAKES.replace("MIB", &mib.to_string()).replace("SECONDS", &seconds.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_offers_its_limits_and_holds_its_sandboxes() {
    let site = Site::new().await;
    // What makes authority and first key runs at every start, and finds them there.
    let keys = site.as_operator(&["keys", "list"]).await;
    site.as_operator(&["pki", "init", "--if-missing"]).await;
    let again = ["keys", "create", "--tenant=operator", "--scope=operate", "--into=/var/lib/enclos/first-key"];
    assert_eq!(site.as_operator(&again).await, "", "no key is made");
    assert_eq!(site.as_operator(&["keys", "list"]).await, keys);
    let pod = site.agent(0, &[]).await;

    // The engine's container has 1500m and 2560Mi; 500m are for supervisors and engine, 512 MiB for the engine, and
    // two sandboxes of 192 MiB for each of two slots beside the jobs.
    let agent = site.agent_of("enclos-agent-0").await;
    let capacity = &agent["capacity"];
    assert_eq!((&capacity["cpus"], &capacity["slots"]), (&json!(1.0), &json!(2)), "{agent:#}");
    assert_eq!(capacity["memory_bytes"], (2560 - 512 - 4 * 192) * MIB, "{agent:#}");

    // It counts what a sandbox takes.
    let limits = json!({"memory_bytes": 700 * MIB, "wall_ms": 30_000});
    let id = site.submit(&takes(600, 0), limits.clone()).await;
    let job = site.finished(&id).await;
    assert_eq!((&job["outcome"], &job["run"]["stdout"]), (&json!("ok"), &json!("took\n")), "{job:#}");
    assert!(pod.memory("memory.max_usage_in_bytes") >= 600 * MIB);

    // It holds it: the job may have 700 MiB, and its pod has no more than 300 on top of what is in use.
    let bound = pod.memory("memory.usage_in_bytes") + 300 * MIB;
    pod.limit_memory(bound);
    let failed = pod.memory("memory.failcnt");
    let id = site.submit(&takes(650, 20), limits.clone()).await;
    let held = look_until(Duration::from_secs(60), || async {
        (pod.memory("memory.failcnt") > failed).then(|| pod.memory("memory.usage_in_bytes"))
    });
    let used = held.await.expect("the pod's cgroup refuses the sandbox memory");
    assert!(used <= bound, "{used} of {bound}");
    site.cancel(&id).await;
    let job = site.finished(&id).await;
    assert_ne!(job["outcome"], "ok", "{job:#}");
    pod.limit_memory(4096 * MIB);

    site.end(vec![pod]).await;
}

/// The host's own engine is in no pod: an agent that is told so anyway has sandboxes that no pod holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_is_beneath_no_pod_refuses_the_start() {
    let cluster = Cluster::master_only().await;
    let name = format!("it-pod-{}", std::process::id());
    let pod = ["--pod", "--pod-cpu-millis=1500", "--pod-memory-bytes=4294967296", "--slots=1", "--warm=0"];
    let mut agent = cluster.agent_process(&cluster.link_url(), &name, TOKEN, &pod);
    let status = timeout(Duration::from_secs(120), agent.wait()).await.expect("it ends").expect("it has a status");
    let log = cluster.whole_log();
    assert!(!status.success() && log.contains("the probe is outside of it in"), "{log}");
    crate::engine::assert_nothing_left(&name).await;
    cluster.shutdown().await;
}
