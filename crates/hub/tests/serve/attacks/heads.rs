//! Heads that two readers could read in two ways, and what does not belong into one.

use crate::support::*;

#[tokio::test]
async fn a_request_has_one_host() {
    let server = serve(|settings| settings.origins = vec!["*".into()]);
    let two = "Host: localhost\r\nHost: evil.example\r\n";
    for request in
        [get("/health"), get("/stream?channel=a"), upgrade("/stream?channel=a", ""), post("/publish", "1")]
    {
        for hosts in ["", two, "Host: localhost\r\nhost: localhost\r\n"] {
            let request = request.replace("Host: localhost\r\n", hosts);
            assert_eq!(server.ask(&request).await.status, 400, "{request}");
        }
    }
    assert_eq!(server.ask(&with("/health", "Host: b\r\n")).await.code(), 4304);
    let absolute = get("http://localhost/health");
    assert_eq!(server.ask(&absolute).await.status, 200);
    assert_eq!(server.ask(&absolute.replace("Host: localhost\r\n", two)).await.status, 400);
    assert_eq!(server.ask(&absolute.replace("Host: localhost\r\n", "")).await.status, 400);
    // As HAProxy looks whether a server is there.
    assert_eq!(server.ask("GET /ready HTTP/1.0\r\n\r\n").await.status, 200);
}
