//! What the order promises, one case each.

use super::*;

#[test]
fn who_floods_is_not_before_who_comes_later_with_little() {
    let mut world = World::new(&[]);
    for _ in 0..1000 {
        world.submit("flood", 0, Priority::Normal, SECOND_US);
    }
    for _ in 0..10 {
        world.take();
    }
    let quiet = world.submit("quiet", 0, Priority::Normal, SECOND_US);
    assert!(world.position(quiet) <= 1);
    let first: Vec<Order> = (0..2).filter_map(|_| world.take().map(|(order, ..)| order)).collect();
    assert!(first.contains(&quiet), "it waits for one at most");
}

#[test]
fn a_tenant_that_was_idle_has_saved_nothing() {
    let mut world = World::new(&[]);
    for _ in 0..100 {
        world.submit("a", 0, Priority::Normal, SECOND_US);
    }
    (0..50).for_each(|_| drop(world.take()));
    for _ in 0..50 {
        world.submit("b", 0, Priority::Normal, SECOND_US);
    }
    let next: Vec<String> = (0..20).filter_map(|_| world.take().map(|(_, known, _)| known.tenant)).collect();
    assert_eq!(next.iter().filter(|tenant| *tenant == "a").count(), 10);
}

#[test]
fn what_jobs_took_is_made_right_and_charged_for_the_next() {
    let mut world = World::new(&[]);
    for _ in 0..200 {
        world.submit("long", 0, Priority::Normal, 0);
        world.submit("short", 0, Priority::Normal, 0);
    }
    let mut had = [0u64; 2];
    for _ in 0..200 {
        let (_, known, charge) = world.take().unwrap();
        let (who, took) = if known.tenant == "long" { (0, 9 * SECOND_US) } else { (1, SECOND_US) };
        world.queue.settle(charge, took, true);
        had[who] += took;
    }
    assert!(had[0].abs_diff(had[1]) <= 10 * SECOND_US, "{had:?}");
}

#[test]
fn a_line_rises_with_its_head_and_is_then_before_what_is_new() {
    let mut world = World::new(&[]);
    let low = world.submit("a", 0, Priority::Low, 0);
    let normal = world.submit("b", 0, Priority::Normal, 0);
    world.wait(AGEING);
    let newer = world.submit("c", 0, Priority::Normal, 0);
    let high = world.submit("d", 0, Priority::High, 0);
    assert_eq!(world.offered(), [normal, high, low, newer]);
    world.wait(AGEING);
    let late = world.submit("e", 0, Priority::High, 0);
    let offered = world.offered();
    assert_eq!(offered.len(), 5);
    assert_eq!(offered.last(), Some(&late), "all others have risen to the top");
}

#[test]
fn the_shorter_goes_first_within_its_tenant() {
    let mut world = World::new(&[]);
    let long = world.submit("a", 0, Priority::Normal, 60 * SECOND_US);
    let short = world.submit("a", 0, Priority::Normal, SECOND_US / 10);
    world.wait(OVERTAKEN_MAX);
    let late = world.submit("a", 0, Priority::Normal, SECOND_US / 10);
    assert_eq!(world.taken(), [short, long, late]);
}

#[test]
fn a_tenant_that_floods_for_longer_than_the_ageing_is_before_nobody_who_comes_later_with_little() {
    let mut world = World::new(&[]);
    for _ in 0..2000 {
        world.submit("flood", 0, Priority::Normal, SECOND_US);
    }
    for second in 0..600u32 {
        if second % 20 == 19 {
            let order = world.submit("little", 0, Priority::Normal, SECOND_US);
            let before = std::iter::from_fn(|| world.take()).position(|(taken, ..)| taken == order).unwrap();
            assert!(before <= 2, "{before} of the flood went before it in second {second}");
        } else {
            world.take().expect("the flood waits");
        }
        world.wait(Duration::from_secs(1));
    }
}
