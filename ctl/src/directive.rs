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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    fn lines(script: &str) -> Vec<(usize, String)> {
        read(script)
            .unwrap()
            .into_iter()
            .map(|d| (d.line, d.words.join("|")))
            .collect()
    }

    #[test]
    fn they_stand_above_the_first_line_of_code() {
        let script =
            "#!/bin/sh\n#GO --cpu 2\n\n  # remark\n\t#GO -e 'A=x y'\nset -e\n#GO --cpu 9\n";
        assert_eq!(
            lines(script),
            [(2, "--cpu|2".into()), (5, "-e|A=x y".into())]
        );
    }

    #[test]
    fn other_comments_are_none() {
        assert_eq!(
            lines("#GOAL --cpu 2\n# GO --cpu 2\n##GO --cpu 2\n#go --cpu 2\n"),
            []
        );
    }

    #[test]
    fn carriage_returns_are_no_part_of_a_word() {
        assert_eq!(
            lines("#!/bin/sh\r\n#GO --cpu 2\r\n"),
            [(2, "--cpu|2".into())]
        );
    }

    #[test]
    fn only_the_head_of_a_long_script_is_searched() {
        let script = format!("{}#GO --cpu 2\n", "# x\n".repeat(DIRECTIVE_BYTES_MAX / 4));
        assert_eq!(lines(&script), []);
    }

    #[test]
    fn what_is_not_understood_is_named_by_its_line() {
        assert_eq!(read("\n#GO 'a\n").unwrap_err().0, 2);
        assert_eq!(read("#GO\n").unwrap_err().0, 1);
    }
}
