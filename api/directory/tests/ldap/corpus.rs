//! The lines of `injection.txt`: what somebody may write who wants to be somebody else.

const CORPUS: &str = include_str!("injection.txt");
/// So many at the least, or the file was not read as it is meant.
const LINES_MIN: usize = 150;

/// The lines, `\u{HEX}` in them read as the character of that number.
pub(crate) fn lines() -> Vec<String> {
    let lines = CORPUS.lines().filter(|line| !line.starts_with("##"));
    let lines: Vec<String> = lines.map(unescaped).collect();
    assert!(lines.len() >= LINES_MIN, "{} lines", lines.len());
    lines
}

fn unescaped(line: &str) -> String {
    let mut parts = line.split("\\u{");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_once('}').unwrap();
        text.push(char::from_u32(u32::from_str_radix(digits, 16).unwrap()).unwrap());
        text += rest;
    }
    text
}
