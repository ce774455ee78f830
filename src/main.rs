//! The Lambda function `rattle-lambda`.
//!
//! It is not part of this version; the binary says so instead of pretending to
//! handle events.

fn main() -> std::process::ExitCode {
    eprintln!("rattle-lambda: this version has no Lambda function yet; use `rattle replay`");
    std::process::ExitCode::FAILURE
}
