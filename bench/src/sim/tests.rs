//! Whether the simulator is right: against queueing theory, against itself, and every policy in small.

use super::*;

/// By how much later what came may go before a job, as in a real master.
const OVERTAKEN_MAX_S: f64 = 30.0;

fn offered(kind: Kind, jobs: u32, utilisation: f64, slots: u32) -> Offered {
    Offered { kind, jobs, utilisation, slots, within_sigma: 0.5, burst: 1.5, seed: 11, whose: Whose::All }
}

/// Part of the jobs that wait with `servers` servers and this load for each (Erlang 1917).
fn erlang_c(servers: u32, utilisation: f64) -> f64 {
    let load = f64::from(servers) * utilisation;
    // Erlang B by its recursion, which does not overflow.
    let blocked = (1..=servers).fold(1.0, |before, n| load * before / (f64::from(n) + load * before));
    blocked / (1.0 - utilisation * (1.0 - blocked))
}

/// Runs of different seeds are taken together: waits of one run depend on each other for long.
fn check_theory(named: Named, servers: &[u32], utilisation: f64) {
    let slots = servers.iter().sum();
    let (mut seen, mut expected) = (0.0, 0.0);
    for seed in 1..=4 {
        let offered = Offered { seed, ..offered(Kind::Exponential, 150_000, utilisation, slots) };
        let service_s = Workload::new(offered).mean().as_secs_f64();
        let figures = simulate(named, offered, servers, Faults::none());
        assert!((figures.utilisation - utilisation).abs() < 0.02, "{}", figures.utilisation);
        seen += mean(&figures.waits_s);
        expected += erlang_c(slots, utilisation) * service_s / (f64::from(slots) * (1.0 - utilisation));
    }
    assert!((seen / expected - 1.0).abs() < 0.05, "{named:?}, {servers:?}: {seen} s, by theory {expected} s");
}

#[test]
fn one_server_waits_as_theory_says() {
    check_theory(Named::CentralFifo, &[1], 0.7);
}

#[test]
fn many_servers_wait_as_erlang_says() {
    check_theory(Named::CentralFifo, &[1, 2, 4, 3], 0.85);
    check_theory(Named::CentralFifo, &[4; 5], 0.85);
}

#[test]
fn random_choice_is_as_many_single_servers() {
    let (servers, utilisation, jobs) = (10, 0.7, 300_000);
    let offered = offered(Kind::Exponential, jobs, utilisation, servers);
    let service_s = Workload::new(offered).mean().as_secs_f64();
    let figures = simulate(Named::Random, offered, &[1; 10], Faults::none());
    let (seen, expected) = (mean(&figures.waits_s), utilisation / (1.0 - utilisation) * service_s);
    assert!((seen / expected - 1.0).abs() < 0.08, "{seen} s, by theory {expected} s");
}

/// What of a run does not depend on the machine.
fn fixed(figures: Figures) -> Figures {
    Figures { spent: std::time::Duration::ZERO, ..figures }
}

#[test]
fn ours_without_prediction_is_one_queue_where_there_is_one_tenant() {
    for kind in [Kind::Exponential, Kind::LoneBursty] {
        let offered = offered(kind, 3_000, 0.9, 12);
        let run = |named| simulate(named, offered, &[2, 4, 4, 2], Faults::none());
        let (ours, central) = (run(Named::EnclosOff), run(Named::CentralFifo));
        assert_eq!(ours.waits_s, central.waits_s);
        assert_eq!(ours.decisions, u64::from(offered.jobs));
    }
}

/// What is said of it in `docs/SCHEDULING.md`, with the proof.
#[test]
fn the_longest_wait_grows_by_no_more_than_is_said_when_all_predictions_are_wrong() {
    for seed in 1..=4 {
        // More comes than can be run, so that what is put back by a wrong prediction waits for all that comes.
        let offered = Offered { seed, within_sigma: 0.0, ..offered(Kind::LoneBursty, 6_000, 1.3, 24) };
        let longest_job_s = Workload::new(offered).map(|work| work.service.as_secs_f64()).fold(0.0, f64::max);
        let longest = |named| f64::from(quantile(&simulate(named, offered, &[4; 6], Faults::none()).waits_s, 1.0));
        let (off, inverted) = (longest(Named::EnclosOff), longest(Named::Inverted));
        let bound = off + OVERTAKEN_MAX_S + 2.0 * longest_job_s;
        assert!(off < inverted && inverted <= bound, "{off} s, {inverted} s, at most {bound} s; {longest_job_s} s");
    }
}

#[test]
fn the_same_seed_is_the_same_run_with_every_policy() {
    for named in Named::value_variants() {
        for kind in [Kind::Bursty, Kind::Flood] {
            let run = |seed| {
                let offered = Offered { seed, ..offered(kind, 600, 0.9, 21) };
                fixed(simulate(*named, offered, &[1, 2, 4, 1, 2, 4, 7], Faults::of(seed)))
            };
            assert_eq!(run(3), run(3), "{named:?}, {kind:?}");
            assert_ne!(run(3), run(4), "{named:?}, {kind:?}");
        }
    }
}

#[test]
fn every_job_ends_once_with_every_policy_whatever_happens_to_agents() {
    for named in Named::value_variants() {
        for seed in 1..=3 {
            let offered = Offered { seed, ..offered(Kind::Lognormal, 4_000, 0.7, 14) };
            // The world fails where a job is lost, ends twice, or an agent is given too much.
            let figures = simulate(*named, offered, &[1, 2, 4, 1, 2, 4], Faults::of(seed));
            assert!(figures.wasted > 0, "{named:?}: nothing went wrong");
            let counted = figures.jobs as u64 + figures.given_up;
            assert!((3_600..=4_000).contains(&counted), "{named:?}: {counted}");
        }
    }
}

#[test]
fn jobs_in_one_queue_wait_less_than_jobs_bound_to_agents() {
    let offered = offered(Kind::Lognormal, 20_000, 0.9, 8);
    let slow = |named| quantile(&simulate(named, offered, &[1, 2, 4, 1], Faults::none()).slowdowns, 0.99);
    assert!(slow(Named::CentralFifo) < slow(Named::Random));
}

#[test]
fn plots_are_written_of_every_policy() {
    let offered = offered(Kind::Lognormal, 500, 0.9, 8);
    let run = |named: &Named| (named.name(), simulate(*named, offered, &[4, 4], Faults::none()));
    let seen: Vec<(String, Figures)> = Named::value_variants().iter().map(run).collect();
    let directory = std::env::temp_dir().join(format!("enclos-plots-{}", std::process::id()));
    draw(&directory, "test", &seen).unwrap();
    let svg = std::fs::read_to_string(directory.join("slowdown-test.svg")).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(svg.starts_with("<svg") && Named::value_variants().iter().all(|named| svg.contains(&named.name())));
}
