//! What the figures depend on beside the code.

use serde::Deserialize;
use std::arch::is_x86_feature_detected;
use std::process::Command;
use std::{fmt, io};

/// What has made the instructions, and what has counted them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Toolchain {
    pub rustc: String,
    pub valgrind: String,
}

/// What is here. An error where it cannot count, or not what is recorded.
pub fn here() -> io::Result<Toolchain> {
    // Valgrind shows programs a processor of its own, the same everywhere; but none with AVX2 where there is no AVX2.
    if !is_x86_feature_detected!("avx2") {
        return Err(io::Error::other("the record is of processors with AVX2, and this one has none"));
    }
    Ok(Toolchain { rustc: version("rustc")?, valgrind: version("valgrind")? })
}

fn version(program: &str) -> io::Result<String> {
    let said = Command::new(program).arg("--version").output();
    let said = said.map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {}", self.rustc, self.valgrind)
    }
}
