//! What does not start says why.

use super::support::*;
use sockeye_hub::settings::{Listen, Settings};

fn error(change: impl FnOnce(&mut Settings)) -> String {
    bind(change).unwrap_err().to_string()
}

#[tokio::test]
async fn what_is_wrong_is_said_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let in_use = error(|settings| settings.listen = Listen::Tcp(address));
    assert!(in_use.contains("choose another port"), "{in_use}");
    let public = error(|settings| settings.listen = Listen::Tcp(([0, 0, 0, 0], 0).into()));
    assert!(public.contains("no auth is configured"), "{public}");
    let elsewhere = error(|settings| settings.listen = Listen::Tcp(([192, 0, 2, 1], 1).into()));
    assert!(elsewhere.contains("192.0.2.1:1"), "{elsewhere}");
    let missing = error(|settings| settings.tls = Some(("/no/chain.pem".into(), "/no/key.pem".into())));
    assert!(missing.contains("/no/chain.pem"), "{missing}");
    let origin = error(|settings| settings.origins = vec!["app.example/".into()]);
    assert!(origin.contains("app.example"), "{origin}");
}
