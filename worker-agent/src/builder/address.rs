//! Which addresses are the world's, and which are the operator's own. Pure, but for one look at this host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Whether an address leads out into the world: a name of the world must not lead elsewhere.
///
/// Addresses for documentation count as the world's. They lead nowhere there, and a network that
/// maps names to them does so on purpose.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    // What a network's own translators and tunnels are called by.
    let protocols = (a, b, c) == (192, 0, 0);
    let benchmarking = a == 198 && matches!(b, 18 | 19);
    !(a == 0
        || a >= 224
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || shared
        || protocols
        || benchmarking)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // 2000::/3 is all that was given out; ::1, fc00::/7, fe80::/10 and ff00::/8 are beside it.
    // Teredo, of its middle, is a tunnel to an IPv4 address that only its end could judge.
    let [first, second, ..] = address.segments();
    first & 0xe000 == 0x2000 && (first, second) != (0x2001, 0)
}

/// The IPv4 address that an IPv6 one only wraps: mapped, 6to4, or through NAT64.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(of(high, low))
        }
        _ => None,
    }
}

/// Whether it is an address of this host itself, whatever range it is from.
pub(super) fn is_own(address: IpAddr) -> bool {
    // Only an address of the host's own can be bound.
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_site_are_not_the_worlds() {
        let private = [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.1",
            "192.0.0.170",
            "::1",
            "::",
            "fc00::1",
            "fd00::2",
            "fe80::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "::127.0.0.1",
        ];
        for text in private {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "151.101.0.223",
            "203.0.113.80",
            "2a04:4e42::223",
            "::ffff:1.1.1.1",
            "172.32.0.1",
            "192.0.1.1",
            "2001:1::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn this_hosts_own_addresses_are_known() {
        assert!(is_own("127.0.0.1".parse().unwrap()));
        assert!(!is_own("203.0.113.250".parse().unwrap()));
    }
}
