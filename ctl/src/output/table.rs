//! Columns of text: two spaces between them, numbers to the right, no lines drawn.
//!
//! On a terminal that is too narrow the least important columns go first, then the last one is
//! cut. Off a terminal nothing is left out.

use super::View;
use crate::error::Failure;

/// So much of the last column is shown before it is left out.
const LAST_COLUMN_MIN: usize = 16;

/// One column of a list of `T`.
pub struct Column<T> {
    /// Its name in `--columns`; in upper case, its header.
    pub name: &'static str,
    /// Numbers stand to the right.
    pub right: bool,
    /// When it is shown.
    pub rank: Rank,
    /// What it says of a thing.
    pub cell: fn(&T, &View) -> String,
}

/// How important a column is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rank {
    /// Never left out.
    Always,
    /// Left out on a narrow terminal, after the others.
    Useful,
    /// Left out first.
    Nice,
    /// Only with `-o wide` and `-o csv`, or by name.
    Wide,
}

impl<T> Column<T> {
    /// A column of words.
    pub const fn left(name: &'static str, rank: Rank, cell: fn(&T, &View) -> String) -> Self {
        Column {
            name,
            right: false,
            rank,
            cell,
        }
    }

    /// A column of numbers.
    pub const fn right(name: &'static str, rank: Rank, cell: fn(&T, &View) -> String) -> Self {
        Column {
            name,
            right: true,
            rank,
            cell,
        }
    }
}

/// How a table is laid out.
pub struct Layout<'a> {
    /// The columns asked for; empty for the usual ones.
    pub names: &'a [String],
    /// The wide columns as well.
    pub wide: bool,
    /// With a header line.
    pub head: bool,
    /// Columns of the terminal.
    pub width: Option<usize>,
    /// What cells are written for.
    pub view: View,
}

impl Layout<'_> {
    /// The table as text.
    ///
    /// # Errors
    /// When a column asked for is unknown.
    pub fn table<T>(&self, items: &[T], columns: &[Column<T>]) -> Result<String, Failure> {
        let mut chosen = self.chosen(columns)?;
        let mut cells: Vec<Vec<String>> = chosen
            .iter()
            .map(|column| self.column_cells(items, column))
            .collect();
        if let Some(width) = self.width {
            drop_columns(&mut chosen, &mut cells, width);
        }
        let widths: Vec<usize> = cells
            .iter()
            .map(|column| column.iter().map(|cell| visible(cell)).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in 0..items.len() + usize::from(self.head) {
            let line = self.line(row, &chosen, &cells, &widths);
            text.push_str(line.trim_end());
            text.push('\n');
        }
        Ok(text)
    }

    /// All columns with commas between, quoted where needed (RFC 4180, with bare newlines).
    ///
    /// # Errors
    /// When a column asked for is unknown.
    pub fn csv<T>(&self, items: &[T], columns: &[Column<T>]) -> Result<String, Failure> {
        let chosen = self.chosen(columns)?;
        let mut text = String::new();
        if self.head {
            let heads: Vec<&str> = chosen.iter().map(|column| column.name).collect();
            text.push_str(&heads.join(","));
            text.push('\n');
        }
        for item in items {
            let row = chosen
                .iter()
                .map(|column| quoted(&(column.cell)(item, &self.view)));
            text.push_str(&row.collect::<Vec<_>>().join(","));
            text.push('\n');
        }
        Ok(text)
    }

    /// The first column only, a line each.
    pub fn names<T>(&self, items: &[T], columns: &[Column<T>]) -> String {
        let view = View {
            colour: false,
            ..self.view
        };
        let name = |item| format!("{}\n", (columns[0].cell)(item, &view));
        items.iter().map(name).collect()
    }

    fn chosen<'c, T>(&self, columns: &'c [Column<T>]) -> Result<Vec<&'c Column<T>>, Failure> {
        let adds = self.names.iter().any(|name| name.starts_with('+'));
        let mut chosen: Vec<&Column<T>> = Vec::new();
        if self.names.is_empty() || adds {
            chosen.extend(columns.iter().filter(|c| self.wide || c.rank != Rank::Wide));
        }
        for name in self.names {
            let name = name.strip_prefix('+').unwrap_or(name);
            let Some(column) = columns.iter().find(|column| column.name == name) else {
                let known: Vec<&str> = columns.iter().map(|column| column.name).collect();
                return Err(Failure::usage(format!("there is no column `{name}`"))
                    .hint(format!("columns: {}", known.join(","))));
            };
            if !chosen.iter().any(|other| other.name == name) {
                chosen.push(column);
            }
        }
        Ok(chosen)
    }

    fn column_cells<T>(&self, items: &[T], column: &Column<T>) -> Vec<String> {
        let head = self.head.then(|| column.name.to_uppercase());
        let cells = items
            .iter()
            .map(|item| plain(&(column.cell)(item, &self.view)));
        head.into_iter().chain(cells).collect()
    }

    fn line<T>(
        &self,
        row: usize,
        chosen: &[&Column<T>],
        cells: &[Vec<String>],
        widths: &[usize],
    ) -> String {
        let mut line = String::new();
        for (at, column) in chosen.iter().enumerate() {
            let cell = &cells[at][row];
            let pad = " ".repeat(widths[at] - visible(cell));
            if at > 0 {
                line.push_str("  ");
            }
            let used = visible(&line);
            match (column.right, self.width) {
                (true, _) => line.push_str(&format!("{pad}{cell}")),
                (false, Some(width)) if at + 1 == chosen.len() => {
                    line.push_str(&clipped(cell, width.saturating_sub(used)));
                }
                (false, _) => line.push_str(&format!("{cell}{pad}")),
            }
        }
        line
    }
}

/// Leaves out the least important columns, rightmost first, until the rest fits. The last column
/// fits as long as enough of it to be read does.
fn drop_columns<T>(chosen: &mut Vec<&Column<T>>, cells: &mut Vec<Vec<String>>, width: usize) {
    let needs = |chosen: &[&Column<T>], cells: &[Vec<String>]| -> usize {
        let widths = cells.iter().enumerate().map(|(at, column)| {
            let whole = column.iter().map(|cell| visible(cell)).max().unwrap_or(0);
            let may_be_cut = at + 1 == chosen.len() && !chosen[at].right;
            2 + if may_be_cut {
                whole.min(LAST_COLUMN_MIN)
            } else {
                whole
            }
        });
        widths.sum::<usize>().saturating_sub(2)
    };
    while needs(chosen, cells) > width {
        let least = (0..chosen.len()).max_by_key(|at| (chosen[*at].rank, *at));
        match least.filter(|at| chosen[*at].rank != Rank::Always) {
            Some(at) => {
                chosen.remove(at);
                cells.remove(at);
            }
            None => return,
        }
    }
}

/// How many terminal cells a text takes, colour codes apart.
fn visible(text: &str) -> usize {
    let mut count = 0;
    let mut code = false;
    for c in text.chars() {
        match (code, c) {
            (false, '\u{1b}') => code = true,
            (false, _) => count += 1,
            (true, 'm') => code = false,
            (true, _) => {}
        }
    }
    count
}

/// The text, or as much of it as fits with a sign that more follows.
fn clipped(text: &str, width: usize) -> String {
    if visible(text) <= width || text.contains('\u{1b}') {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// Without line breaks and terminal commands: what others wrote must not move the cursor.
/// Colour codes are ours, and put around words of ours only.
fn plain(cell: &str) -> String {
    let harmless = |c: char| {
        if c.is_control() && c != '\u{1b}' {
            ' '
        } else {
            c
        }
    };
    cell.chars().map(harmless).collect()
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    type Row = (u32, &'static str, &'static str);

    const COLUMNS: [Column<Row>; 4] = [
        Column::right("id", Rank::Always, |row, _| row.0.to_string()),
        Column::left("kind", Rank::Nice, |row, _| row.1.into()),
        Column::left("more", Rank::Wide, |_, _| "wide".into()),
        Column::left("text", Rank::Useful, |row, _| row.2.into()),
    ];
    const ROWS: [Row; 2] = [
        (7, "short", "a text that goes on"),
        (1_000, "x", "b, \"c\""),
    ];

    fn layout(width: Option<usize>, names: &[String]) -> Layout<'_> {
        let view = View {
            now: jiff::Timestamp::UNIX_EPOCH,
            people: width.is_some(),
            utc: true,
            colour: false,
        };
        Layout {
            names,
            wide: false,
            head: true,
            width,
            view,
        }
    }

    #[test]
    fn off_a_terminal_nothing_is_left_out() {
        let expected =
            "  ID  KIND   TEXT\n   7  short  a text that goes on\n1000  x      b, \"c\"\n";
        assert_eq!(layout(None, &[]).table(&ROWS, &COLUMNS).unwrap(), expected);
    }

    #[test]
    fn a_narrow_terminal_loses_the_least_important_column_and_then_the_end_of_the_last() {
        let table = |width| layout(Some(width), &[]).table(&ROWS, &COLUMNS).unwrap();
        assert!(table(40).contains("short"));
        let cut = "  ID  KIND   TEXT\n   7  short  a text that goe…\n1000  x      b, \"c\"\n";
        assert_eq!(table(29), cut);
        assert_eq!(
            table(26),
            "  ID  TEXT\n   7  a text that goes on\n1000  b, \"c\"\n"
        );
        assert_eq!(table(20), "  ID\n   7\n1000\n");
        let only = ["id".to_owned(), "text".to_owned()];
        let rank = [
            Column::right("id", Rank::Always, |row: &Row, _| row.0.to_string()),
            Column::left("text", Rank::Always, |row, _| row.2.into()),
        ];
        let cut = layout(Some(14), &only).table(&ROWS, &rank).unwrap();
        assert_eq!(cut, "  ID  TEXT\n   7  a text \u{2026}\n1000  b, \"c\"\n");
    }

    #[test]
    fn columns_are_chosen_or_added_by_name() {
        let names = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let head = |text: &str| {
            let names = names(text);
            let table = layout(None, &names).table(&ROWS, &COLUMNS).unwrap();
            table
                .lines()
                .next()
                .unwrap()
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(head("text,id"), ["TEXT", "ID"]);
        assert_eq!(head("+more"), ["ID", "KIND", "TEXT", "MORE"]);
        let unknown = names("colour");
        let failure = layout(None, &unknown).table(&ROWS, &COLUMNS).unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("columns: id,kind,more,text"));
    }

    #[test]
    fn values_with_commas_and_quotes_are_quoted() {
        let names = ["id".to_owned(), "text".to_owned()];
        let csv = layout(None, &names).csv(&ROWS, &COLUMNS).unwrap();
        assert_eq!(
            csv,
            "id,text\n7,a text that goes on\n1000,\"b, \"\"c\"\"\"\n"
        );
    }

    #[test]
    fn what_others_wrote_does_not_move_the_cursor() {
        let rows = [(1, "a\r\nb", "c\td")];
        let table = layout(None, &[]).table(&rows, &COLUMNS).unwrap();
        assert_eq!(table, "ID  KIND  TEXT\n 1  a  b  c d\n");
    }
}
