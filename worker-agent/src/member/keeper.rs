//! Renews the certificate: at half of its life, and again and again if that fails.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use enclos_protocol::ids::AgentName;
use enclos_protocol::join::{RENEW_PATH, RenewRequest};
use enclos_tls::certificate::Facts;
use enclos_tls::request::Request;
use tokio::sync::watch;
use tokio::time::sleep;

use super::exchange::exchange;
use super::kept::Kept;
use super::{Access, MemberError};
use crate::config::Config;
use crate::sandbox::chain;

/// Longest sleep: the clock of this machine may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(3600);
/// Shortest pause between two tries.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Tries in the time from half of a life to its end, about.
const TRIES: u32 = 100;

/// Keeps an agent a member.
#[derive(Debug)]
pub struct Keeper {
    name: AgentName,
    master: String,
    dir: PathBuf,
    facts: Facts,
    access: watch::Sender<Access>,
}

impl Keeper {
    pub(super) fn new(config: &Config, dir: PathBuf, kept: Kept, access: watch::Sender<Access>) -> Self {
        let (name, master) = (config.name.clone(), config.master.clone());
        Self { name, master, dir, facts: kept.facts().clone(), access }
    }

    /// Runs until it is dropped: it holds nothing that a drop would break.
    pub async fn run(self) {
        let keeper = &self;
        keep(self.facts.clone(), || keeper.renew()).await;
    }

    async fn renew(&self) -> Result<Facts, MemberError> {
        let request = Request::new(self.name.as_str())?;
        let access = self.access.borrow().clone();
        let body = RenewRequest { request: request.text().to_owned() };
        let kept = Kept::of(&request, &exchange(&access, RENEW_PATH, &body).await?)?;
        kept.write(&self.dir)?;
        let facts = kept.facts().clone();
        let _old = self.access.send_replace(kept.access(&self.master)?);
        tracing::info!(serial = facts.serial, "the certificate was renewed");
        Ok(facts)
    }
}

/// Has it renewed whenever that is due. Never ends.
async fn keep<R>(mut facts: Facts, mut renew: impl FnMut() -> R)
where
    R: Future<Output = Result<Facts, MemberError>>,
{
    // Of many agents that joined at once not all come back at once.
    let share = || rand::random_range(0.45..0.55);
    let mut due = due(&facts, share());
    loop {
        let left = due.duration_since(SystemTime::now()).unwrap_or_default();
        if !left.is_zero() {
            sleep(left.min(SLEEP_MAX)).await;
            continue;
        }
        match renew().await {
            Ok(new) => {
                facts = new;
                due = self::due(&facts, share());
                if due <= SystemTime::now() {
                    tracing::warn!("a new certificate is to be renewed already: this machine's clock is wrong");
                }
            }
            Err(error) => {
                let ends_in = facts.not_after.duration_since(SystemTime::now()).unwrap_or_default();
                let (error, ends_in_s) = (chain(&error), ends_in.as_secs());
                tracing::warn!(error, ends_in_s, "the certificate could not be renewed");
            }
        }
        // Also after a success: where the clock is wrong the next is due at once, and for ever.
        sleep((facts.life() / 2 / TRIES).clamp(PAUSE_MIN, SLEEP_MAX)).await;
    }
}

/// When to renew: after that share of its life.
fn due(facts: &Facts, share: f64) -> SystemTime {
    facts.not_before + facts.life().mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(begin: SystemTime, life: Duration) -> Facts {
        let (name, serial, hosts) = (None, String::new(), Vec::new());
        Facts { name, serial, not_before: begin, not_after: begin + life, hosts, client_auth: true }
    }

    /// By this machine's clock everything that the master signs is past its half.
    #[tokio::test(start_paused = true)]
    async fn a_wrong_clock_does_not_ask_without_end() {
        let life = Duration::from_secs(300);
        let old = facts(SystemTime::now() - life, life);
        let mut asked = 0;
        let renew = || {
            asked += 1;
            std::future::ready(Ok(old.clone()))
        };
        let kept = tokio::time::timeout(Duration::from_secs(15), keep(old.clone(), renew)).await;
        assert!(kept.is_err() && (2..=11).contains(&asked), "asked {asked} times in 15 s");
    }

    #[test]
    fn renewal_is_due_well_before_two_thirds_of_a_life() {
        let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let life = Duration::from_secs(3000);
        let facts = facts(begin, life);
        assert_eq!(due(&facts, 0.5), begin + life / 2);
        assert!(due(&facts, 0.55) < begin + life * 2 / 3);
    }
}
