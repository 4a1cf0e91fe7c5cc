//! A tar archive. Names go in byte for byte; those that a header has no room for are written in
//! front of it, as GNU tar does (`././@LongLink`).

use std::io::{self, Read, Write};

use ::tar::{Builder, EntryType, Header};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::content::{Content, Filled};
use super::outlet::Outlet;
use super::{About, Pack};
use crate::omission::Why;

/// How hard gzip tries. At level 1 it makes what is packed already larger by a twentieth.
const LEVEL: Compression = Compression::new(3);
/// Files of up to so many bytes are read before their length is written down: they may have become
/// shorter. What is longer is filled up then.
const READ_FIRST_BYTES: u64 = 256 << 10;
/// The name of an entry that holds a long name.
const LONG_NAME: &[u8] = b"././@LongLink";

pub(super) struct Tar<'a>(Builder<Way<'a>>);

/// What the archive goes through. The outlet is behind the compression: when it is cut off, the end
/// mark of gzip does not come out either.
enum Way<'a> {
    Plain(Outlet<'a>),
    Zipped(Box<GzEncoder<Outlet<'a>>>),
}

impl Way<'_> {
    fn end(self) -> io::Result<()> {
        match self {
            Way::Plain(mut outlet) => outlet.flush(),
            Way::Zipped(encoder) => encoder.finish()?.flush(),
        }
    }
}

impl Write for Way<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Way::Plain(outlet) => outlet.write(bytes),
            Way::Zipped(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Way::Plain(outlet) => outlet.flush(),
            Way::Zipped(encoder) => encoder.flush(),
        }
    }
}

impl<'a> Tar<'a> {
    pub(super) fn plain(outlet: Outlet<'a>) -> Tar<'a> {
        Tar(Builder::new(Way::Plain(outlet)))
    }

    pub(super) fn zipped(outlet: Outlet<'a>) -> Tar<'a> {
        let encoder = GzEncoder::new(outlet, LEVEL);
        Tar(Builder::new(Way::Zipped(Box::new(encoder))))
    }

    fn entry(
        &mut self,
        kind: EntryType,
        name: &[u8],
        target: &[u8],
        about: &About,
        content: impl Read,
    ) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(about.mode);
        header.set_uid(about.uid.into());
        header.set_gid(about.gid.into());
        header.set_mtime(about.modified);
        header.set_size(if kind.is_file() { about.size } else { 0 });
        if put(&mut header.as_old_mut().linkname, target).is_err() {
            self.long(EntryType::GNULongLink, target)?;
        }
        if put(&mut header.as_old_mut().name, name).is_err() {
            self.long(EntryType::GNULongName, name)?;
        }
        header.set_cksum();
        self.0.append(&header, content)
    }

    /// What has no room in the header that comes next.
    fn long(&mut self, kind: EntryType, text: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        let _ = put(&mut header.as_old_mut().name, LONG_NAME);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(text.len() as u64 + 1);
        header.set_cksum();
        self.0.append(&header, text.chain(&b"\0"[..]))
    }
}

/// Puts a text in a field; says if there was not enough room.
fn put(field: &mut [u8], text: &[u8]) -> Result<(), ()> {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
    if length == text.len() {
        Ok(())
    } else {
        Err(())
    }
}

impl Pack for Tar<'_> {
    fn directory(&mut self, name: &[u8], about: &About) -> io::Result<Result<(), Why>> {
        let name = [name, b"/"].concat();
        self.entry(EntryType::Directory, &name, b"", about, io::empty())?;
        Ok(Ok(()))
    }

    fn file(
        &mut self,
        name: &[u8],
        about: &About,
        content: &mut Content,
    ) -> io::Result<Result<(), Why>> {
        if about.size > READ_FIRST_BYTES {
            self.entry(EntryType::Regular, name, b"", about, Filled(content))?;
            return Ok(Ok(()));
        }
        let mut text = Vec::new();
        content.read_to_end(&mut text)?;
        self.text(name, &text, about)
    }

    fn text(&mut self, name: &[u8], text: &[u8], about: &About) -> io::Result<Result<(), Why>> {
        let about = About {
            size: text.len() as u64,
            ..*about
        };
        self.entry(EntryType::Regular, name, b"", &about, text)?;
        Ok(Ok(()))
    }

    fn link(&mut self, name: &[u8], about: &About, target: &[u8]) -> io::Result<Result<(), Why>> {
        self.entry(EntryType::Symlink, name, target, about, io::empty())?;
        Ok(Ok(()))
    }

    fn finish(self) -> io::Result<()> {
        self.0.into_inner()?.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::pack::outlet::State;

    #[test]
    fn a_small_file_that_has_become_shorter_has_the_length_that_it_has() {
        let (state, mut packed) = (State::default(), Vec::new());
        let mut tar = Tar::plain(Outlet::new(&mut packed, &state));
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let about = About {
            mode: 0o640,
            uid: 0,
            gid: 0,
            modified: 0,
            size: 5,
        };
        let mut content = Content::new(file, about.size);
        tar.file(b"short", &about, &mut content).unwrap().unwrap();
        tar.finish().unwrap();
        assert_eq!((content.fault(), content.left()), (None, 2));
        assert_eq!(packed[124..136], *b"00000000003\0", "the size in octal");
        assert_eq!(packed[512..516], *b"abc\0");
    }
}
