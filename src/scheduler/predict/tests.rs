use proptest::prelude::*;

use super::*;

fn subject<'a>(tenant: &'a str, source: u64) -> Subject<'a> {
    Subject { tenant, language: "c", source }
}

fn used(cpu_us: u64) -> Usage {
    Usage { cpu_us, wall_us: cpu_us * 2, memory_bytes: 1 << 24, is_cut: false }
}

fn known(predictor: &Predictor, tenant: &str, source: u64) -> Estimate {
    predictor.estimate(subject(tenant, source)).expect("something is known")
}

fn is_near(value: u64, wanted: u64, ratio: f64) -> bool {
    let off = (value as f64 / wanted as f64).log2().abs();
    off <= ratio.log2()
}

#[test]
fn nothing_is_said_where_nothing_is_known() {
    let mut predictor = Predictor::new(Bounds::default());
    assert_eq!(predictor.estimate(subject("a", 1)), None);
    predictor.observe(subject("a", 1), used(1000));
    assert_eq!(predictor.estimate(Subject { language: "rust", ..subject("a", 1) }), None);
}

#[test]
fn a_program_that_was_run_once_is_known_and_its_neighbours_by_their_tenant() {
    let mut predictor = Predictor::new(Bounds::default());
    for source in 1..=50 {
        predictor.observe(subject("a", source), used(100_000));
    }
    predictor.observe(subject("a", 99), used(10_000_000));
    let same = known(&predictor, "a", 99);
    assert_eq!((same.level, same.observations), (Level::Source, 1));
    assert!(is_near(same.cpu_us.p50, 10_000_000, 1.5), "{same:?}");
    assert!(is_near(same.wall_us.p50, 20_000_000, 1.5), "{same:?}");
    assert!(is_near(same.memory_bytes.p50, 1 << 24, 1.2), "{same:?}");
    let other = known(&predictor, "a", 100);
    assert_eq!((other.level, other.observations), (Level::Tenant, 51));
    assert!(is_near(other.cpu_us.p50, 100_000, 1.2), "{other:?}");
    assert!(other.cpu_us.p90 >= other.cpu_us.p50 && other.cpu_us.mean > 200_000, "{other:?}");
}

#[test]
fn a_language_says_nothing_before_three_tenants_are_in_it() {
    let mut predictor = Predictor::new(Bounds::default());
    for tenant in ["a", "b"] {
        predictor.observe(subject(tenant, 1), used(1_000_000));
    }
    assert_eq!(predictor.estimate(subject("new", 1)), None);
    predictor.observe(subject("c", 1), used(1_000_000));
    let estimate = known(&predictor, "new", 1);
    assert_eq!((estimate.level, estimate.observations), (Level::Language, 3));
    assert!(is_near(estimate.cpu_us.p50, 1_000_000, 1.3), "{estimate:?}");
}

#[test]
fn a_tenant_that_sends_without_end_weighs_no_more_in_its_language_than_its_bound() {
    let mut predictor = Predictor::new(Bounds { tenant_weight: 4, ..Bounds::default() });
    for tenant in ["a", "b", "c", "d"] {
        for source in 1..=4 {
            predictor.observe(subject(tenant, source), used(1_000_000));
        }
    }
    for source in 1..=20_000 {
        predictor.observe(subject("flood", source), used(4_000_000_000));
    }
    // A fifth of all that counts is the flood's: the median cannot move.
    let estimate = known(&predictor, "new", 1);
    assert!(is_near(estimate.cpu_us.p50, 1_000_000, 1.5), "{estimate:?}");
    let own = known(&predictor, "a", 1);
    assert!(is_near(own.cpu_us.p50, 1_000_000, 1.2), "what is known by its bytes did not move: {own:?}");
}

#[test]
fn a_change_of_behaviour_is_learnt_within_twenty_runs() {
    let mut predictor = Predictor::new(Bounds::default());
    for _ in 0..1000 {
        predictor.observe(subject("a", 1), used(1_000_000));
    }
    for _ in 0..20 {
        predictor.observe(subject("a", 1), used(8_000_000));
    }
    let estimate = known(&predictor, "a", 1);
    assert!(is_near(estimate.cpu_us.p50, 8_000_000, 1.4), "{estimate:?}");
}

#[test]
fn a_tenants_new_kind_of_programs_is_learnt_within_three_hundred() {
    let mut predictor = Predictor::new(Bounds::default());
    for source in 1..=2000 {
        predictor.observe(subject("a", source), used(1_000_000));
    }
    for source in 2001..=2300 {
        predictor.observe(subject("a", source), used(8_000_000));
    }
    assert!(is_near(known(&predictor, "a", 9999).cpu_us.p50, 8_000_000, 1.3));
}

#[test]
fn one_program_run_a_thousand_times_does_not_speak_for_all() {
    let mut predictor = Predictor::new(Bounds::default());
    for source in 1..=20 {
        predictor.observe(subject("a", source), used(1_000_000));
    }
    for _ in 0..1000 {
        predictor.observe(subject("a", 77), used(60_000_000));
    }
    assert!(is_near(known(&predictor, "a", 9999).cpu_us.p50, 1_000_000, 1.5));
}

#[test]
fn a_limit_that_was_hit_never_lowers_what_is_expected() {
    let cut = Usage { is_cut: true, ..used(1_000_000) };
    let mut predictor = Predictor::new(Bounds::default());
    for _ in 0..10 {
        predictor.observe(subject("a", 1), used(5_000_000));
    }
    let before = known(&predictor, "a", 1).cpu_us.p50;
    for _ in 0..10 {
        predictor.observe(subject("a", 1), cut);
    }
    let after = known(&predictor, "a", 1).cpu_us.p50;
    assert!(is_near(after, before, 1.05), "{before} became {after}");
    let higher = Usage { is_cut: true, ..used(50_000_000) };
    for _ in 0..20 {
        predictor.observe(subject("a", 1), higher);
    }
    assert!(is_near(known(&predictor, "a", 1).cpu_us.p50, 50_000_000, 1.4));
}

#[test]
fn what_was_cancelled_or_failed_by_our_fault_is_no_use() {
    use enclos_protocol::outcome::Outcome;
    let step = crate::testing::step();
    for outcome in [Outcome::Cancelled, Outcome::InternalError] {
        assert_eq!(Usage::of(outcome, [&step]), None);
    }
    assert_eq!(Usage::of(Outcome::Ok, []), None);
    assert!(Usage::of(Outcome::TimeLimit, [&step]).is_some_and(|usage| usage.is_cut));
    assert!(Usage::of(Outcome::RuntimeError, [&step]).is_some_and(|usage| !usage.is_cut));
}

#[test]
fn a_flood_of_programs_costs_no_other_tenant_its_own() {
    let mut predictor = Predictor::new(Bounds { programs_max: 100, ..Bounds::default() });
    for source in 1..=30 {
        predictor.observe(subject("quiet", source), used(1_000_000));
    }
    for source in 1..=10_000 {
        predictor.observe(subject("flood", source), used(1000));
    }
    assert_eq!(predictor.sizes(), (100, 2));
    for source in 1..=30 {
        assert_eq!(known(&predictor, "quiet", source).level, Level::Source);
    }
    assert_eq!(known(&predictor, "flood", 10_000).level, Level::Source);
    assert_eq!(known(&predictor, "flood", 1).level, Level::Tenant);
}

#[test]
fn what_one_key_costs_is_what_is_said() {
    assert!(size_of::<program::Program>() <= 40);
    assert!(size_of::<group::Group>() <= 800);
}

fn kept(predictor: &mut Predictor) -> Vec<Row> {
    let rows = predictor.changes(usize::MAX);
    rows.into_iter().filter(|row| row.state.is_some()).collect()
}

proptest! {
    #[test]
    fn what_is_restored_says_the_same(runs in prop::collection::vec((0usize..4, 0u64..6, 1u64..1 << 40, any::<bool>()), 1..120)) {
        let names = ["a", "b", "c", "d"];
        let mut first = Predictor::new(Bounds::default());
        first.restore([]);
        for (tenant, source, cpu_us, is_cut) in runs {
            first.observe(subject(names[tenant], source), Usage { is_cut, ..used(cpu_us) });
        }
        let rows = kept(&mut first);
        prop_assert!(first.changes(10).is_empty());
        let mut second = Predictor::new(Bounds::default());
        let restored = second.restore(rows.iter().rev().cloned());
        prop_assert_eq!(restored, Restored { taken: rows.len(), ignored: 0 });
        prop_assert_eq!(first.sizes(), second.sizes());
        for tenant in names {
            for source in 0..7 {
                prop_assert_eq!(first.estimate(subject(tenant, source)), second.estimate(subject(tenant, source)));
            }
        }
        prop_assert_eq!(second.changes(10), Vec::new());
    }

    #[test]
    fn a_damaged_row_is_ignored_and_said_and_goes(at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<bool>()) {
        let mut first = Predictor::new(Bounds::default());
        first.restore([]);
        first.observe(subject("a", 7), used(123_456));
        let mut rows = kept(&mut first);
        let row = rows.iter_mut().find(|row| row.source == 7).expect("it was run");
        let state = row.state.as_mut().expect("it is kept");
        let at = at.index(state.len());
        if cut { state.truncate(at) } else { state[at] ^= 1 << bit }
        let mut second = Predictor::new(Bounds::default());
        prop_assert_eq!(second.restore(rows), Restored { taken: 1, ignored: 1 });
        prop_assert_eq!(known(&second, "a", 7).level, Level::Tenant);
        let gone = second.changes(10);
        prop_assert!(gone.iter().any(|row| row.source == 7 && row.state.is_none()));
    }

    #[test]
    fn bounds_hold_and_quantiles_are_in_order(runs in prop::collection::vec((0usize..6, 0usize..3, 0u64..40, any::<u64>(), any::<bool>()), 1..300)) {
        let (names, languages) = (["a", "b", "c", "d", "e", "f"], ["c", "rust", "go"]);
        let mut predictor = Predictor::new(Bounds { programs_max: 12, groups_max: 5, tenant_weight: 2 });
        predictor.restore([]);
        for (tenant, language, source, value, is_cut) in runs {
            let of = Subject { tenant: names[tenant], language: languages[language], source };
            predictor.observe(of, Usage { cpu_us: value, wall_us: value, memory_bytes: value, is_cut });
            let (programs, groups) = predictor.sizes();
            prop_assert!(programs <= 12 && groups <= 5);
            let counted: usize = predictor.tenants.values().flat_map(|t| t.groups.values()).map(|g| g.programs.len()).sum();
            let listed: usize = predictor.tenants.values().map(|t| t.recent.len()).sum();
            let crowded: usize = predictor.crowd.iter().map(|(count, _)| count).sum();
            prop_assert_eq!((counted, listed, crowded), (programs, programs, programs));
            let estimate = predictor.estimate(of).expect("it was just run");
            for spread in [estimate.cpu_us, estimate.wall_us, estimate.memory_bytes] {
                prop_assert!(spread.p50 <= spread.p90, "{:?}", spread);
            }
        }
        let weight: u32 = predictor.languages.values().flat_map(|pool| pool.histograms[0]).sum();
        let tenants: usize = predictor.languages.values().map(|pool| pool.tenants).sum();
        prop_assert_eq!(tenants, predictor.sizes().1);
        prop_assert!(weight <= u32::try_from(tenants).unwrap() * 2 * histogram::UNIT);
    }
}

/// Numbers by chance, the same in each run (SplitMix64), as far apart as a normal's.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// How far estimates are off, as root of the mean square of natural logarithms, and how many runs are
/// within their p90.
#[derive(Default)]
struct Off {
    squares: f64,
    within: f64,
    count: f64,
}

impl Off {
    fn add(&mut self, estimate: Spread, value: f64) {
        self.squares += (estimate.p50 as f64 / value).ln().powi(2);
        self.within += f64::from(value <= estimate.p90 as f64);
        self.count += 1.0;
    }

    fn root(&self) -> f64 {
        (self.squares / self.count).sqrt()
    }
}

/// The fixed generator: programs apart by sigma 1.5, runs of one by `sigma`, three of ten never run.
#[expect(clippy::cast_possible_truncation, reason = "what is cast is small")]
fn offs(sigma: f64) -> (Off, Off) {
    let (mut chance, mut predictor) = (Chance(42), Predictor::new(Bounds::default()));
    let (mut means, mut seen, mut unseen) = (Vec::new(), Off::default(), Off::default());
    for run in 0..20_000 {
        let is_new = means.is_empty() || chance.unit() < 0.3;
        let at = if is_new { means.len() } else { (chance.next() % means.len() as u64) as usize };
        if is_new {
            means.push(13.0 + 1.5 * chance.normal());
        }
        let value = (means[at] + sigma * chance.normal()).exp();
        let of = subject("a", at as u64 + 1);
        if run >= 2000 {
            let estimate = known(&predictor, "a", of.source);
            assert_eq!(estimate.level == Level::Tenant, is_new);
            if is_new { unseen.add(estimate.cpu_us, value) } else { seen.add(estimate.cpu_us, value) }
        }
        predictor.observe(of, used(value as u64));
    }
    (seen, unseen)
}

#[test]
fn estimates_are_as_near_as_the_runs_allow() {
    // With runs before it of which each is off by sigma, nothing can be nearer than sigma; most
    // programs have one to four of them here.
    for (sigma, root_max) in [(0.0, 0.05), (0.5, 0.5 * 1.3), (1.0, 1.3)] {
        let (seen, unseen) = offs(sigma);
        assert!(seen.root() <= root_max, "{sigma}: {}", seen.root());
        let floor = (1.5f64.powi(2) + sigma * sigma).sqrt();
        assert!(unseen.root() <= floor * 1.08, "{sigma}: {}", unseen.root());
        for off in [seen, unseen] {
            let part = off.within / off.count;
            assert!((0.85..=0.96).contains(&part) || sigma == 0.0 && part >= 0.85, "{sigma}: {part}");
        }
    }
}
