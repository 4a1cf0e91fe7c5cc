//! Texts that are named on the command line: from a file, or from standard input.

use std::io::Read;
use std::path::Path;

use crate::error::Failure;

/// What to call a text in errors.
pub fn origin(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".into()
    } else {
        path.display().to_string()
    }
}

/// A whole text of at most `most` bytes; `-` is standard input. `hint` says where else to put what
/// is too large or no text.
///
/// # Errors
/// When it cannot be read, is too large, or is no text.
pub fn whole(path: &Path, most: u64, hint: &str, stdin: &mut dyn Read) -> Result<String, Failure> {
    let wrong = |what: String| Failure::usage(format!("{}: {what}", origin(path)));
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        stdin.take(most + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > most {
        return Err(wrong(format!("larger than {} KiB", most >> 10)).hint(hint));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        wrong(format!("not text: byte {at} is no UTF-8")).hint(hint)
    })
}
