//! From pieces of the engine's log back to the bytes that were written. Pure.
//!
//! The engine's `local` log keeps lines. A line longer than its buffer is kept in pieces that
//! share one time; a piece that ends with a line has the line's end, except, in engines such as
//! 20.10, for the last piece of a long line: there it is lost. It is put back here. Only behind
//! the very last piece it cannot be told whether there was a line's end; [`Mender::end`] says so.

/// The engine's buffer: a piece of this size is always followed by more of its line, or by the
/// end of the output.
const PIECE_BYTES: usize = 16 << 10;

/// A piece without a time in front.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// How the output of one stream stands after its last piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Everything is there.
    Complete,
    /// A line's end was lost.
    Lost,
    /// A line's end was lost, or there was none.
    Unsure,
}

/// One stream of one container's output.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Mender {
    open: Option<Piece>,
}

/// The last piece, if it does not end its line.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Piece {
    time: Vec<u8>,
    bytes: usize,
    continues: bool,
}

impl Mender {
    /// Takes the next piece, with its time in front, and appends what was written to `out`.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let space = piece
            .iter()
            .position(|byte| *byte == b' ')
            .ok_or(Malformed)?;
        let (time, text) = (&piece[..space], &piece[space + 1..]);
        let open = self.open.take();
        let continues = open.as_ref().is_some_and(|open| open.time == time);
        if open.is_some_and(|open| !continues && open.bytes < PIECE_BYTES) {
            out.push(b'\n');
        }
        out.extend_from_slice(text);
        if text.last() != Some(&b'\n') {
            self.open = Some(Piece {
                time: time.to_vec(),
                bytes: text.len(),
                continues,
            });
        }
        Ok(())
    }

    /// How the stream stands if no more pieces come.
    pub(super) fn end(&self) -> End {
        match &self.open {
            // An empty piece is made only by a line's end.
            Some(Piece { bytes: 0, .. }) => End::Lost,
            Some(Piece {
                bytes,
                continues: true,
                ..
            }) if *bytes < PIECE_BYTES => End::Unsure,
            Some(_) | None => End::Complete,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// What comes out of these pieces, given as (time, text), and how it ends.
    fn mend(pieces: &[(&str, &str)]) -> (String, End) {
        let (mut mender, mut out) = (Mender::default(), Vec::new());
        for (time, text) in pieces {
            mender
                .push(format!("{time} {text}").as_bytes(), &mut out)
                .unwrap();
        }
        (String::from_utf8(out).unwrap(), mender.end())
    }

    fn check(pieces: &[(&str, &str)], text: &str, end: End) {
        assert_eq!(mend(pieces), (text.to_owned(), end));
    }

    #[test]
    fn short_lines_come_out_as_they_are() {
        check(
            &[("1", "a b\n"), ("1", "\n"), ("2", "c\n")],
            "a b\n\nc\n",
            End::Complete,
        );
        check(&[("1", "a\n"), ("2", "rest")], "a\nrest", End::Complete);
        check(&[], "", End::Complete);
    }

    #[test]
    fn a_lost_line_end_comes_back_when_the_next_line_begins() {
        let long = "y".repeat(PIECE_BYTES);
        let text = format!("{long}rest\nnext\n");
        check(
            &[("1", &long), ("1", "rest"), ("2", "next\n")],
            &text,
            End::Complete,
        );
        let text = format!("{long}{long}\nnext\n");
        let exact = [
            ("1", long.as_str()),
            ("1", &long),
            ("1", ""),
            ("2", "next\n"),
        ];
        check(&exact, &text, End::Complete);
        let text = format!("{long}{long}\n{long}tail\n\n");
        let pieces = [
            ("1", long.as_str()),
            ("1", &long),
            ("1", ""),
            ("2", &long),
            ("2", "tail"),
            ("3", "\n"),
        ];
        check(&pieces, &text, End::Complete);
    }

    #[test]
    fn a_mended_engine_is_not_mended_again() {
        let long = "y".repeat(PIECE_BYTES);
        let text = format!("{long}rest\n{long}\nnext\n");
        let pieces = [
            ("1", long.as_str()),
            ("1", "rest\n"),
            ("2", &long),
            ("2", "\n"),
            ("3", "next\n"),
        ];
        check(&pieces, &text, End::Complete);
    }

    #[test]
    fn a_long_line_that_another_engine_goes_on_with_stays_one_line() {
        let long = "y".repeat(PIECE_BYTES);
        check(
            &[("1", &long), ("2", "rest\n")],
            &format!("{long}rest\n"),
            End::Complete,
        );
    }

    #[test]
    fn only_the_end_of_a_long_last_line_is_unsure() {
        let long = "y".repeat(PIECE_BYTES);
        check(
            &[("1", &long), ("1", "rest")],
            &format!("{long}rest"),
            End::Unsure,
        );
        check(&[("1", &long), ("1", "")], &long, End::Lost);
        check(&[("1", &long)], &long, End::Complete);
        check(
            &[("1", &long), ("1", &long)],
            &format!("{long}{long}"),
            End::Complete,
        );
    }

    #[test]
    fn a_piece_without_a_time_is_refused() {
        assert_eq!(
            Mender::default().push(b"nonsense", &mut Vec::new()),
            Err(Malformed)
        );
    }
}
