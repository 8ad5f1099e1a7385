//! Addresses that are not of the public Internet.
//!
//! From the registries of IANA: "IPv4 Special-Purpose Address Space", "IPv6 Special-Purpose Address
//! Space" (both RFC 6890), "IPv4 Multicast Address Space" and "IPv6 Address Space". All that stands
//! there is refused, reachable or not: no receiver lives in a range with a purpose of its own. Of
//! IPv6 only global unicast (2000::/3) is let through, so that what is not assigned yet, and every
//! form that carries an IPv4 address, is refused without being named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// First address, length of the prefix, and what it is for.
type Range<A> = (A, u32, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u32, what: &'static str) -> Range<Ipv4Addr> {
    (Ipv4Addr::new(a, b, c, d), bits, what)
}

const V4: [Range<Ipv4Addr>; 20] = [
    v4(0, 0, 0, 0, 8, "this network"), // RFC 791, unspecified among them
    v4(10, 0, 0, 0, 8, "private"),     // RFC 1918
    v4(100, 64, 0, 0, 10, "shared, behind carriers' NAT"), // RFC 6598
    v4(127, 0, 0, 0, 8, "loopback"),   // RFC 1122
    v4(168, 63, 129, 16, 32, "metadata of a cloud"), // Azure's, the one with a public number
    v4(169, 254, 0, 0, 16, "link-local"), // RFC 3927, metadata of most clouds
    v4(172, 16, 0, 0, 12, "private"),  // RFC 1918
    v4(192, 0, 0, 0, 24, "protocol assignments"), // RFC 6890
    v4(192, 0, 2, 0, 24, "documentation"), // RFC 5737
    v4(192, 31, 196, 0, 24, "AS112"),  // RFC 7535
    v4(192, 52, 193, 0, 24, "AMT"),    // RFC 7450
    v4(192, 88, 99, 0, 24, "6to4 relays"), // RFC 7526
    v4(192, 168, 0, 0, 16, "private"), // RFC 1918
    v4(192, 175, 48, 0, 24, "AS112"),  // RFC 7534
    v4(198, 18, 0, 0, 15, "benchmarks"), // RFC 2544
    v4(198, 51, 100, 0, 24, "documentation"), // RFC 5737
    v4(203, 0, 113, 0, 24, "documentation"), // RFC 5737
    v4(224, 0, 0, 0, 4, "multicast"),  // RFC 5771
    v4(255, 255, 255, 255, 32, "broadcast"), // RFC 8190
    v4(240, 0, 0, 0, 4, "reserved"),   // RFC 1112
];

const fn v6(head: [u16; 3], bits: u32, what: &'static str) -> Range<Ipv6Addr> {
    (Ipv6Addr::new(head[0], head[1], head[2], 0, 0, 0, 0, 0), bits, what)
}

const V6: [Range<Ipv6Addr>; 16] = [
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),                     // RFC 4291
    (Ipv6Addr::LOCALHOST, 128, "loopback"),                          // RFC 4291
    (Ipv6Addr::UNSPECIFIED, 96, "IPv4-compatible"),                  // RFC 4291, deprecated
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, "IPv4-mapped"), // RFC 4291
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96, "an IPv4 address behind NAT64"), // RFC 6052
    v6([0x64, 0xff9b, 1], 48, "an IPv4 address behind NAT64"),       // RFC 8215
    v6([0x100, 0, 0], 64, "discard"),                                // RFC 6666
    v6([0x2001, 0, 0], 32, "an IPv4 address behind Teredo"),         // RFC 4380
    v6([0x2001, 0xdb8, 0], 32, "documentation"),                     // RFC 3849
    v6([0x2001, 0, 0], 23, "protocol assignments"),                  // RFC 2928: benchmarks and ORCHID among them
    v6([0x2002, 0, 0], 16, "an IPv4 address behind 6to4"),           // RFC 3056
    v6([0x2620, 0x4f, 0x8000], 48, "AS112"),                         // RFC 7534
    v6([0x3fff, 0, 0], 20, "documentation"),                         // RFC 9637
    v6([0xfc00, 0, 0], 7, "unique local"),                           // RFC 4193
    v6([0xfe80, 0, 0], 9, "link-local or site-local"),               // RFC 4291 and RFC 3879
    v6([0xff00, 0, 0], 8, "multicast"),                              // RFC 4291
];

/// Global unicast of IPv6 (RFC 4291, as far as IANA gives it out).
const GLOBAL: Range<Ipv6Addr> = v6([0x2000, 0, 0], 3, "");

/// What an address is, where it is not one of the public Internet.
#[must_use]
pub fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => {
            let is_in = |(first, bits, _): &&Range<Ipv4Addr>| {
                is_within(u128::from(address.to_bits()) << 96, u128::from(first.to_bits()) << 96, *bits)
            };
            V4.iter().find(is_in).map(|(.., what)| *what)
        }
        IpAddr::V6(address) => {
            let is_in = |(first, bits, _): &&Range<Ipv6Addr>| is_within(address.to_bits(), first.to_bits(), *bits);
            let named = V6.iter().find(is_in).map(|(.., what)| *what);
            named.or_else(|| if is_in(&&GLOBAL) { None } else { Some("not global unicast") })
        }
    }
}

/// Whether the first `bits` (1 to 128) of both are the same.
pub(super) fn is_within(address: u128, first: u128, bits: u32) -> bool {
    let shift = 128u32.saturating_sub(bits);
    address.checked_shr(shift).unwrap_or(0) == first.checked_shr(shift).unwrap_or(0)
}
