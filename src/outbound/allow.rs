//! An entry of the operator's allow-list: `HOST-or-CIDR[:PORT]`.

use std::net::IpAddr;
use std::str::FromStr;

use url::Host;

use super::addresses::is_within;

/// Why a text is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "'{0}' is neither a host, nor an address or network, with a port or without: host, host:8080, 10.0.0.0/8, [fd00::/8]:80"
)]
pub struct NotAllowed(String);

/// What may be reached though it is not on the public Internet, and by plain http.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Allowed {
    place: Place,
    /// Only there; `None`: on any port that is not refused.
    port: Option<u16>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    /// Whatever addresses it has.
    Name(String),
    /// First address and length of the prefix.
    Network(IpAddr, u32),
}

impl Allowed {
    /// Whether the host is that which stands in the list.
    pub(super) fn names(&self, host: &Host<&str>, port: u16) -> bool {
        let is_it = match (&self.place, host) {
            (Place::Name(name), Host::Domain(host)) => name == host,
            (Place::Network(..), Host::Ipv4(address)) => self.has((*address).into()),
            (Place::Network(..), Host::Ipv6(address)) => self.has((*address).into()),
            _ => false,
        };
        is_it && self.is_at(port)
    }

    /// Whether the address is in a network of the list.
    pub(super) fn holds(&self, address: IpAddr, port: u16) -> bool {
        self.has(address) && self.is_at(port)
    }

    /// Whether one port is meant.
    pub(super) fn has_port(&self) -> bool {
        self.port.is_some()
    }

    fn is_at(&self, port: u16) -> bool {
        self.port.is_none_or(|only| only == port)
    }

    fn has(&self, address: IpAddr) -> bool {
        match (&self.place, address) {
            (Place::Network(IpAddr::V4(first), bits), IpAddr::V4(address)) => {
                is_within(u128::from(address.to_bits()) << 96, u128::from(first.to_bits()) << 96, *bits)
            }
            (Place::Network(IpAddr::V6(first), bits), IpAddr::V6(address)) => {
                is_within(address.to_bits(), first.to_bits(), *bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Allowed {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let wrong = || NotAllowed(text.escape_debug().take(SHOWN_CHARS_MAX).collect());
        let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (place, port) = match bracketed {
            Some((place, "")) => (place, None),
            Some((place, rest)) => (place, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
            // More than one colon without brackets is an address of IPv6.
            None if text.matches(':').count() == 1 => {
                text.split_once(':').map(|(place, port)| (place, Some(port))).ok_or_else(wrong)?
            }
            None => (text, None),
        };
        let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)).transpose()?;
        let place = self::place(place).ok_or_else(wrong)?;
        if bracketed.is_some() && !matches!(place, Place::Network(IpAddr::V6(_), _)) {
            return Err(wrong());
        }
        Ok(Self { place, port })
    }
}

/// Characters of a wrong entry that are shown.
const SHOWN_CHARS_MAX: usize = 64;

fn place(text: &str) -> Option<Place> {
    if let Some((address, bits)) = text.split_once('/') {
        let (address, bits) = (address.parse::<IpAddr>().ok()?, bits.parse::<u32>().ok()?);
        let (width, number) = match address {
            IpAddr::V4(address) => (32, u128::from(address.to_bits()) << 96),
            IpAddr::V6(address) => (128, address.to_bits()),
        };
        // Bits beyond the prefix are a slip: a network was meant, or one address.
        let has_rest = bits < 128 && number << bits != 0;
        return (bits <= width && !has_rest).then_some(Place::Network(address, bits));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Place::Network(address, if address.is_ipv4() { 32 } else { 128 }));
    }
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) && !text.ends_with('.');
    match Host::parse(text) {
        Ok(Host::Domain(name)) if is_plain => Some(Place::Name(name)),
        _ => None,
    }
}
