use super::*;
use rustls::{InconsistentKeys, OtherError, PeerIncompatible, PeerMisbehaved};
use std::sync::Arc;

fn other() -> OtherError {
    OtherError(Arc::new(io::Error::other("CaUsedAsEndEntity")))
}

#[test]
fn no_error_shows_the_names_of_variants() {
    let errors = [
        TlsError::from(Error::InvalidCertificate(CertificateError::Revoked)),
        Error::InvalidCertificate(CertificateError::InvalidOcspResponse).into(),
        Error::InvalidCertificate(CertificateError::Other(other())).into(),
        Error::InvalidMessage(InvalidMessage::MissingData("CaUsedAsEndEntity")).into(),
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon).into(),
        Error::PeerMisbehaved(PeerMisbehaved::TooMuchEarlyDataReceived).into(),
        Error::Other(other()).into(),
        TlsError::Identity(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)),
        TlsError::Identity(Error::General("CaUsedAsEndEntity".into())),
    ];
    let alerts = (0..=255).map(|number| Error::AlertReceived(AlertDescription::from(number)).into());
    for error in errors.into_iter().chain(alerts) {
        let told = error.to_string();
        // Words that stand together, such as UnknownCA, are names of variants.
        let is_joined = |word: &str| {
            let mut letters = word.chars().zip(word.chars().skip(1));
            letters.any(|(letter, next)| letter.is_ascii_lowercase() && next.is_ascii_uppercase())
        };
        let joined: Vec<_> = told.split([' ', '=']).filter(|word| is_joined(word)).collect();
        assert!(joined.is_empty() || joined == ["basicConstraints"], "{told}");
        assert!(!told.contains("Unknown(") && told.contains("; "), "{told}");
    }
}

#[test]
fn each_fault_of_a_certificate_has_its_words() {
    let faults = [
        (CertificateError::BadEncoding, "it cannot be read"),
        (CertificateError::Revoked, "was revoked;"),
        (CertificateError::BadSignature, "signature is wrong"),
        (CertificateError::InvalidPurpose, "another purpose"),
        (CertificateError::UnhandledCriticalExtension, "critical extension"),
        (CertificateError::UnknownRevocationStatus, "cannot be told"),
        (CertificateError::ApplicationVerificationFailure, "breaks the rules"),
    ];
    for (fault, words) in faults {
        let told = TlsError::from(fault).to_string();
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn each_alert_has_its_words() {
    use AlertDescription as Alert;
    let alerts = [
        (Alert::BadCertificate, "finds the certificate bad"),
        (Alert::UnsupportedCertificate, "such certificates"),
        (Alert::CertificateRevoked, "was revoked"),
        (Alert::CertificateExpired, "has expired"),
        (Alert::UnknownCA, "does not know the issuer"),
        (Alert::AccessDenied, "denies access"),
        (Alert::ProtocolVersion, "another TLS version"),
        (Alert::HandshakeFailure, "other parameters"),
        (Alert::InsufficientSecurity, "other parameters"),
        (Alert::UnrecognisedName, "host's name"),
        (Alert::NoApplicationProtocol, "HTTP/1.1"),
        (Alert::InternalError, "the peer failed"),
        (Alert::DecodeError, "does not go on"),
    ];
    for (alert, words) in alerts {
        let told = TlsError::from(Error::AlertReceived(alert)).to_string();
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn other_faults_have_words_too() {
    let errors = [
        (Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon), "in common"),
        (Error::NoApplicationProtocol, "application protocols"),
        (Error::DecryptError, "breaks the rules of TLS"),
        (Error::NoCertificatesPresented, "showed no certificate"),
        (Error::EncryptError, "cannot go on"),
    ];
    for (error, words) in errors {
        let told = TlsError::from(error).to_string();
        assert!(told.contains(words), "{told}");
    }
    let told = TlsError::Identity(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)).to_string();
    assert!(told.contains("do not belong together"), "{told}");
}

#[test]
fn becomes_the_failure_of_a_transport() {
    let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
    for (error, kind) in [
        (TlsError::Io(io::ErrorKind::ConnectionReset.into()), io::ErrorKind::ConnectionReset),
        (TlsError::Eof, io::ErrorKind::UnexpectedEof),
        (TlsError::Timeout, io::ErrorKind::TimedOut),
        (TlsError::File { path: "key.pem".into(), error: denied() }, io::ErrorKind::PermissionDenied),
        (TlsError::NotTls, io::ErrorKind::InvalidData),
    ] {
        assert_eq!(io::Error::from(error).kind(), kind);
    }
    assert_eq!(io::Error::from(TlsError::NotTls).to_string(), TlsError::NotTls.to_string());
}
