//! What the command line comes to.

use super::*;

fn checked(args: &[&str]) -> Result<Config, ConfigError> {
    let cores = BTreeSet::from([0, 1]);
    let machine = Machine { cpu_millis: 2000, cores, memory_bytes: 8 << 30, hostname: String::new(), is_pod: false };
    let cli = Cli::try_parse_from([&["enclos-agent", "--name", "a"], args].concat()).expect("it parses");
    Config::check(&cli.run, Some("secret\n"), &machine, &Catalogue::embedded().unwrap())
}

#[test]
fn capacity_comes_from_the_machine() {
    let config = checked(&[]).unwrap();
    let expected = Capacity { cpu_millis: 2000, memory_bytes: 6 << 30, pids: 2048, slots: 4 };
    assert_eq!(config.capacity, expected);
    assert_eq!(config.master, "http://127.0.0.1:7301");
}

#[test]
fn places_are_for_slots_and_stock_and_by_memory_for_who_comes_back() {
    let of = |args: &[&str]| checked(args).unwrap().places;
    assert_eq!(of(&["--images", "none"]), Places { sandboxes: 12 + 12, spare: 12 });
    assert_eq!(of(&["--images", "gcc", "--warm", "3"]), Places { sandboxes: 12 + 3 + 12, spare: 12 });
    assert_eq!(of(&["--images", "gcc", "--warm", "3", "--sandboxes", "20"]), Places { sandboxes: 20, spare: 5 });
    let error = checked(&["--images", "gcc", "--warm", "3", "--sandboxes", "14"]).unwrap_err().to_string();
    assert!(error.starts_with("--sandboxes must be 15 "), "{error}");
}

#[test]
fn idle_sandboxes_take_their_memory_of_the_machine() {
    // 16 GiB of 8.
    let error = checked(&["--images", "none", "--sandboxes", "4096"]).unwrap_err();
    assert!(error.to_string().contains("--sandboxes"), "{error}");
    let of = |args: &[&str]| {
        let config = checked(&[&["--images", "none"], args].concat()).unwrap();
        (config.capacity.memory_bytes, config.places.spare)
    };
    assert_eq!(of(&["--sandboxes", "1036"]), (4 << 30, 1024));
    assert_eq!(of(&["--isolation", "gvisor", "--sandboxes", "268"]), (4 << 30, 256));
    assert_eq!(of(&["--memory-bytes", "8589934592"]), (8 << 30, 0), "nothing is left for them");
    let error = checked(&["--images", "none", "--sandboxes", "1036", "--memory-bytes", "8589934592"]).unwrap_err();
    assert!(error.to_string().contains("67108864 to 4294967296"), "{error}");
}

#[test]
fn forerunners_have_their_memory_beside_jobs_and_are_refused_where_none_can_wait() {
    let of = |args: &[&str]| {
        checked(&[&["--images", "none"], args].concat()).map(|c| (c.capacity.memory_bytes, c.forerunners))
    };
    assert_eq!(of(&[]).unwrap(), (6 << 30, 2));
    assert_eq!(of(&["--memory-bytes", "8589934592"]).unwrap(), (8 << 30, 0), "nothing is left for them");
    assert_eq!(of(&["--forerunners", "32"]).unwrap(), (4 << 30, 32));
    assert_eq!(of(&["--pin-cores"]).unwrap().1, 0);
    for other in [&["--pin-cores"][..], &["--isolation", "gvisor"], &["--cells", "plain"]] {
        let error = of(&[&["--forerunners", "1"], other].concat()).unwrap_err().to_string();
        assert!(error.contains(&other.join(" ")), "{error}");
    }
    assert!(of(&["--forerunners", "257"]).unwrap_err().to_string().contains("0 to 256"));
}

#[test]
fn a_pod_offers_what_its_limit_leaves_beside_engine_and_supervisors() {
    let of = |args: &[&str], memory_bytes| {
        let machine = Machine {
            cpu_millis: 1000,
            cores: BTreeSet::from([0, 1]),
            memory_bytes,
            hostname: String::new(),
            is_pod: true,
        };
        let cli = Cli::try_parse_from([&["enclos-agent", "--name", "a"], args].concat()).expect("it parses");
        Config::check(&cli.run, Some("secret"), &machine, &Catalogue::embedded().unwrap())
    };
    // Two slots of two sandboxes each, 192 MiB for each; a builder may take 768 MiB.
    let without = of(&["--dependencies", "deny"], 2 << 30).unwrap().capacity;
    assert_eq!((without.slots, without.memory_bytes), (2, (2 << 30) - 4 * (192 << 20)));
    assert_eq!(of(&[], 3 << 30).unwrap().capacity.memory_bytes, (3 << 30) - 4 * (192 << 20) - (768 << 20));
    let places = of(&["--dependencies", "deny", "--images", "none"], 2 << 30).unwrap().places;
    assert_eq!(places, Places { sandboxes: 6, spare: 0 });
    let more = of(&["--dependencies", "deny", "--images", "none", "--sandboxes", "16"], 2 << 30).unwrap();
    assert_eq!(more.capacity.memory_bytes, without.memory_bytes - (40 << 20), "places have to be had of the limit");
    let error = of(&["--dependencies", "deny"], 512 << 20).unwrap_err();
    insta::assert_snapshot!(error, @"the memory of the machine, or the pod's limit, leaves nothing for jobs: engine, supervisors of 2 slots and idle sandboxes need it; raise it, or lower --slots or --sandboxes");
    let error = of(&["--dependencies", "deny", "--memory-bytes", "2147483648"], 2 << 30).unwrap_err();
    assert!(error.to_string().contains("67108864 to 1342177280"), "{error}");
}

#[test]
fn what_cannot_be_is_refused_with_what_may_be() {
    for (args, part) in [
        (["--slots", "0"], "--slots must be 1 to 256"),
        (["--cpus", "NaN"], "--cpus must be 0.1 to 1024"),
        (["--cpus", "-1"], "--cpus"),
        (["--memory-bytes", "0"], "--memory-bytes must be 67108864 to 8589934592"),
        (["--pids", "0"], "--pids"),
        (["--warm", "1000"], "--warm"),
        (["--sandboxes", "5"], "(three for each slot, and those of --warm) to 4096"),
        (["--master", "ftp://h:1"], "--master must be"),
        (["--master", "http://localhost:1/x"], "--master must be"),
        (["--master", "http://h:1"], "leaves it with TLS only"),
        (["--master", "https://h:1"], "enclos agents token"),
        (["--languages", "c,klingon"], "'klingon' is unknown"),
    ] {
        let arg = format!("{}={}", args[0], args[1]);
        let error = checked(&[&arg]).unwrap_err().to_string();
        assert!(error.contains(part), "{args:?}: {error}");
    }
}

#[test]
fn an_agent_that_dials_https_needs_no_token_once_it_has_joined() {
    let cli = Cli::try_parse_from(["enclos-agent", "--name=a", "--master=https://h:1", "--data-dir=d"]).unwrap();
    let cores = BTreeSet::from([0]);
    let machine = Machine { cpu_millis: 1000, cores, memory_bytes: 8 << 30, hostname: String::new(), is_pod: false };
    let of = |token| Config::check(&cli.run, token, &machine, &Catalogue::embedded().unwrap()).unwrap().credential;
    assert_eq!(of(None), Credential::Joined { dir: "d".into(), token: None });
    let token = format!("enclos1.{0}.{0}", "ab".repeat(32));
    assert!(matches!(of(Some(&token)), Credential::Joined { token: Some(_), .. }));
}

#[test]
fn languages_are_named_by_id_or_alias_once() {
    assert_eq!(checked(&["--languages", "py,c,python"]).unwrap().languages, ["c", "python"]);
}

#[test]
fn gvisor_sandboxes_serve_one_job() {
    assert_eq!(checked(&["--isolation", "gvisor"]).unwrap().reuse, Reuse::Never);
    assert_eq!(checked(&["--reuse", "never"]).unwrap().reuse, Reuse::Never);
    assert_eq!(checked(&[]).unwrap().reuse, Reuse::Tenant);
}

#[test]
fn plain_cells_serve_one_job_and_gvisor_has_no_others() {
    let plain = checked(&["--cells", "plain", "--reuse", "tenant"]).unwrap();
    assert_eq!((plain.cells, plain.reuse), (Cells::Only(CellKind::Plain), Reuse::Never));
    assert_eq!(checked(&[]).unwrap().cells, Cells::Auto);
    assert_eq!(checked(&["--cells", "namespaced"]).unwrap().cells, Cells::Only(CellKind::Namespaced));
    assert_eq!(checked(&["--isolation", "gvisor"]).unwrap().cells, Cells::Only(CellKind::Plain));
    let error = checked(&["--isolation", "gvisor", "--cells", "namespaced"]).unwrap_err();
    insta::assert_snapshot!(error, @"--cells namespaced cannot be had with --isolation gvisor: gVisor's namespaces are not the kernel's, so its cells are plain");
}

#[test]
fn pinned_jobs_have_a_core_each() {
    let pinned = checked(&["--pin-cores"]).unwrap();
    assert_eq!((pinned.capacity.slots, pinned.pin_cores), (2, Some(BTreeSet::from([0, 1]))));
    assert_eq!(checked(&[]).unwrap().pin_cores, None);
    let error = checked(&["--pin-cores", "--slots", "3"]).unwrap_err();
    insta::assert_snapshot!(error, @"--slots must be 1 to 2 (with --pin-cores, one for each core that the agent may use), not 3");
    assert!(checked(&["--pin-cores", "--isolation", "gvisor"]).is_err());
}

#[test]
fn the_token_is_never_shown() {
    let config = checked(&[]).unwrap();
    assert!(!format!("{config:?}").contains("secret"));
    assert!(JoinToken::parse("a b").is_err() && JoinToken::parse("").is_err());
}
