//! What an installer asks of its proxy: the head of one HTTP request. Pure.
//!
//! `CONNECT host:port` opens a tunnel; `GET` and `HEAD` of an absolute URL fetch one thing in
//! plain HTTP. Everything else is refused: a proxy that understands little cannot be talked into
//! much.

/// Largest head, in bytes.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    /// Name or address, in lower case, without brackets.
    pub host: String,
    pub port: u16,
    pub way: Way,
}

/// How it is to be reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Bytes go both ways.
    Tunnel,
    /// This head is sent, and the answer is all that comes back.
    Fetch(Vec<u8>),
}

/// Why a head is not understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum NotAsked {
    #[error("not an HTTP request")]
    Malformed,
    #[error("only CONNECT, GET and HEAD are served")]
    Method,
    #[error("the target is neither host:port nor an http:// URL")]
    Target,
}

/// Where the head in `bytes` ends, after its empty line.
pub(super) fn end_of(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

/// What the head asks for.
pub(super) fn parse(head: &[u8]) -> Result<Asked, NotAsked> {
    let text = std::str::from_utf8(head).map_err(|_| NotAsked::Malformed)?;
    let mut lines = text.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(NotAsked::Malformed);
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") || target.bytes().any(|b| !b.is_ascii_graphic()) {
        return Err(NotAsked::Malformed);
    }
    match method {
        "CONNECT" => {
            let (host, port) = host_and_port(target, None).ok_or(NotAsked::Target)?;
            Ok(Asked { host, port, way: Way::Tunnel })
        }
        "GET" | "HEAD" => {
            let rest = target.strip_prefix("http://").ok_or(NotAsked::Target)?;
            let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let (host, port) = host_and_port(authority, Some(80)).ok_or(NotAsked::Target)?;
            let slash = if path.starts_with('/') { "" } else { "/" };
            let mut sent = format!("{method} {slash}{path} HTTP/1.1\r\nHost: {authority}\r\n");
            for header in lines.take_while(|l| !l.is_empty()).filter(|l| passes(l)) {
                sent.push_str(header);
                sent.push_str("\r\n");
            }
            // One request a connection: what follows on it is never looked at.
            sent.push_str("Connection: close\r\n\r\n");
            Ok(Asked { host, port, way: Way::Fetch(sent.into_bytes()) })
        }
        _ => Err(NotAsked::Method),
    }
}

/// Whether a header goes on: not what is between client and proxy, and nothing that announces a body.
fn passes(header: &str) -> bool {
    const STAY: [&str; 9] = [
        "host",
        "connection",
        "keep-alive",
        "transfer-encoding",
        "content-length",
        "te",
        "trailer",
        "upgrade",
        "expect",
    ];
    let Some((name, value)) = header.split_once(':') else { return false };
    let is_token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    let name = name.to_ascii_lowercase();
    is_token && !value.contains(['\r', '\n', '\0']) && !name.starts_with("proxy-") && !STAY.contains(&name.as_str())
}

/// `host:port` in parts; `[::1]:80` too.
pub(super) fn host_and_port(authority: &str, default: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok().filter(|p| *p > 0)?,
        Some(_) => return None,
        None => default?,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
    let fits = (1..=253).contains(&host.len()) && host.chars().all(is_name);
    fits.then(|| (host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fetched(head: &str) -> String {
        match parse(head.as_bytes()).unwrap().way {
            Way::Fetch(sent) => String::from_utf8(sent).unwrap(),
            Way::Tunnel => panic!("a tunnel"),
        }
    }

    #[test]
    fn a_tunnel_names_host_and_port() {
        let asked = parse(b"CONNECT PyPI.org:443 HTTP/1.1\r\nHost: other:443\r\n\r\n").unwrap();
        assert_eq!(asked, Asked { host: "pypi.org".into(), port: 443, way: Way::Tunnel });
        let asked = parse(b"CONNECT [::1]:8 HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!((asked.host.as_str(), asked.port), ("::1", 8));
    }

    #[test]
    fn a_fetch_is_sent_on_for_the_host_of_its_url_and_closes() {
        let head = "GET http://index:81/simple/?x=1 HTTP/1.1\r\nHost: evil\r\nAccept: text/html\r\n\
                    Proxy-Authorization: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n";
        insta::assert_snapshot!(fetched(head).replace("\r\n", "\n"), @"
        GET /simple/?x=1 HTTP/1.1
        Host: index:81
        Accept: text/html
        Connection: close
        ");
        assert!(fetched("HEAD http://index HTTP/1.1\r\n\r\n").starts_with("HEAD / HTTP/1.1\r\nHost: index\r\n"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (head, why) in [
            ("POST http://a/ HTTP/1.1\r\n\r\n", NotAsked::Method),
            ("CONNECT a HTTP/1.1\r\n\r\n", NotAsked::Target),
            ("CONNECT a:0 HTTP/1.1\r\n\r\n", NotAsked::Target),
            ("CONNECT a:65536 HTTP/1.1\r\n\r\n", NotAsked::Target),
            ("CONNECT a:+1 HTTP/1.1\r\n\r\n", NotAsked::Target),
            ("CONNECT a@b:443 HTTP/1.1\r\n\r\n", NotAsked::Target),
            ("GET /etc/passwd HTTP/1.1\r\n\r\n", NotAsked::Target),
            ("GET https://a/ HTTP/1.1\r\n\r\n", NotAsked::Target),
            ("GET file:///etc/passwd HTTP/1.1\r\n\r\n", NotAsked::Target),
            ("GET http://u:p@a/ HTTP/1.1\r\n\r\n", NotAsked::Target),
            ("GET http://a/ HTTP/2\r\n\r\n", NotAsked::Malformed),
            ("GET http://a/\r\n\r\n", NotAsked::Malformed),
        ] {
            assert_eq!(parse(head.as_bytes()), Err(why), "{head}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_one_head_is_sent_on_at_most(head in ".{0,20}|GET http://a/.{0,60}( HTTP/1.1)?(\r\n.{0,30}){0,4}\r\n\r\n") {
            if let Ok(Asked { way: Way::Fetch(sent), .. }) = parse(head.as_bytes()) {
                prop_assert_eq!(end_of(&sent), Some(sent.len()));
            }
        }
    }
}
