//! Where an archive goes, with a tap: once cut off, nothing more comes out.
//!
//! The writers of archives write their end marks when they are dropped, even after an error; an
//! archive that looks whole and is not would be worse than none.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Write};

use crate::error::BeneathError;

/// Shared between an outlet and who watches over it.
#[derive(Default)]
pub(super) struct State {
    off: Cell<bool>,
    failure: RefCell<Option<io::Error>>,
}

impl State {
    /// From now on nothing comes out.
    pub(super) fn cut_off(&self) {
        self.off.set(true);
    }

    /// The writer's own error, once.
    pub(super) fn failure(&self) -> Option<BeneathError> {
        self.failure.take().map(BeneathError::Writer)
    }
}

/// Passes on what is written until it is cut off or the writer fails.
pub(super) struct Outlet<'a> {
    writer: &'a mut dyn Write,
    state: &'a State,
}

impl<'a> Outlet<'a> {
    pub(super) fn new(writer: &'a mut dyn Write, state: &'a State) -> Outlet<'a> {
        Outlet { writer, state }
    }

    fn checked<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| {
            if error.kind() == ErrorKind::Interrupted {
                return error;
            }
            let kind = error.kind();
            self.state.cut_off();
            self.state.failure.replace(Some(error));
            kind.into()
        })
    }
}

impl Write for Outlet<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.state.off.get() {
            return Ok(bytes.len());
        }
        let written = match self.writer.write(bytes) {
            Ok(0) if !bytes.is_empty() => Err(ErrorKind::WriteZero.into()),
            done => done,
        };
        self.checked(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.state.off.get() {
            return Ok(());
        }
        let flushed = self.writer.flush();
        self.checked(flushed)
    }
}
