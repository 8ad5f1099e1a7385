//! Hostile URLs and addresses, as tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

/// Written in every way that ends at this machine, its network, or the metadata of a cloud.
const HOSTILE: [&str; 37] = [
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://0/",
    "https://0.0.0.0:8443/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://0177.0x0.1/",
    "https://%31%32%37.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://0xa9fea9fe/",
    "https://2852039166/",
    "https://0251.0376.0251.0376/",
    "https://168.63.129.16/",
    "https://100.100.100.200/",
    "https://10.0.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://100.64.0.1/",
    "https://198.18.0.1/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
    "https://[fe80::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fec0::1]/",
];

#[test]
fn every_way_to_write_an_address_of_our_own_is_refused() {
    for text in HOSTILE {
        let target: Target = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        assert!(target.literal().is_some(), "{text} is an address");
        let refused = Policy::default().permits(&target);
        assert!(matches!(refused, Err(Refused::Address { .. })), "{text}: {refused:?}");
    }
}

#[test]
fn a_url_that_two_readers_read_differently_is_none() {
    let long = format!("https://host/{}", "x".repeat(URL_BYTES_MAX));
    for (text, why) in [
        ("https://good.example@127.0.0.1/", NotATarget::UserInfo),
        ("https://good.example:pw@host/", NotATarget::UserInfo),
        ("https://@host/", NotATarget::UserInfo),
        ("https:///user@host/", NotATarget::Url),
        ("https://host/#@good.example/", NotATarget::Fragment),
        ("https://host/path#", NotATarget::Fragment),
        ("https://good.example\\@127.0.0.1/", NotATarget::Characters),
        ("https:\\\\host/", NotATarget::Characters),
        ("https://ho\tst/", NotATarget::Characters),
        ("https://host/ x", NotATarget::Characters),
        (" https://host/", NotATarget::Characters),
        ("https://hóst/", NotATarget::Characters),
        ("https://①②⑦.⓪.⓪.①/", NotATarget::Characters),
        ("https://localhost./", NotATarget::Dot),
        ("https://host.example.:8443/", NotATarget::Dot),
        ("ftp://host/", NotATarget::Scheme),
        ("file:///etc/passwd", NotATarget::Scheme),
        ("gopher://host:25/", NotATarget::Scheme),
        ("javascript:alert(1)", NotATarget::Scheme),
        ("https:/host/", NotATarget::Url),
        ("https:host", NotATarget::Url),
        ("//host/", NotATarget::Url),
        ("host", NotATarget::Url),
        ("", NotATarget::Url),
        ("https://", NotATarget::Url),
        ("https://host:99999/", NotATarget::Url),
        ("https://1.2.3.4.5/", NotATarget::Url),
        ("https://256.256.256.256/", NotATarget::Url),
        ("https://[::1", NotATarget::Url),
        ("https://[fe80::1%25eth0]/", NotATarget::Url),
        (&long, NotATarget::Long),
    ] {
        assert_eq!(text.parse::<Target>().err(), Some(why), "{text}");
    }
}

#[test]
fn names_wait_for_their_addresses_and_public_addresses_pass() {
    let policy = Policy::default();
    for text in
        ["https://hooks.example/a?b=c", "https://HOOKS.example:8443", "https://8.8.8.8/", "https://[2606:4700::1111]/"]
    {
        assert_eq!(policy.permits(&text.parse().unwrap()), Ok(()), "{text}");
    }
    let target: Target = "https://hooks.example/".parse().unwrap();
    let private = policy.permits_address(&target, "10.0.0.1".parse().unwrap());
    assert!(private.unwrap_err().to_string().contains("private"));
    assert_eq!(policy.permits(&"http://hooks.example/".parse().unwrap()), Err(Refused::Clear));
    assert_eq!(policy.permits(&"https://hooks.example:25/".parse().unwrap()), Err(Refused::Port(25)));
    assert!(!format!("{:?}", "https://host/secret".parse::<Target>().unwrap()).contains("secret"));
}

fn allowing(entries: &[&str]) -> Policy {
    Policy { allow: entries.iter().map(|entry| entry.parse().unwrap()).collect() }
}

fn permits(entries: &[&str], url: &str) -> bool {
    allowing(entries).permits(&url.parse().unwrap()).is_ok()
}

#[test]
fn what_the_operator_names_may_be_reached_and_nothing_beside_it() {
    assert!(permits(&["hooks.internal"], "http://hooks.internal:8080/"));
    assert!(permits(&["HOOKS.internal:8080"], "http://hooks.internal:8080/"));
    assert!(!permits(&["hooks.internal:8080"], "http://hooks.internal:8081/"));
    assert!(!permits(&["hooks.internal"], "http://a.hooks.internal/"));
    assert!(permits(&["10.1.0.0/16"], "http://10.1.2.3/"));
    assert!(!permits(&["10.1.0.0/16"], "http://10.2.0.1/"));
    assert!(permits(&["127.0.0.1:9000"], "http://2130706433:9000/"));
    assert!(!permits(&["127.0.0.1:9000"], "http://127.0.0.1:9001/"));
    assert!(permits(&["[fd00::/8]:80"], "http://[fd00::1]/"));
    assert!(!permits(&["fd00::/8"], "http://[fc00::1]/"));
    assert!(!permits(&["0.0.0.0/0"], "http://[::ffff:127.0.0.1]/"), "another family's form of it");
    assert!(!permits(&["10.0.0.0/8"], "http://hooks.internal/"), "a name is not an address of the network");
    assert!(!permits(&["mail.internal"], "http://mail.internal:25/"), "its port was not named");
    assert!(permits(&["mail.internal:25"], "http://mail.internal:25/"));

    let target: Target = "https://hooks.internal/".parse().unwrap();
    let (inside, outside) = ("10.1.2.3".parse().unwrap(), "10.2.0.1".parse().unwrap());
    let policy = allowing(&["10.1.0.0/16"]);
    assert!(policy.permits_address(&target, inside).is_ok() && policy.permits_address(&target, outside).is_err());
    assert!(allowing(&["hooks.internal"]).permits_address(&target, outside).is_ok());
}

#[test]
fn an_entry_is_a_host_or_a_network() {
    for bad in [
        "",
        ":80",
        "host:",
        "host:0",
        "host:99999",
        "host:x",
        "http://host",
        "host/path",
        "10.0.0.0/33",
        "10.0.0.1/8",
        "fd00::/129",
        "fd00::1/8",
        "[host]:80",
        "[10.0.0.1]:80",
        "[::1",
        "[::1]x",
        "10.0.0.0/",
        "*.example",
        "a b",
        "host.",
        "0x7f.1",
        "127.1",
        "/8",
    ] {
        assert!(bad.parse::<Allowed>().is_err(), "{bad}");
    }
    for good in ["0.0.0.0/0", "::/0", "::1", "[::1]", "[::1]:80", "a_b.internal", "localhost:65535", "10.0.0.1/32"] {
        assert!(good.parse::<Allowed>().is_ok(), "{good}");
    }
}

/// As the standard library knows them, where it does.
fn is_known_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => {
            a.is_loopback()
                || a.is_private()
                || a.is_link_local()
                || a.is_multicast()
                || a.is_broadcast()
                || a.is_unspecified()
                || a.is_documentation()
        }
        IpAddr::V6(a) => {
            a.is_loopback()
                || a.is_unspecified()
                || a.is_multicast()
                || a.is_unique_local()
                || a.is_unicast_link_local()
                || a.to_ipv4().is_some()
        }
    }
}

/// An address of IPv4 inside of one of IPv6, in each form that there is.
fn embedded(v4: Ipv4Addr) -> [Ipv6Addr; 6] {
    let [a, b, c, d] = v4.octets().map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    [
        v4.to_ipv6_mapped(),
        Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !high, !low),
    ]
}

proptest! {
    #[test]
    fn nothing_that_is_known_to_be_special_passes(v4: u32, v6: u128) {
        for address in [IpAddr::V4(Ipv4Addr::from_bits(v4)), IpAddr::V6(Ipv6Addr::from_bits(v6))] {
            prop_assert!(!is_known_special(address) || special(address).is_some(), "{address}");
        }
    }

    #[test]
    fn no_form_of_ipv6_carries_an_address_of_ipv4_past_the_list(v4: u32) {
        for address in embedded(Ipv4Addr::from_bits(v4)) {
            prop_assert!(special(address.into()).is_some(), "{address}");
        }
    }

    #[test]
    fn only_global_unicast_of_ipv6_passes(v6: u128) {
        let address = Ipv6Addr::from_bits(v6);
        prop_assert!(address.segments()[0] >> 13 == 1 || special(address.into()).is_some());
    }

    #[test]
    fn a_target_is_read_as_it_was_written_down(text in "https?://[ -~]{1,40}") {
        if let Ok(target) = text.parse::<Target>() {
            prop_assert_eq!(target.as_str().parse::<Target>().unwrap(), target);
        }
    }
}
