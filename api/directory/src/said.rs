//! What others say, made fit for a log: one line, and not too long.

use crate::limits::SAID_BYTES_MAX;

/// The text without control characters, cut off where it is too long.
pub(crate) fn printable(text: &str) -> String {
    shortened(text, SAID_BYTES_MAX)
}

/// The same with a bound of its own.
pub(crate) fn shortened(text: &str, bytes_max: usize) -> String {
    let end = text.floor_char_boundary(bytes_max);
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut out: String = text[..end].chars().map(plain).collect();
    if end < text.len() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_stays_on_one_line_and_short() {
        assert_eq!(printable("a\r\n\u{1b}[31mb\0"), "a   [31mb ");
        assert_eq!(shortened("ééé", 3), "é…");
        assert_eq!(shortened("ab", 2), "ab");
    }
}
