//! A program that ran on a real agent, its end verified by the published library of Standard Webhooks.

use serde_json::{Value, json};

use super::{ALLOW, Receiver, told_to};
use crate::cluster::Cluster;
use crate::engine;
use crate::keys::Keyed;

/// As docs/callbacks.md has it, and what it must refuse.
const VERIFY: &str = r#"
import json
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

told = json.load(open("told.json"))
hook = Webhook(told["secret"])
job = hook.verify(told["body"], told["headers"])
print(job["id"], job["run"]["stdout"].strip())
for changed in [told["body"] + " ", told["body"].replace("42", "43")]:
    try:
        hook.verify(changed, told["headers"])
        print("taken")
    except WebhookVerificationError:
        print("refused")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_published_library_takes_what_is_told_and_nothing_else() {
    let mut receiver = Receiver::answering(200).await;
    let keyed = Keyed(Cluster::master_with(&ALLOW).await);
    let Keyed(mut cluster) = keyed;
    cluster.start_agent(&["--slots", "2", "--languages", "python", "--warm", "0"]).await;
    let job = cluster.run(&told_to(&receiver.url)).await;
    assert_eq!(job["outcome"], "ok", "{job:#}\n{}", cluster.logs());
    let told = receiver.told().await;
    let keyed = Keyed(cluster);
    let secret = keyed.printed(&["callbacks", "secret"]).await;
    let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| (name, told.header(name)));
    let headers: Value = headers.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let body = std::str::from_utf8(&told.body).expect("it is text");
    let told = json!({ "secret": secret, "headers": headers, "body": body }).to_string();
    let verifying = json!({
        "language": "python",
        "files": [{ "path": "main.py", "content": VERIFY }, { "path": "told.json", "content": told }],
        "entry": "main.py",
        "dependencies": { "python": ["standardwebhooks==1.1.0"] },
    });
    let Keyed(cluster) = keyed;
    let verified = cluster.run(&verifying).await;
    let id = job["id"].as_str().expect("an id");
    let expected = format!("{id} 42\nrefused\nrefused\n");
    assert_eq!(verified["run"]["stdout"], expected, "{verified:#}\n{}", cluster.logs());
    let agent = cluster.agents[0].name.clone();
    cluster.shutdown().await;
    engine::remove_derived_of(&agent).await;
}
