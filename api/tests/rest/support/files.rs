//! Files of attempts, kept in memory for tests: one directory for all of them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use api::host::HostError;
use api::host::files::{
    ArchiveKind, Content, FileEntry, FileFault, FileKind, FileList, FilePlace, Files, OpenFile,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use model::log::Later;

use super::NOW;

/// What is there, or why it cannot be had.
pub struct FakeFiles {
    pub kept: Mutex<Result<BTreeMap<String, Vec<u8>>, HostError>>,
    /// What was asked for.
    pub asked: Mutex<Vec<FilePlace>>,
    /// A file breaks off behind so many bytes.
    pub breaks_behind: Mutex<Option<usize>>,
}

impl Default for FakeFiles {
    fn default() -> Self {
        FakeFiles {
            kept: Mutex::new(Ok(BTreeMap::new())),
            asked: Mutex::default(),
            breaks_behind: Mutex::default(),
        }
    }
}

impl FakeFiles {
    fn kept(&self, at: &FilePlace) -> Result<BTreeMap<String, Vec<u8>>, HostError> {
        self.asked.lock().unwrap().push(at.clone());
        self.kept.lock().unwrap().clone()
    }
}

fn missing(path: &str) -> HostError {
    HostError::File(FileFault::Missing, format!("`{path}`: no such file"))
}

impl Files for FakeFiles {
    fn list(
        &self,
        at: FilePlace,
        after: Option<String>,
        limit: u32,
    ) -> Later<'_, Result<FileList, HostError>> {
        let kept = self.kept(&at);
        Box::pin(async move {
            let limit = usize::try_from(limit).unwrap();
            let names = kept?.into_iter();
            let mut entries: Vec<FileEntry> = names
                .filter(|(name, _)| after.as_ref().is_none_or(|after| name > after))
                .map(|(name, content)| FileEntry {
                    name,
                    kind: FileKind::File,
                    size: content.len() as u64,
                    modified: NOW,
                    mode: 0o640,
                    target: None,
                })
                .collect();
            let more = entries.len() > limit;
            entries.truncate(limit);
            Ok(FileList { entries, more })
        })
    }

    fn open(&self, at: FilePlace) -> Later<'_, Result<OpenFile, HostError>> {
        let kept = self.kept(&at);
        let breaks_behind = *self.breaks_behind.lock().unwrap();
        Box::pin(async move {
            let content = kept?.remove(&at.path).ok_or_else(|| missing(&at.path))?;
            let length = content.len() as u64;
            let version = content.iter().map(|byte| u64::from(*byte)).sum();
            let send = move |offset, length| -> Content {
                let begin = usize::try_from(offset).unwrap();
                let end = begin + usize::try_from(length).unwrap();
                let part = &content[begin..end];
                let whole = breaks_behind.unwrap_or(part.len()).min(part.len());
                let mut pieces: Vec<_> = part[..whole]
                    .chunks(3)
                    .map(Bytes::copy_from_slice)
                    .map(Ok)
                    .collect();
                if whole < part.len() {
                    pieces.push(Err(HostError::Unreachable("broke off".into())));
                }
                Box::pin(stream::iter(pieces))
            };
            Ok(OpenFile {
                length,
                version,
                send: Box::new(send),
            })
        })
    }

    fn archive(&self, at: FilePlace, kind: ArchiveKind) -> Later<'_, Result<Content, HostError>> {
        let kept = self.kept(&at);
        Box::pin(async move {
            kept?;
            let content: Content = Box::pin(stream::iter([Ok(Bytes::from(format!("{kind:?}")))]));
            Ok(content)
        })
    }

    fn write(
        &self,
        at: FilePlace,
        limit: u64,
        mut content: Content,
    ) -> Later<'_, Result<u64, HostError>> {
        let kept = self.kept(&at);
        Box::pin(async move {
            let mut kept = kept?;
            let mut whole = Vec::new();
            while let Some(chunk) = content.next().await {
                whole.extend_from_slice(&chunk?);
            }
            let bytes = whole.len() as u64;
            assert!(bytes <= limit);
            kept.insert(at.path, whole);
            *self.kept.lock().unwrap() = Ok(kept);
            Ok(bytes)
        })
    }

    fn remove(&self, at: FilePlace) -> Later<'_, Result<(), HostError>> {
        let kept = self.kept(&at);
        Box::pin(async move {
            let mut kept = kept?;
            kept.remove(&at.path).ok_or_else(|| missing(&at.path))?;
            *self.kept.lock().unwrap() = Ok(kept);
            Ok(())
        })
    }
}
