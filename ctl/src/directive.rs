//! `#GO` lines: options of `goctl submit` written into the script itself.
//!
//! They stand in the leading comments of a script. A line that is not understood is an error,
//! because an ignored `--mem` would be worse than none.

use crate::limits::DIRECTIVE_BYTES_MAX;

/// One `#GO` line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directive {
    /// Its line in the script, from 1.
    pub line: usize,
    /// Its words, as a shell would split them.
    pub words: Vec<String>,
}

/// The directives at the head of a script, in order.
///
/// # Errors
/// The line and what is wrong with it.
pub fn read(script: &str) -> Result<Vec<Directive>, (usize, String)> {
    let mut found = Vec::new();
    let mut seen = 0;
    for (at, line) in script.split('\n').enumerate() {
        seen += line.len() + 1;
        let text = line.trim();
        if seen > DIRECTIVE_BYTES_MAX || !(text.is_empty() || text.starts_with('#')) {
            break;
        }
        let Some(options) = text.strip_prefix("#GO") else {
            continue;
        };
        if !options.is_empty() && !options.starts_with([' ', '\t']) {
            continue;
        }
        let words =
            shlex::split(options).ok_or_else(|| (at + 1, String::from("a quote is not closed")))?;
        if words.is_empty() {
            return Err((at + 1, "no options behind #GO".into()));
        }
        found.push(Directive {
            line: at + 1,
            words,
        });
    }
    Ok(found)
}
