//! Where things are, and what has to be built there.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders of the project.
#[derive(Debug, Clone)]
pub struct Paths {
    pub project: PathBuf,
    pub bench: PathBuf,
}

impl Paths {
    pub fn new() -> Self {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { project: bench.parent().unwrap_or(bench).into(), bench: bench.into() }
    }

    /// A server of this workspace.
    pub fn bench_program(&self, name: &str) -> PathBuf {
        self.bench.join("target/release").join(name)
    }

    /// The project's binary.
    pub fn sockeye(&self) -> PathBuf {
        self.project.join("target/release/sockeye")
    }

    pub fn scripts(&self) -> PathBuf {
        self.bench.join("peers/js")
    }

    pub fn bun(&self) -> PathBuf {
        self.scripts().join("node_modules/.bin/bun")
    }

    /// What was measured, and what servers need while they run.
    pub fn results(&self) -> PathBuf {
        self.bench.join("target/results")
    }

    pub fn certificate(&self) -> [PathBuf; 2] {
        ["certificate.pem", "key.pem"].map(|name| self.results().join(name))
    }

    /// Where servers complain.
    pub fn log(&self) -> io::Result<File> {
        File::options().append(true).create(true).open(self.results().join("servers.log"))
    }

    /// Builds everything that is measured. The peers from npm may fail: what does not start is skipped later.
    pub fn build(&self) -> io::Result<()> {
        fs::create_dir_all(self.results())?;
        fs::write(self.results().join("servers.log"), "")?;
        self.write_certificate()?;
        cargo(&self.bench, &["-p", "ours", "-p", "peers", "--bins"])?;
        cargo(&self.project, &["-p", "sockeye-cli"])?;
        if let Err(error) = self.install_scripts() {
            eprintln!("the peers from npm are skipped: {error}");
        }
        Ok(())
    }

    /// Installs what the JavaScript servers need. npm does not let bun fetch its binary by itself.
    fn install_scripts(&self) -> io::Result<()> {
        let folder = self.scripts();
        if !folder.join("node_modules/ws").exists() {
            run(Command::new("npm").args(["install", "--no-package-lock"]).current_dir(&folder))?;
            run(Command::new("node").arg("node_modules/bun/install.js").current_dir(&folder))?;
        }
        Ok(())
    }

    fn write_certificate(&self) -> io::Result<()> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let [certificate, key] = self.certificate();
        fs::write(certificate, made.cert.pem())?;
        fs::write(key, made.signing_key.serialize_pem())
    }
}

fn cargo(folder: &Path, arguments: &[&str]) -> io::Result<()> {
    run(Command::new("cargo").args(["build", "--release", "--quiet"]).args(arguments).current_dir(folder))
}

fn run(command: &mut Command) -> io::Result<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?} failed: {status}"))) }
}
