//! Ports at which another protocol is at home.
//!
//! The list of the Fetch standard ("port blocking"), which browsers refuse for the same reason: a
//! request to a mail server is a mail to it. Any other port is as good as 443: what stands behind a
//! public address is public, and private ones are refused whatever their port.

/// Sorted, for the search.
const REFUSED: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Whether nothing is sent to this port.
#[must_use]
pub fn is_refused(port: u16) -> bool {
    REFUSED.binary_search(&port).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_leaves_the_web_alone() {
        assert!(REFUSED.is_sorted_by(|a, b| a < b));
        for port in [80, 443, 8080, 8443, 3000, 65535] {
            assert!(!is_refused(port), "{port}");
        }
        for port in [0, 22, 25, 53, 110, 587, 6667] {
            assert!(is_refused(port), "{port}");
        }
    }
}
