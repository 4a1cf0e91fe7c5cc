//! How things are printed: data on standard output, talk on standard error.
//!
//! A terminal gets what fits it; anything else gets everything, in the same columns.

pub mod cells;
pub mod fields;
pub mod table;

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use crate::environment::Environment;
use crate::error::{Failure, Kind};
use table::{Column, Layout};

/// A form of output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    /// Columns for people
    #[default]
    Table,
    /// More columns
    Wide,
    /// One JSON document
    Json,
    /// One JSON document per line and thing
    Jsonl,
    /// One YAML document
    Yaml,
    /// Comma-separated values, all columns
    Csv,
    /// Only what names each thing
    Name,
}

/// When to use colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where and how things are printed.
#[derive(Clone, Debug)]
pub struct Output {
    /// The form.
    pub format: Format,
    /// Only these columns, or with `+` these as well.
    pub columns: Vec<String>,
    /// Leave the header line out.
    pub no_headers: bool,
    /// Say only what was asked for.
    pub quiet: bool,
    /// What cells are written for.
    pub view: View,
    /// Columns of the terminal; `None` when standard output is none.
    pub width: Option<usize>,
    /// Standard error is a terminal.
    pub talk_tty: bool,
}

/// What a cell is written for.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The moment of writing.
    pub now: Timestamp,
    /// For people at a terminal: times are relative.
    pub people: bool,
    /// Absolute times in UTC, not in local time.
    pub utc: bool,
    /// Colour is wanted.
    pub colour: bool,
}

impl Output {
    /// Prints a list of things.
    ///
    /// # Errors
    /// When nobody reads, or a column is unknown.
    pub fn list<T: Serialize>(&self, items: &[T], columns: &[Column<T>]) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(&items),
            Format::Yaml => self.yaml(&items),
            Format::Jsonl => items.iter().try_for_each(|item| self.json_line(item)),
            Format::Table | Format::Wide | Format::Csv | Format::Name => {
                self.rows(items, columns, !self.no_headers)
            }
        }
    }

    /// Prints the rows of a list without its documents' frame: for lists that grow.
    ///
    /// # Errors
    /// When nobody reads, or a column is unknown.
    pub fn rows<T>(&self, items: &[T], columns: &[Column<T>], head: bool) -> Result<(), Failure> {
        let layout = Layout {
            names: &self.columns,
            wide: matches!(self.format, Format::Wide | Format::Csv),
            head,
            width: self.width,
            view: self.view,
        };
        let text = match self.format {
            Format::Csv => layout.csv(items, columns)?,
            Format::Name => layout.names(items, columns),
            Format::Table | Format::Wide | Format::Json | Format::Jsonl | Format::Yaml => {
                layout.table(items, columns)?
            }
        };
        self.data(&text)
    }

    /// Prints one thing: as a document if one is wanted, otherwise as the text for people.
    ///
    /// # Errors
    /// When nobody reads.
    pub fn one<T: Serialize>(
        &self,
        item: &T,
        text: impl FnOnce(&View) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(item),
            Format::Jsonl => self.json_line(item),
            Format::Yaml => self.yaml(item),
            Format::Table | Format::Wide | Format::Csv | Format::Name => {
                self.data(&text(&self.view))
            }
        }
    }

    /// Whether a document for programs is wanted.
    pub fn is_document(&self) -> bool {
        match self.format {
            Format::Json | Format::Jsonl | Format::Yaml => true,
            Format::Table | Format::Wide | Format::Csv | Format::Name => false,
        }
    }

    /// Prints data as it is.
    ///
    /// # Errors
    /// When nobody reads.
    pub fn data(&self, text: &str) -> Result<(), Failure> {
        write_out(text.as_bytes())
    }

    /// Tells the user something, unless they want quiet.
    pub fn say(&self, text: &str) {
        if !self.quiet {
            note(text);
        }
    }

    fn json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value).map_err(unwritable)?;
        self.data(&format!("{text}\n"))
    }

    /// Prints one thing as one line of JSON.
    ///
    /// # Errors
    /// When nobody reads.
    pub fn json_line<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(unwritable)?;
        self.data(&format!("{text}\n"))
    }

    fn yaml<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_norway::to_string(value).map_err(unwritable)?;
        self.data(&text)
    }
}

/// Whether colour is wanted on a stream.
pub fn colour_wanted(colour: Colour, environment: &Environment, tty: bool) -> bool {
    match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto if environment.get("NO_COLOR").is_some() => false,
        Colour::Auto if environment.get("CLICOLOR_FORCE").is_some_and(|v| v != "0") => true,
        Colour::Auto => tty && environment.get("TERM") != Some("dumb"),
    }
}

/// Prints a failure on standard error, in the form that the user wants data in. `exit` is the
/// code that goctl ends with.
pub fn failure(failure: &Failure, format: Format, exit: u8) {
    if failure.kind == Kind::Unread {
        return;
    }
    match format {
        Format::Json | Format::Jsonl => {
            let problem = failure.problem.as_deref();
            let code = problem.map_or("", |problem| &problem.code);
            let code = if code.is_empty() {
                failure.kind.code()
            } else {
                code
            };
            let field = problem.and_then(|problem| problem.field.as_ref());
            let field = field.or(failure.field.as_ref());
            let body = serde_json::json!({"error": {
                "code": code,
                "message": failure.message,
                "hint": failure.hint,
                "status": problem.map(|problem| problem.status),
                "field": field,
                "problems": problem.map(|problem| &problem.problems),
                "request_id": problem.map(|problem| &problem.request_id),
                "exit": exit,
            }});
            note(&body.to_string());
        }
        Format::Table | Format::Wide | Format::Yaml | Format::Csv | Format::Name => {
            note(&failure.to_string());
        }
    }
}

/// Writes a line to standard error. That nobody reads it is no reason to stop.
pub fn note(text: &str) {
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

/// Writes a question to standard error.
pub fn prompt(text: &str) {
    let mut talk = std::io::stderr().lock();
    drop(write!(talk, "{text}").and_then(|()| talk.flush()));
}

/// Writes bytes to standard output at once.
///
/// # Errors
/// When nobody reads.
pub fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "used as the function given to map_err"
)]
fn unwritable(error: impl std::fmt::Display) -> Failure {
    Failure::failed(format!("the answer cannot be written: {error}"))
}
