//! Tokens and keys, through the doors that others use.

use super::*;
use crate::code::Code;
use crate::identity::Rights;
use crate::settings::TokenAlgorithm::{EdDsa, Es256, Hs256, Rs256};
use crate::settings::{Secret, TokenKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_760_000_000;

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../tests/keys/", $name, ".pem"))
    };
}

/// Each algorithm with a private and a public key.
const PAIRS: [(TokenAlgorithm, &str, &str); 6] = [
    (Hs256, SECRET, SECRET),
    (Rs256, pem!("rs256.private"), pem!("rs256.public")),
    (Rs256, pem!("rs256-pkcs1.private"), pem!("rs256-pkcs1.public")),
    (Rs256, pem!("rs256-pkcs1.private"), pem!("rs256.public")),
    (Es256, pem!("es256.private"), pem!("es256.public")),
    (EdDsa, pem!("eddsa.private"), pem!("eddsa.public")),
];

fn token_key(algorithm: TokenAlgorithm, key: &str) -> TokenKey {
    TokenKey { algorithm, key: Secret(key.into()) }
}

fn keys(keys: &[(TokenAlgorithm, &str)]) -> Auth {
    let token_keys = keys.iter().map(|&(algorithm, key)| token_key(algorithm, key)).collect();
    Auth { token_keys, ..Auth::default() }
}

fn authority(auth: &Auth) -> Authority {
    Authority::new(auth, &Limits::default()).unwrap()
}

fn hs256() -> Auth {
    keys(&[(Hs256, SECRET)])
}

/// A token with these claims, whatever they are, signed with [`SECRET`].
fn signed(claims: &Value) -> String {
    signed_with(Hs256, SECRET, claims)
}

fn signed_with(algorithm: TokenAlgorithm, key: &str, claims: &Value) -> String {
    let signer = Signer::new(&token_key(algorithm, key)).unwrap();
    signer.sign_unread(claims.as_object().unwrap()).unwrap()
}

/// A token with this header and these claims as text, signed with [`SECRET`].
fn forged(header: &str, claims: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = ring::hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn verify_with(auth: &Auth, token: &str) -> Result<Identity, Problem> {
    authority(auth).tokens.verify(token, NOW)
}

fn verify(claims: &Value) -> Result<Identity, Problem> {
    verify_with(&hs256(), &signed(claims))
}

/// The message with which these claims are refused, beside an `exp` that is good unless there is another.
fn refusal(mut claims: Value) -> String {
    let has = claims.as_object_mut().unwrap();
    has.entry("exp").or_insert(json!(NOW + 60));
    let problem = verify(&claims).unwrap_err();
    assert_eq!(problem.code, Code::TokenInvalid);
    problem.message
}

#[test]
fn each_algorithm_checks_what_it_has_signed() {
    let claims = json!({"sub": "alice", "exp": NOW + 60});
    for (algorithm, private, public) in PAIRS {
        let token = signed_with(algorithm, private, &claims);
        let auth = keys(&[(algorithm, public)]);
        assert_eq!(verify_with(&auth, &token).unwrap().user.as_deref(), Some("alice"), "{algorithm}");

        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, claims) = message.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode(json!({"sub": "mallory", "exp": NOW + 60}).to_string());
        for tampered in [
            format!("{header}.{other}.{signature}"),
            format!("{header}.{claims}."),
            format!("{header}.{claims}.{}", &signature[..signature.len() - 4]),
            format!("{header}.{claims}.{signature}AAAA"),
            format!("{header}.{claims}.{}", "A".repeat(signature.len())),
        ] {
            let problem = verify_with(&auth, &tampered).unwrap_err();
            assert_eq!(problem.code, Code::TokenInvalid, "{algorithm} {tampered}");
        }
    }
}

#[test]
fn the_examples_of_the_rfcs_have_good_signatures() {
    let joe =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let examples = [
        (
            "RFC 7515 A.2",
            keys(&[(Rs256, pem!("rs256.public"))]),
            format!("eyJhbGciOiJSUzI1NiJ9.{joe}"),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJd\
             bF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN93\
             83LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhW\
             kWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            "RFC 7515 A.3",
            keys(&[(Es256, pem!("es256.public"))]),
            format!("eyJhbGciOiJFUzI1NiJ9.{joe}"),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ];
    for (name, mut auth, message, signature) in examples {
        let token = format!("{message}.{signature}");
        let at = |auth: &Auth, now| authority(auth).tokens.verify(&token, now);
        assert_eq!(at(&auth, 1_300_819_379).unwrap().expires, Some(1_300_819_380), "{name}");
        assert_eq!(at(&auth, NOW).unwrap_err().code, Code::TokenExpired, "{name}");
        auth.issuer = vec!["joe".into()];
        assert!(at(&auth, 1_300_819_379).is_ok(), "{name}");
    }

    // The payload of this one is no JSON: the signature is good, and the claims are refused.
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                 hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let problem = verify_with(&keys(&[(EdDsa, pem!("eddsa.public"))]), token).unwrap_err();
    assert!(problem.message.contains("claims"), "RFC 8037 A.4: {problem}");
}

#[test]
fn a_token_does_not_choose_how_it_is_checked() {
    let claims = json!({"sub": "mallory", "exp": NOW + 60}).to_string();
    let public =
        [(Rs256, pem!("rs256.public")), (Es256, pem!("es256.public")), (EdDsa, pem!("eddsa.public"))];
    // With what everybody knows, the public key, as a shared secret.
    for (_, key) in public {
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(&claims));
        for secret in [key, key.trim_end()] {
            let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
            let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&secret, message.as_bytes()));
            let problem = verify_with(&keys(&public), &format!("{message}.{signature}")).unwrap_err();
            assert_eq!(problem.code, Code::TokenInvalid);
            assert!(problem.message.contains("no key of that kind"), "{problem}");
        }
    }
    // A good signature under a header that says something else, or that says too much.
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"None"}"#,
        r#"{"alg":"hs256"}"#,
        r#"{"alg":"HS512"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":""}"#,
        r#"{"alg":["HS256"]}"#,
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#,
        r#"{"alg":"HS256","crit":[]}"#,
        "{}",
        "",
    ] {
        let problem = verify_with(&hs256(), &forged(header, &claims)).unwrap_err();
        assert_eq!(problem.code, Code::TokenInvalid, "{header}");
        assert!(!problem.message.contains("signature"), "{header}: {problem}");
    }
    assert!(
        verify_with(&hs256(), &forged(r#"{"alg":"HS256","typ":"x","kid":"y","zip":"DEF"}"#, &claims)).is_ok()
    );
    // Without any signature.
    let unsigned = forged(r#"{"alg":"none"}"#, &claims);
    let unsigned = &unsigned[..=unsigned.rfind('.').unwrap()];
    assert_eq!(verify_with(&hs256(), unsigned).unwrap_err().code, Code::TokenInvalid);
}

#[test]
fn any_of_several_keys_fits_by_its_algorithm() {
    let claims = json!({"exp": NOW + 60});
    let other = "ffffffffffffffffffffffffffffffff";
    let all = keys(&[(Hs256, other), (Es256, pem!("es256.public")), (Hs256, SECRET)]);
    for (algorithm, key) in [(Hs256, SECRET), (Hs256, other), (Es256, pem!("es256.private"))] {
        assert!(verify_with(&all, &signed_with(algorithm, key, &claims)).is_ok());
    }
    let stranger = signed_with(Hs256, "00000000000000000000000000000000", &claims);
    assert!(verify_with(&all, &stranger).unwrap_err().message.contains("none of this server's keys"));
    let none = verify_with(&Auth::default(), &stranger).unwrap_err();
    assert!(none.message.contains("no key to check tokens with"), "{none}");
}

#[test]
fn the_end_comes_with_the_leeway() {
    let code = |exp| verify(&json!({"exp": exp})).map(|_| ()).map_err(|problem| problem.code);
    assert_eq!(code(json!(NOW - 29)), Ok(()));
    assert_eq!(code(json!(NOW - 30)), Err(Code::TokenExpired));
    assert_eq!(code(json!(1_759_999_970.5)), Err(Code::TokenExpired), "a fraction is cut off");
    assert_eq!(code(json!(u64::MAX / 2)), Ok(()));
    assert_eq!(code(json!(0)), Err(Code::TokenExpired));
    for bad in [json!("1"), json!(null), json!(-1), json!(1e300), json!([1]), json!(true)] {
        assert!(refusal(json!({"exp": bad})).starts_with("the claim"), "{bad}");
    }
    let endless = verify(&json!({"sub": "alice"})).unwrap_err();
    assert!(endless.code == Code::TokenInvalid && endless.message.contains("`exp` is missing"), "{endless}");
}

#[test]
fn a_connection_ends_when_its_token_would_be_refused() {
    let authority = authority(&hs256());
    let token = signed(&json!({"exp": NOW}));
    for now in NOW - 1..NOW + 60 {
        let refused = authority.tokens.verify(&token, now).is_err();
        let identity = Identity { expires: Some(NOW), ..Identity::default() };
        assert_eq!(authority.has_expired(&identity, now), refused, "{now}");
    }
    assert!(!authority.has_expired(&Identity::default(), u64::MAX));
}

#[test]
fn the_clock_of_the_machine_decides() {
    let authority = authority(&hs256());
    let at = |exp: u64| {
        authority.verify(&signed(&json!({"exp": exp}))).map(|_| ()).map_err(|problem| problem.code)
    };
    assert_eq!((at(wall_clock() + 60), at(wall_clock() - 60)), (Ok(()), Err(Code::TokenExpired)));
}

#[test]
fn a_token_can_begin_later() {
    assert!(verify(&json!({"exp": NOW + 60, "nbf": NOW + 30})).is_ok());
    assert!(refusal(json!({"nbf": NOW + 31})).contains("not valid yet"));
    assert!(refusal(json!({"nbf": "soon"})).contains("`nbf`"));
}

#[test]
fn a_token_is_for_its_audience() {
    let auth = Auth { audience: vec!["push".into(), "chat".into()], ..hs256() };
    let with = |auth: &Auth, aud: Value| {
        let token = signed(&json!({"exp": NOW + 60, "aud": aud}));
        verify_with(auth, &token).map(|_| ()).map_err(|problem| problem.message)
    };
    assert!(with(&auth, json!("push")).is_ok() && with(&auth, json!(["mail", "chat"])).is_ok());
    for other in [json!("Push"), json!("mail"), json!(["mail"]), json!([]), json!("")] {
        assert!(with(&auth, other).unwrap_err().contains("another audience"));
    }
    for bad in [json!(1), json!(null), json!({"a": 1}), json!(["push", 1])] {
        assert!(with(&auth, bad).unwrap_err().contains("`aud` is not"));
    }
    let without = verify_with(&auth, &signed(&json!({"exp": NOW + 60}))).unwrap_err();
    assert!(without.message.contains("`aud` is missing"), "{without}");
    assert!(with(&hs256(), json!("push")).unwrap_err().contains("is set to be none"));
}

#[test]
fn a_token_is_of_an_issuer_that_is_taken() {
    let auth = Auth { issuer: vec!["https://a.example".into(), "b".into()], ..hs256() };
    let with = |iss: Value| {
        let token = signed(&json!({"exp": NOW + 60, "iss": iss}));
        verify_with(&auth, &token).map(|_| ()).map_err(|problem| problem.message)
    };
    assert!(with(json!("https://a.example")).is_ok() && with(json!("b")).is_ok());
    assert!(with(json!("c")).unwrap_err().contains("another issuer"));
    assert!(with(json!(["b"])).unwrap_err().contains("`iss` is not a string"));
    let without = verify_with(&auth, &signed(&json!({"exp": NOW + 60}))).unwrap_err();
    assert!(without.message.contains("`iss` is missing"), "{without}");
    assert!(verify(&json!({"exp": NOW + 60, "iss": "anyone"})).is_ok());
}

#[test]
fn claims_become_an_identity() {
    let identity = verify(&json!({
        "sub": "alice", "exp": NOW + 600, "iat": NOW, "unknown": {"a": [1]},
        "channels": ["chat:*", {"channel": "news", "rights": ["publish"]}, {"channel": "log"}],
        "rights": ["subscribe", "history"],
        "info": {"name": "Alice\nB"},
    }))
    .unwrap();
    assert_eq!((identity.user.as_deref(), identity.expires), (Some("alice"), Some(NOW + 600)));
    assert_eq!(identity.info.unwrap().get(), r#"{"name":"Alice\nB"}"#);
    let grants: Vec<_> = identity.grants.iter().map(|g| (g.pattern.to_string(), g.rights)).collect();
    let both = Rights::SUBSCRIBE | Rights::HISTORY;
    assert_eq!(grants, [("chat:*".into(), both), ("news".into(), Rights::PUBLISH), ("log".into(), both)]);

    let least = verify(&json!({"exp": NOW + 600, "channels": ["a"]})).unwrap();
    assert!(least.user.is_none() && least.info.is_none());
    assert_eq!(least.grants[0].rights, Rights::SUBSCRIBE | Rights::PRESENCE | Rights::HISTORY);
}

#[test]
fn a_claim_of_another_form_is_named() {
    for (claims, named) in [
        (json!({"sub": 7}), "`sub`"),
        (json!({"sub": null}), "`sub`"),
        (json!({"sub": ""}), "`sub`"),
        (json!({"sub": "x".repeat(255)}), "`sub`"),
        (json!({"channels": "chat"}), "`channels`"),
        (json!({"channels": [1]}), "`channels`"),
        (json!({"channels": [{"rights": ["publish"]}]}), "`channels`"),
        (json!({"channels": [{"channel": "a", "right": ["publish"]}]}), "`channels`"),
        (json!({"channels": [{"channel": "a", "rights": null}]}), "`channels`"),
        (json!({"channels": ["a b"]}), "`channels`: a channel's name has ' '"),
        (json!({"channels": ["*a"]}), "`channels`"),
        (json!({"channels": [{"channel": "a", "rights": ["fly"]}]}), "`channels`"),
        (json!({"channels": [{"channel": "a", "rights": "publish"}]}), "`channels`"),
        (json!({"rights": ["Publish"]}), "`rights`"),
        (json!({"rights": "publish"}), "`rights`"),
        (json!({"info": "x".repeat(1023)}), "`info`"),
    ] {
        let message = refusal(claims);
        assert!(message.contains(named), "{named}: {message}");
    }
    assert!(verify(&json!({"sub": "x".repeat(254), "info": "x".repeat(1022), "exp": NOW + 60})).is_ok());
}

#[test]
fn what_is_no_set_of_claims_is_refused() {
    let header = r#"{"alg":"HS256"}"#;
    for claims in ["", "7", "null", "\"x\"", r#"{"exp":9999999999,"exp":1}"#, "{", r#"{"exp":9999999999}x"#] {
        let problem = verify_with(&hs256(), &forged(header, claims)).unwrap_err();
        assert_eq!(problem.code, Code::TokenInvalid, "{claims}");
    }
    // Line breaks in what others see become spaces: it has to fit on one line.
    let info =
        verify_with(&hs256(), &forged(header, "{\"exp\":9999999999,\"info\":{\r\n\"a\":1}}")).unwrap().info;
    assert_eq!(info.unwrap().get(), r#"{  "a":1}"#);
}

#[test]
fn a_token_has_a_limited_length() {
    let token = signed(&json!({"exp": NOW + 60}));
    let with = |limit| {
        let limits = Limits { token: limit, ..Limits::default() };
        Authority::new(&hs256(), &limits).unwrap().tokens.verify(&token, NOW)
    };
    assert!(with(token.len()).is_ok());
    let problem = with(token.len() - 1).unwrap_err();
    assert!(problem.code == Code::TokenInvalid && problem.message.contains("more than"), "{problem}");
    let huge = format!("{}.{}.{}", "A".repeat(1 << 20), "A".repeat(1 << 20), "A".repeat(1 << 20));
    assert!(verify_with(&hs256(), &huge).unwrap_err().message.contains("more than 8192 bytes"));
}

#[test]
fn weak_and_wrong_keys_are_refused_with_the_way_out() {
    let error = |algorithm, key: &str| {
        let auth = keys(&[(Hs256, SECRET), (algorithm, key)]);
        let error = Authority::new(&auth, &Limits::default()).unwrap_err();
        assert!(error.to_string().starts_with(&format!("token key 2, for {algorithm}, ")), "{error}");
        let AuthError::TokenKey { number: 2, error, .. } = error else { panic!("{error}") };
        error
    };
    assert_eq!(error(Hs256, &"x".repeat(31)), KeyError::ShortSecret);
    assert_eq!(error(Hs256, &format!("{}\n", "x".repeat(31))), KeyError::ShortSecret);
    assert_eq!(error(Hs256, pem!("rs256.public")), KeyError::PemAsSecret);
    assert_eq!(error(Rs256, pem!("rsa1024.public")), KeyError::ShortRsa);
    assert_eq!(error(Es256, pem!("p384.public")), KeyError::OtherCurve);
    for algorithm in [Rs256, Es256, EdDsa] {
        assert_eq!(error(algorithm, pem!("es256.private")), KeyError::Private);
        assert_eq!(
            error(algorithm, "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----"),
            KeyError::NoPublicKey
        );
        assert_eq!(error(algorithm, ""), KeyError::NoPublicKey);
        assert_eq!(error(algorithm, SECRET), KeyError::NoPublicKey);
    }
    let two = format!("{}\n{}", pem!("es256.public"), pem!("es256.public"));
    assert_eq!(error(Es256, &two), KeyError::SeveralKeys);
    assert_eq!(error(Rs256, pem!("es256.public")), KeyError::NoPublicKey);
    assert_eq!(error(Es256, pem!("eddsa.public")), KeyError::NoPublicKey);
    assert_eq!(error(EdDsa, pem!("rs256.public")), KeyError::NoPublicKey);
}

#[test]
fn a_signer_needs_the_private_key_and_good_claims() {
    let error = |algorithm, key: &str| Signer::new(&token_key(algorithm, key)).unwrap_err();
    assert_eq!(error(Hs256, "short"), KeyError::ShortSecret);
    assert_eq!(error(Es256, pem!("es256.public")), KeyError::Public);
    assert_eq!(error(Es256, pem!("es256-sec1.private")), KeyError::NoPrivateKey);
    assert_eq!(error(Rs256, pem!("es256.private")), KeyError::NoPrivateKey);
    assert_eq!(error(EdDsa, ""), KeyError::NoPrivateKey);

    let signer = Signer::new(&token_key(Hs256, &format!("{SECRET}\r\n"))).unwrap();
    let sign = |claims: Value| signer.sign(claims.as_object().unwrap());
    let token = sign(json!({"exp": NOW + 60})).unwrap();
    assert!(verify_with(&hs256(), &token).is_ok(), "the end of a line is no part of a secret");
    assert!(sign(json!({})).unwrap_err().message.contains("`exp`"));
    assert!(sign(json!({"exp": 1, "channels": [7]})).unwrap_err().message.contains("`channels`"));
}

#[test]
fn a_private_keys_type_says_its_algorithm() {
    for (algorithm, private, public) in PAIRS.into_iter().skip(1) {
        let signer = Signer::from_private_key(&Secret(private.into())).unwrap();
        let token = signer.sign(json!({"exp": NOW + 60}).as_object().unwrap()).unwrap();
        assert!(verify_with(&keys(&[(algorithm, public)]), &token).is_ok(), "{algorithm}");
    }
    let error = |key: &str| Signer::from_private_key(&Secret(key.into())).unwrap_err();
    assert_eq!(error(pem!("es256.public")), KeyError::Public);
    assert_eq!((error(SECRET), error("")), (KeyError::NoPrivateKey, KeyError::NoPrivateKey));
}

#[test]
fn messages_and_debug_tell_nothing_of_secrets() {
    let token = signed(&json!({"sub": "hunter2", "exp": 1}));
    let auth = Auth { api_keys: vec![Secret("0123456789abcdef".into())], ..hs256() };
    let authority = authority(&auth);
    let problem = authority.verify(&token).unwrap_err();
    let debug = format!("{authority:?} {auth:?} {problem} {:?}", Signer::new(&auth.token_keys[0]));
    for secret in [SECRET, "0123456789abcdef", "hunter2", &token[..20]] {
        assert!(!debug.contains(secret), "{debug}");
    }
}

proptest! {
    #[test]
    fn garbage_is_no_token(token in ".{0,200}") {
        prop_assert_eq!(verify_with(&hs256(), &token).unwrap_err().code, Code::TokenInvalid);
    }

    #[test]
    fn three_parts_of_garbage_are_no_token(token in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,50}") {
        prop_assert_eq!(verify_with(&hs256(), &token).unwrap_err().code, Code::TokenInvalid);
    }

    #[test]
    fn signed_garbage_is_read_without_panic(header in ".{0,40}", claims in ".{0,60}") {
        let _ = verify_with(&hs256(), &forged(&header, &claims));
        let _ = verify_with(&hs256(), &forged(r#"{"alg":"HS256"}"#, &claims));
        let claims = format!(r#"{{"exp":9999999999,"channels":{claims},"info":{claims}}}"#);
        let _ = verify_with(&hs256(), &forged(r#"{"alg":"HS256"}"#, &claims));
    }

    #[test]
    fn one_changed_character_breaks_a_token(at in any::<prop::sample::Index>(), to in "[A-Za-z0-9_.-]") {
        let token = signed(&json!({"sub": "alice", "exp": NOW + 60}));
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assert_eq!(verify_with(&hs256(), &changed).is_ok(), changed == token);
    }
}
