//! What is told to who looks after the service: where metrics are served, where traces go, how logs are written.

use std::net::SocketAddr;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::ConfigError;

/// Variable with headers for the collector (`name=value`, with commas), by which it knows us: a secret is never an
/// argument.
pub const OTLP_HEADERS_VARIABLE: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// Most of them.
const HEADERS_MAX: usize = 16;
/// What is added to the endpoint, as the standard says.
const TRACES_PATH: &str = "v1/traces";
/// The one protocol that is spoken.
const PROTOCOL: &str = "http/protobuf";

/// Flags for who looks after the service.
#[derive(Clone, Debug, clap::Args)]
pub struct ObserveArgs {
    /// Address at which /metrics is served without a key, and nothing else (port 9464 is usual; by default none)
    #[arg(long, env = "ENCLOS_METRICS_BIND", value_name = "ADDR")]
    pub metrics_bind: Option<SocketAddr>,
    /// Collector of OpenTelemetry traces, which is sent them as OTLP over HTTP to URL/v1/traces (by default none);
    /// OTEL_EXPORTER_OTLP_HEADERS has headers for it
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// How it is spoken to: only http/protobuf
    #[arg(long, env = "OTEL_EXPORTER_OTLP_PROTOCOL", hide = true, default_value = PROTOCOL)]
    pub otlp_protocol: String,
    /// Part of the jobs that are traced whose clients send no traceparent, 0 to 1
    #[arg(long, env = "ENCLOS_TRACE_RATIO", default_value = "1", value_name = "F", value_parser = ratio)]
    pub trace_ratio: f64,
    /// How logs are written: lines for people, or one JSON object a line
    #[arg(long, env = "ENCLOS_LOG_FORMAT", value_enum, default_value = "text", value_name = "text|json")]
    pub log_format: LogFormat,
}

/// How logs are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Where metrics and traces go.
#[derive(Clone, Debug, Default)]
pub struct Observe {
    /// Where `/metrics` is served without a key.
    pub metrics_bind: Option<SocketAddr>,
    /// Where traces go.
    pub traces: Option<TraceTarget>,
}

/// A collector of traces.
#[derive(Clone, Debug)]
pub struct TraceTarget {
    /// Where it takes them.
    pub url: Url,
    /// What it is shown; marked as sensitive.
    pub headers: HeaderMap,
    /// Part of the jobs that are traced whose clients do not say.
    pub ratio: f64,
}

impl Observe {
    /// What `args` and the environment say.
    ///
    /// # Errors
    /// [`ConfigError`] says which flag.
    pub fn of(args: &ObserveArgs, headers: Option<&str>) -> Result<Self, ConfigError> {
        let ObserveArgs { metrics_bind, otlp_endpoint, otlp_protocol, trace_ratio, log_format: _ } = args;
        // The standard's variables may stand there for other programs, empty or not.
        let endpoint = otlp_endpoint.as_deref().map(str::trim).filter(|endpoint| !endpoint.is_empty());
        let Some(endpoint) = endpoint else { return Ok(Self { metrics_bind: *metrics_bind, traces: None }) };
        if otlp_protocol != PROTOCOL {
            return Err(ConfigError::OtlpProtocol(otlp_protocol.clone()));
        }
        let url = traces_url(endpoint).ok_or_else(|| ConfigError::OtlpEndpoint(endpoint.to_owned()))?;
        let headers = headers.map_or(Some(HeaderMap::new()), parse_headers).ok_or(ConfigError::OtlpHeaders)?;
        let host = url.host_str().unwrap_or_default();
        if url.scheme() == "http" && !headers.is_empty() && !enclos_tls::client::is_loopback(host) {
            return Err(ConfigError::ClearOtlp(endpoint.to_owned()));
        }
        Ok(Self { metrics_bind: *metrics_bind, traces: Some(TraceTarget { url, headers, ratio: *trace_ratio }) })
    }
}

fn traces_url(endpoint: &str) -> Option<Url> {
    let mut url = Url::parse(endpoint).ok()?;
    let bare = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
    // What stands before an `@` would be a secret on the command line.
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let path = format!("{}/{TRACES_PATH}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(url)
}

fn parse_headers(text: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let name: HeaderName = name.trim().parse().ok()?;
        // The standard has them as in a baggage header: percent-encoded.
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        let mut value: HeaderValue = value.parse().ok()?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    (headers.len() <= HEADERS_MAX).then_some(headers)
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio = text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| "give a number from 0 to 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(endpoint: &str) -> ObserveArgs {
        ObserveArgs {
            metrics_bind: None,
            otlp_endpoint: Some(endpoint.to_owned()),
            otlp_protocol: PROTOCOL.to_owned(),
            trace_ratio: 1.0,
            log_format: LogFormat::Text,
        }
    }

    #[test]
    fn traces_go_beneath_the_endpoint() {
        let url = |endpoint| Observe::of(&args(endpoint), None).unwrap().traces.map(|t| t.url.to_string());
        assert_eq!(url("http://[::1]:4318").as_deref(), Some("http://[::1]:4318/v1/traces"));
        assert_eq!(url("https://c.example/otlp/").as_deref(), Some("https://c.example/otlp/v1/traces"));
        assert_eq!(url(" "), None);
    }

    #[test]
    fn an_endpoint_that_cannot_be_is_refused() {
        for bad in ["localhost:4318", "grpc://a:4317", "http://a?b", "http://u:p@a", "http://u@a", "http://a#b"] {
            assert!(matches!(Observe::of(&args(bad), None), Err(ConfigError::OtlpEndpoint(_))), "{bad}");
        }
        let grpc = ObserveArgs { otlp_protocol: "grpc".to_owned(), ..args("http://a:4317") };
        assert!(matches!(Observe::of(&grpc, None), Err(ConfigError::OtlpProtocol(_))));
    }

    #[test]
    fn a_collectors_key_never_crosses_the_network_in_clear_and_is_never_shown() {
        let headers = Some("authorization=Bearer s3cret, x-team = a");
        let target = Observe::of(&args("http://localhost:4318"), headers).unwrap().traces.unwrap();
        assert_eq!(target.headers["authorization"], "Bearer s3cret");
        assert_eq!(target.headers["x-team"], "a");
        assert!(!format!("{target:?}").contains("s3cret"));
        assert!(matches!(Observe::of(&args("http://c.example"), headers), Err(ConfigError::ClearOtlp(_))));
        assert!(Observe::of(&args("http://c.example"), None).is_ok());
        assert!(matches!(Observe::of(&args("https://c.example"), Some("a b=c")), Err(ConfigError::OtlpHeaders)));
    }

    #[test]
    fn a_ratio_is_a_part_of_one() {
        assert_eq!(ratio("0.25"), Ok(0.25));
        for bad in ["1.5", "-1", "NaN", "", "inf"] {
            assert!(ratio(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_header_is_written_as_the_standard_has_it() {
        let headers = parse_headers("authorization=Basic%20YTpi,x-tenant = a b").unwrap();
        assert_eq!(
            (&headers["authorization"], &headers["x-tenant"]),
            (&"Basic YTpi".parse().unwrap(), &"a b".parse().unwrap())
        );
        assert!(
            parse_headers("x=%00").is_none() && parse_headers("x=%0a").is_none() && parse_headers("x=%ff").is_none()
        );
    }
}
