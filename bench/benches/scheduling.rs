//! What one decision of the scheduler's core costs, by how many agents there are and how many jobs wait.
//!
//! Every slot is taken, and a job ends: what is measured is all that the core does between hearing of it
//! and having given the room to the next job. `enclos-bench decisions` measures the same and draws it.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use enclos::queue::{Cursor, Priority, ReadyQueue, Rules, Ticket, Waiting};
use enclos_protocol::ids::JobId;

#[expect(dead_code, reason = "the simulator draws the rest")]
#[cfg_attr(test, expect(unused_imports, reason = "its tests run with the simulator's"))]
#[path = "../src/chance.rs"]
mod chance;
#[path = "../src/decisions/world.rs"]
mod world;

use chance::Chance;
use world::{World, demand};

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    group.sample_size(50);
    for agents in [10, 100, 1000, 10_000] {
        let mut world = World::new(agents, 100_000);
        group.bench_with_input(BenchmarkId::new("agents", agents), &agents, |bench, _| {
            bench.iter_custom(|times| (0..times).map(|_| world.decide()).sum());
        });
    }
    for jobs in [100, 10_000, 1_000_000] {
        let mut world = World::new(100, jobs);
        group.bench_with_input(BenchmarkId::new("jobs", jobs), &jobs, |bench, _| {
            bench.iter_custom(|times| (0..times).map(|_| world.decide()).sum());
        });
    }
    group.finish();
}

fn queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    for jobs in [100, 10_000, 1_000_000u64] {
        let (now, mut chance) = (Instant::now(), Chance(7));
        let rules = Rules { ageing: Duration::from_secs(60), shortness: 10, overtaken_max: Duration::from_secs(30) };
        let mut queue = ReadyQueue::new(rules, HashMap::new(), now);
        let mut next = 0;
        let mut insert = |queue: &mut ReadyQueue| {
            next += 1;
            let job = JobId::from_bytes(u128::from(next).to_be_bytes());
            let (order, arrived) = (next, now + Duration::from_millis(next));
            let (demand, cost_us) = (demand(&mut chance), 1 + next % 5_000_000);
            (job, queue.insert(Waiting { job, order, arrived, priority: Priority::Normal, demand, cost_us }))
        };
        let mut tickets: HashMap<JobId, Ticket> = (0..jobs).map(|_| insert(&mut queue)).collect();
        group.bench_with_input(BenchmarkId::new("next, take, settle, insert", jobs), &jobs, |bench, _| {
            bench.iter(|| {
                let head = queue.next(&mut Cursor::default()).expect("there are jobs");
                let ticket = tickets.remove(&head.job).expect("it waits");
                let charge = queue.take(ticket).expect("it waits");
                queue.settle(charge, 1_000_000, true);
                tickets.extend([insert(&mut queue)]);
            });
        });
        group.bench_with_input(BenchmarkId::new("forecast", jobs), &jobs, |bench, _| {
            bench.iter(|| black_box(queue.forecast()));
        });
    }
    group.finish();
}

criterion_group!(benches, decisions, queue);
criterion_main!(benches);
