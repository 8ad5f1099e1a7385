//! What one installation may reach, and what it has used of that.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::address;

/// Longest that a name may take to become addresses.
const RESOLVE_WAIT: Duration = Duration::from_secs(10);
/// Longest that a connection may take to be there.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
/// Connections of one installation in all.
const CONNECTIONS_MAX: u32 = 2000;
/// Bytes that one installation may send: requests are small.
const SENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Refused hosts that are remembered for the message.
const REFUSED_MAX: usize = 4;
/// Ports of a host that was named without one.
const WEB_PORTS: [u16; 2] = [80, 443];

/// A host that may be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Name or address, in lower case.
    pub host: String,
    /// The one port; `None`: those of the web.
    pub port: Option<u16>,
    /// The operator named it: it may be of his own network. Others lead into the world or nowhere.
    pub private: bool,
}

/// What was used, and what went wrong.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Bytes from the index.
    pub received: u64,
    /// Bytes to it.
    pub sent: u64,
    /// Connections.
    pub connections: u32,
    /// The first host that did not answer though it may be reached, and how.
    pub unreachable: Option<String>,
    /// Hosts that were asked for and may not be reached.
    pub refused: BTreeSet<String>,
    /// A bound was passed.
    pub exhausted: bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Closed {
    #[error("this host may not be reached")]
    Forbidden,
    #[error("this host does not answer")]
    Unreachable,
    #[error("this installation has used up what it may transfer")]
    Exhausted,
}

/// The way out of one installation.
#[derive(Debug)]
pub struct Gate {
    places: Vec<Place>,
    received_max: u64,
    traffic: Mutex<Traffic>,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    In,
    Out,
}

impl Gate {
    /// A gate to `places`, through which so many bytes may come.
    #[must_use]
    pub fn new(places: Vec<Place>, received_max: u64) -> Self {
        Self { places, received_max, traffic: Mutex::default() }
    }

    /// What has gone through.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.lock().clone()
    }

    /// Counts bytes on their way.
    pub(super) fn count(&self, way: Way, bytes: usize) -> Result<(), Closed> {
        let mut traffic = self.lock();
        let (sum, max) = match way {
            Way::In => (&mut traffic.received, self.received_max),
            Way::Out => (&mut traffic.sent, SENT_BYTES_MAX),
        };
        *sum = sum.saturating_add(bytes as u64);
        let beyond = *sum > max;
        traffic.exhausted |= beyond;
        if beyond { Err(Closed::Exhausted) } else { Ok(()) }
    }

    /// A connection to `host`, if it may be reached.
    pub(super) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Closed> {
        let place = self.admit(host, port)?;
        let unreachable = |why: String| {
            let mut traffic = self.lock();
            traffic.unreachable.get_or_insert(format!("{host}:{port}: {why}"));
            Closed::Unreachable
        };
        let found = timeout(RESOLVE_WAIT, lookup_host((host, port))).await;
        let found = found.map_err(|_| unreachable("no name server answers".to_owned()))?;
        let found: Vec<SocketAddr> = found.map_err(|e| unreachable(e.to_string()))?.collect();
        let allowed: Vec<SocketAddr> =
            found.iter().filter(|a| allows(&place, a.ip())).take(ADDRESSES_MAX).copied().collect();
        if allowed.is_empty() {
            self.refuse(host, port);
            return Err(Closed::Forbidden);
        }
        let mut last = String::new();
        for address in allowed {
            match timeout(CONNECT_WAIT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(e)) => last = e.to_string(),
                Err(_) => last = format!("no answer within {} s", CONNECT_WAIT.as_secs()),
            }
        }
        Err(unreachable(last))
    }

    fn admit(&self, host: &str, port: u16) -> Result<Place, Closed> {
        let fits = |place: &&Place| place.host == host && place.port.map_or(WEB_PORTS.contains(&port), |p| p == port);
        let Some(place) = self.places.iter().find(fits) else {
            self.refuse(host, port);
            return Err(Closed::Forbidden);
        };
        let mut traffic = self.lock();
        traffic.connections += 1;
        if traffic.connections > CONNECTIONS_MAX {
            traffic.exhausted = true;
            return Err(Closed::Exhausted);
        }
        Ok(place.clone())
    }

    fn refuse(&self, host: &str, port: u16) {
        let mut traffic = self.lock();
        if traffic.refused.len() < REFUSED_MAX {
            traffic.refused.insert(format!("{host}:{port}"));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Traffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name of the world that leads into this network, or to this host, leads nowhere.
fn allows(place: &Place, address: IpAddr) -> bool {
    place.private || (address::is_public(address) && !address::is_own(address))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    fn place(host: &str, port: Option<u16>, private: bool) -> Place {
        Place { host: host.into(), port, private }
    }

    #[tokio::test]
    async fn only_named_hosts_are_reached_and_only_on_their_ports() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let gate = Gate::new(vec![place("127.0.0.1", Some(port), true)], 1);
        assert!(gate.connect("127.0.0.1", port).await.is_ok());
        for (host, port) in [("127.0.0.1", 22), ("localhost", port), ("169.254.169.254", 80), ("127.0.0.1.", port)] {
            assert!(matches!(gate.connect(host, port).await, Err(Closed::Forbidden)), "{host}:{port}");
        }
        assert_eq!(gate.traffic().refused.len(), 4);
        assert_eq!(gate.traffic().unreachable, None);
    }

    #[tokio::test]
    async fn a_name_of_the_world_does_not_lead_into_this_network() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let gate = Gate::new(vec![place("localhost", Some(port), false)], 1);
        assert!(matches!(gate.connect("localhost", port).await, Err(Closed::Forbidden)));
    }

    #[tokio::test]
    async fn an_index_that_does_not_answer_is_told_apart_from_one_that_may_not_be_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let gate = Gate::new(vec![place("127.0.0.1", Some(port), true)], 1);
        assert!(matches!(gate.connect("127.0.0.1", port).await, Err(Closed::Unreachable)));
        assert!(gate.traffic().unreachable.unwrap().starts_with(&format!("127.0.0.1:{port}: ")));
    }

    #[test]
    fn bytes_are_counted_up_to_their_bound() {
        let gate = Gate::new(Vec::new(), 10);
        assert!(gate.count(Way::In, 10).is_ok() && gate.count(Way::Out, 10).is_ok());
        assert!(!gate.traffic().exhausted);
        assert!(gate.count(Way::In, 1).is_err() && gate.traffic().exhausted);
    }
}
