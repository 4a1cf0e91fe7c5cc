//! The command `goctl`. All of it is in the library, where tests and packaging reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    ctl::main()
}
