//! `/docs` as a browser gets it: what it may do, and what comes with it.

use reqwest::Method;

use crate::cluster::Cluster;

/// Everything that the page consists of.
const PARTS: [(&str, &str); 4] = [
    ("/docs", "text/html; charset=utf-8"),
    ("/docs/style.css", "text/css; charset=utf-8"),
    ("/docs/copy.js", "text/javascript; charset=utf-8"),
    ("/docs/icon.svg", "image/svg+xml"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_page_may_load_its_own_parts_and_nothing_else() {
    let cluster = Cluster::master_only().await;
    for (path, kind) in PARTS {
        let answer = cluster.http.get(format!("{}{path}", cluster.url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let header = |name: &str| answer.headers().get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
        assert_eq!(header("content-type"), kind, "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{path}");
        let policy = header("content-security-policy");
        for rule in ["default-src 'none'", "style-src 'self'", "script-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.split("; ").any(|one| one == rule), "{path}: {policy}");
        }
        assert!(!policy.contains("-inline") && !policy.contains("-eval") && !policy.contains('*'), "{path}: {policy}");
        assert!(!answer.text().await.unwrap().is_empty(), "{path}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_the_host_under_which_it_is_read() {
    let cluster = Cluster::master_only().await;
    let port = cluster.url.rsplit(':').next().unwrap();
    let page = async |host: &str| {
        let request = cluster.http.get(format!("{}/docs", cluster.url)).header("host", host);
        request.send().await.unwrap().text().await.unwrap()
    };
    let named = format!("localhost:{port}");
    assert!(page(&named).await.contains(&format!("curl -s &#39;http://{named}/v1/jobs?wait_ms=20000&#39;")));
    let odd = page("localhost:1<script>").await;
    assert!(!odd.contains("localhost:1"), "what is no port is not repeated");
    assert!(!odd.contains('\u{1}'), "no place of the host is left open");
    let foreign = cluster.http.get(format!("{}/docs", cluster.url)).header("host", "evil.example").send().await;
    assert_eq!(foreign.unwrap().status(), 421);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_only_read_and_takes_no_parameters() {
    let cluster = Cluster::master_only().await;
    let status = async |method: Method, path: &str| {
        cluster.http.request(method, format!("{}{path}", cluster.url)).send().await.unwrap().status().as_u16()
    };
    for (path, _) in PARTS {
        assert_eq!(status(Method::POST, path).await, 405, "{path}");
        assert_eq!(status(Method::GET, &format!("{path}?a=1")).await, 400, "{path}");
        assert_eq!(status(Method::HEAD, path).await, 200, "{path}");
    }
    cluster.shutdown().await;
}
