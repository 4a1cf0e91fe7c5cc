//! A zip archive, written without ever going back. Its names must make sense to any system that
//! unpacks it, so what means something else on one of them is written as `%NN`.

use std::io::{self, Write};

use ::zip::result::ZipError;
use ::zip::write::{FullFileOptions, SimpleFileOptions, StreamWriter};
use ::zip::{CompressionMethod, ZipWriter};

use super::content::Content;
use super::outlet::Outlet;
use super::{About, Pack};
use crate::omission::Why;

/// From this size on the long form of the header is used; deflate makes nothing longer than 4 GiB
/// out of less.
const LARGE_BYTES: u64 = 3 << 30;

pub(super) struct Zip<'a>(ZipWriter<StreamWriter<Outlet<'a>>>);

impl<'a> Zip<'a> {
    pub(super) fn new(outlet: Outlet<'a>) -> Zip<'a> {
        Zip(ZipWriter::new_stream(outlet))
    }
}

impl Pack for Zip<'_> {
    fn directory(&mut self, name: &[u8], about: &About) -> io::Result<Result<(), Why>> {
        put(self.0.add_directory(portable(name), options(about)?))
    }

    fn file(
        &mut self,
        name: &[u8],
        about: &About,
        content: &mut Content,
    ) -> io::Result<Result<(), Why>> {
        let begun = put(self.0.start_file(portable(name), options(about)?))?;
        if begun.is_ok() {
            io::copy(content, &mut self.0)?;
        }
        Ok(begun)
    }

    fn text(&mut self, name: &[u8], text: &[u8], about: &About) -> io::Result<Result<(), Why>> {
        let begun = put(self.0.start_file(portable(name), options(about)?))?;
        if begun.is_ok() {
            self.0.write_all(text)?;
        }
        Ok(begun)
    }

    fn link(&mut self, _: &[u8], _: &About, _: &[u8]) -> io::Result<Result<(), Why>> {
        Ok(Err(Why::Link))
    }

    fn finish(self) -> io::Result<()> {
        self.0.finish()?;
        Ok(())
    }
}

fn options(about: &About) -> io::Result<FullFileOptions<'static, 'static>> {
    let plain = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .unix_permissions(about.mode)
        .large_file(about.size >= LARGE_BYTES);
    let modified = u32::try_from(about.modified).ok();
    Ok(plain.with_extended_timestamp(modified, None, None)?)
}

/// A name that is there already is refused before anything is written: the directory was changed
/// while it was read, and told the name twice.
fn put(done: Result<(), ZipError>) -> io::Result<Result<(), Why>> {
    match done {
        Ok(()) => Ok(Ok(())),
        Err(ZipError::InvalidArchive(_)) => Ok(Err(Why::Changed)),
        Err(error) => Err(error.into()),
    }
}

/// A name that is one everywhere. Two names never become the same.
fn portable(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            let drive = letter == ':' && text.len() == 1;
            if drive || matches!(letter, '%' | '\\') || letter.is_control() {
                let mut bytes = [0; 4];
                escape(&mut text, letter.encode_utf8(&mut bytes).as_bytes());
            } else {
                text.push(letter);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("%{byte:02X}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_the_same_everywhere() {
        assert_eq!(portable("grüße/a b".as_bytes()), "grüße/a b");
        assert_eq!(portable(b"a\\..\\b"), "a%5C..%5Cb");
        assert_eq!(portable(b"C:/x:y"), "C%3A/x:y");
        assert_eq!(portable(b"100%\xff\n"), "100%25%FF%0A");
    }
}
