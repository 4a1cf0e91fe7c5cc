//! Rules about images as text: a line each, `allow PATTERN` or `deny PATTERN`.
//!
//! Blank lines and comments (`#`) are passed over. What is written is read again as it was.

use api_types::settings::ImageRule;

/// The rules of a text, in order.
///
/// # Errors
/// The line, from 1, and what is wrong with it.
pub fn read(text: &str) -> Result<Vec<ImageRule>, (usize, String)> {
    let mut rules = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        rules.push(rule(line).ok_or_else(|| {
            let wrong = format!("`{line}` is no rule: write allow PATTERN or deny PATTERN");
            (at + 1, wrong)
        })?);
    }
    Ok(rules)
}

fn rule(line: &str) -> Option<ImageRule> {
    let (word, pattern) = line.split_once(char::is_whitespace)?;
    let allow = match word {
        "allow" => true,
        "deny" => false,
        _ => return None,
    };
    let pattern = pattern.trim();
    (!pattern.contains(char::is_whitespace)).then(|| ImageRule {
        allow,
        pattern: pattern.to_owned(),
    })
}

/// The text of rules.
pub fn write(rules: &[ImageRule]) -> String {
    let line = |rule: &ImageRule| {
        let word = if rule.allow { "allow" } else { "deny" };
        format!("{word} {}\n", crate::output::cells::safe(&rule.pattern))
    };
    rules.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let text = "# ours\n\nallow docker.io/library/*\n  deny\t*:latest  \n";
        let rules = read(text).unwrap();
        assert_eq!(write(&rules), "allow docker.io/library/*\ndeny *:latest\n");
        assert_eq!(read(&write(&rules)), Ok(rules));
        assert_eq!(read("# nothing\n"), Ok(Vec::new()));
    }

    #[test]
    fn a_line_that_is_no_rule_is_named() {
        for text in ["permit *", "allow", "deny a b", "*"] {
            let (line, wrong) = read(&format!("allow *\n{text}\n")).unwrap_err();
            assert_eq!(line, 2, "{text}");
            assert!(wrong.contains("allow PATTERN"), "{wrong}");
        }
    }
}
