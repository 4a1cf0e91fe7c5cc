//! Writes the OpenAPI document to standard output:
//! `cargo run -q -p api --example openapi > docs/openapi.json`.

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(api::openapi_text().as_bytes())
}
