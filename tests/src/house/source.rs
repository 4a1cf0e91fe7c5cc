//! Rust source, read just well enough to measure it: comments and literals are blanked, so that
//! braces and words in them count for nothing.

use std::path::PathBuf;

/// One Rust file.
pub struct SourceFile {
    /// From the root.
    pub path: PathBuf,
    /// As it is.
    pub text: String,
    /// The same, character for character, with blanks for comments and literals.
    pub code: String,
}

/// Where a function is, and how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of the word `fn`, counted from 1.
    pub line: usize,
    /// Lines from there to its closing brace, both counted.
    pub lines: usize,
}

impl SourceFile {
    /// A file from its text.
    pub fn new(path: PathBuf, text: String) -> SourceFile {
        let code = blank(&text);
        SourceFile { path, text, code }
    }

    /// Every function with a body, nested ones too.
    pub fn functions(&self) -> Vec<Function> {
        let code: Vec<char> = self.code.chars().collect();
        let mut found = Vec::new();
        let mut line = 1;
        for (at, letter) in code.iter().enumerate() {
            line += usize::from(*letter == '\n');
            let begins = at == 0 || !is_word(code[at - 1]);
            if begins && code[at..].starts_with(&['f', 'n', ' ']) {
                found.extend(function(&code, at, line));
            }
        }
        found
    }
}

/// The function whose `fn` is at this place, if it has a name and a body.
fn function(code: &[char], at: usize, line: usize) -> Option<Function> {
    let name: String = code[at + 3..]
        .iter()
        .take_while(|letter| is_word(**letter))
        .collect();
    if name.is_empty() {
        return None; // A type like `fn (u8)`, or a macro's `fn $name`.
    }
    let (mut depth, mut inside) = (0_usize, 0_usize);
    let mut lines = 1;
    for letter in &code[at..] {
        match letter {
            '\n' => lines += 1,
            '(' | '[' => inside += 1,
            ')' | ']' => inside = inside.saturating_sub(1),
            ';' if depth == 0 && inside == 0 => return None,
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(Function { name, line, lines });
                }
            }
            _ => {}
        }
    }
    None
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Blanks comments and literals; line ends stay.
fn blank(text: &str) -> String {
    let text: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let before = at.checked_sub(1).map(|before| text[before]);
        let length = literal(&text[at..], before);
        if length == 0 {
            code.push(text[at]);
            at += 1;
            continue;
        }
        let end = text.len().min(at + length);
        code.extend(
            text[at..end]
                .iter()
                .map(|letter| if *letter == '\n' { '\n' } else { ' ' }),
        );
        at = end;
    }
    code
}

/// How long the comment or literal is that begins here; 0 if none does.
fn literal(text: &[char], before: Option<char>) -> usize {
    match text {
        ['/', '/', ..] => text.iter().take_while(|letter| **letter != '\n').count(),
        ['/', '*', ..] => block_comment(text),
        ['"', ..] => quoted(text),
        ['\'', '\\', rest @ ..] => {
            let escaped = rest
                .iter()
                .skip(1)
                .take_while(|letter| **letter != '\'')
                .count();
            escaped + 4 // the quotes, the backslash, and what it escapes
        }
        ['\'', _, '\'', ..] => 3,
        ['r', next, ..] if matches!(next, '"' | '#') && !before.is_some_and(is_raw_word) => {
            raw(text)
        }
        _ => 0,
    }
}

/// What stands before the `r` of a raw string may be `b` or `c`, no other letter.
fn is_raw_word(before: char) -> bool {
    is_word(before) && before != 'b' && before != 'c'
}

fn block_comment(text: &[char]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < text.len() {
        match text[at..] {
            ['/', '*', ..] => {
                depth += 1;
                at += 2;
            }
            ['*', '/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn quoted(text: &[char]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// `r"…"`, `r#"…"#`; a raw word like `r#type` is no literal.
fn raw(text: &[char]) -> usize {
    let hashes = text[1..]
        .iter()
        .take_while(|letter| **letter == '#')
        .count();
    if text.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let mut end = vec!['"'];
    end.extend(std::iter::repeat_n('#', hashes));
    let body = 2 + hashes;
    let found = text[body..]
        .windows(end.len())
        .position(|window| window == end);
    found.map_or(text.len(), |found| body + found + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn functions(text: &str) -> Vec<(String, usize, usize)> {
        let file = SourceFile::new(PathBuf::new(), text.into());
        file.functions()
            .into_iter()
            .map(|one| (one.name, one.line, one.lines))
            .collect()
    }

    #[test]
    fn a_function_is_as_long_as_its_braces_say() {
        let text = "/// fn no() {\nfn one() {\n    \"}\";\n    '}';\n    '\\'';\n}\n";
        assert_eq!(functions(text), [("one".into(), 2, 5)]);
    }

    #[test]
    fn raw_strings_and_lifetimes_do_not_confuse() {
        let text = concat!(
            "fn a<'x>(r#in: &'x str) -> [u8; 2] {\n",
            "  r#\"}} \" {\"#;\n  br\"\\\";\n /* } /* } */ */\n}",
        );
        assert_eq!(functions(text), [("a".into(), 1, 5)]);
    }

    #[test]
    fn what_has_no_body_is_no_function() {
        let text = "trait T { fn a(&self);\n fn b(x: fn(u8) -> u8) {\n fn c() {}\n } }";
        assert_eq!(functions(text), [("b".into(), 2, 3), ("c".into(), 3, 1)]);
    }
}
