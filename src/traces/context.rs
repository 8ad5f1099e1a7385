//! The trace that a request belongs to: its `traceparent` header (W3C Trace Context, version 00).

use std::time::Instant;

use axum::http::HeaderMap;

/// Header of the context.
const HEADER: &str = "traceparent";
/// Length of a header of version 00; later versions begin with as much.
const LENGTH: usize = 55;
/// Flag: the caller's own spans are recorded.
const SAMPLED: u8 = 1;

/// Whose child a trace's first span is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Context {
    /// Id of the trace.
    pub trace: [u8; 16],
    /// Span of the caller.
    pub parent: Option<[u8; 8]>,
    /// It is recorded.
    pub sampled: bool,
}

impl Context {
    /// A new trace.
    #[must_use]
    pub fn fresh() -> Self {
        Self { trace: rand::random(), parent: None, sampled: true }
    }

    /// What a header says; `None`: it is not valid, and the standard says that it then says nothing.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (own, more) = header.split_at_checked(LENGTH)?;
        let mut parts = own.split('-');
        let [version, trace, parent, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        if parts.next().is_some() {
            return None;
        }
        let [version] = bytes::<1>(version)?;
        // A later version may have more, after another dash.
        let fits = if version == 0 { more.is_empty() } else { more.is_empty() || more.starts_with('-') };
        let (trace, parent, [flags]) = (bytes::<16>(trace)?, bytes::<8>(parent)?, bytes::<1>(flags)?);
        let valid = version != 0xff && fits && trace != [0; 16] && parent != [0; 8];
        valid.then_some(Self { trace, parent: Some(parent), sampled: flags & SAMPLED != 0 })
    }
}

/// So many bytes in lower-case hexadecimal, as the standard wants it.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let lower = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; N];
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

/// When a request came, and in which trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// When.
    pub at: Instant,
    /// In which trace, where its client has one.
    pub context: Option<Context>,
}

impl Default for Asked {
    /// Now, in none.
    fn default() -> Self {
        Self { at: Instant::now(), context: None }
    }
}

impl Asked {
    /// A request with these headers came just now. Of two contexts none is the right one.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(HEADER).iter();
        let context = values.next().and_then(|value| Context::parse(value.to_str().ok()?));
        Self { context: context.filter(|_| values.next().is_none()), ..Self::default() }
    }

    /// The trace of its job: that of its client, as its client says; else every so manieth has one. `None`: it is
    /// not recorded.
    pub(super) fn sampled(&self, ratio: f64) -> Option<Context> {
        match self.context {
            Some(context) => context.sampled.then_some(context),
            None => (rand::random::<f64>() < ratio).then(Context::fresh),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    #[test]
    fn a_valid_header_is_taken() {
        let context = Context::parse(&format!("00-{TRACE}-{PARENT}-01")).unwrap();
        assert_eq!(hex::encode(context.trace), TRACE);
        assert_eq!(context.parent.map(hex::encode).as_deref(), Some(PARENT));
        assert!(context.sampled && !Context::parse(&format!("00-{TRACE}-{PARENT}-00")).unwrap().sampled);
        assert!(Context::parse(&format!("cc-{TRACE}-{PARENT}-01-more")).is_some(), "a later version has more");
    }

    #[test]
    fn what_is_not_valid_says_nothing() {
        let zeros = ("0".repeat(32), "0".repeat(16));
        let bad = [
            String::new(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}-01 "),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", zeros.0),
            format!("00-{TRACE}-{}-01", zeros.1),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{PARENT}-0g"),
            format!("00-{TRACE}{PARENT}-01--"),
            format!("cc-{TRACE}-{PARENT}-01.more"),
            format!("00-{TRACE}-{}é-01", &PARENT[..14]),
        ];
        for header in bad {
            assert_eq!(Context::parse(&header), None, "{header}");
        }
    }

    #[test]
    fn a_client_decides_of_its_own_trace_and_the_ratio_of_all_others() {
        let header = |flags: &str| HeaderValue::from_str(&format!("00-{TRACE}-{PARENT}-{flags}")).unwrap();
        let mut headers = HeaderMap::new();
        assert!(Asked::of(&headers).sampled(1.0).is_some() && Asked::of(&headers).sampled(0.0).is_none());
        headers.append(HEADER, header("01"));
        assert_eq!(Asked::of(&headers).sampled(0.0).map(|c| hex::encode(c.trace)).as_deref(), Some(TRACE));
        headers.append(HEADER, header("01"));
        assert_eq!(Asked::of(&headers).context, None, "of two none is the right one");
        headers.insert(HEADER, header("00"));
        assert_eq!(Asked::of(&headers).sampled(1.0), None);
    }
}
