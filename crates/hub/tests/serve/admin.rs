//! A listener for operators alone.

use super::support::*;
use sockeye_hub::settings::{Listen, Secret};

#[tokio::test]
async fn the_api_is_on_the_admin_listener_alone() {
    let server = serve(|settings| settings.admin_listen = Some(Listen::Tcp(([127, 0, 0, 1], 0).into())));
    let mut public = server.connect().await;
    let mut admin = Client::tcp(server.admin_address()).await;
    for target in ["/metrics", "/api/info"] {
        assert_eq!(public.ask(&get(target)).await.status, 404, "{target}");
        assert_eq!(admin.ask(&get(target)).await.status, 200, "{target}");
    }
    for target in ["/stream?channel=a", "/", "/sockeye.d.ts", "/publish"] {
        assert_eq!(admin.ask(&get(target)).await.status, 404, "{target}");
    }
    for target in ["/health", "/ready"] {
        assert_eq!(public.ask(&get(target)).await.status, 200, "{target}");
        assert_eq!(admin.ask(&get(target)).await.status, 200, "{target}");
    }
    let mut upgrading = Client::tcp(server.admin_address()).await;
    assert_eq!(upgrading.ask(&upgrade("/stream?channel=a", "")).await.status, 404);
}

#[tokio::test]
async fn with_a_key_the_api_asks_for_it() {
    let key = "a key of thirty-two bytes or more";
    let server = serve(|settings| settings.auth.api_keys = vec![Secret(key.into())]);
    for target in ["/metrics", "/api/info"] {
        let answer = server.ask(&get(target)).await;
        assert_eq!((answer.status, answer.code()), (401, 4314), "{target}");
        let with_key = with(target, &format!("Authorization: Bearer {key}\r\n"));
        assert_eq!(server.ask(&with_key).await.status, 200, "{target}");
    }
}

#[tokio::test]
async fn operators_come_in_where_clients_are_too_many() {
    let server = serve(|settings| {
        settings.admin_listen = Some(Listen::Tcp(([127, 0, 0, 1], 0).into()));
        settings.limits.connections = 0;
    });
    assert_eq!(server.ask(&get("/stream?channel=a")).await.status, 503);
    assert_eq!(Client::tcp(server.admin_address()).await.ask(&get("/metrics")).await.status, 200);
}
