//! `volumes`: what jobs may mount.

use api_types::volume::{Volume, VolumeList};

use super::grant;
use crate::client::Request;
use crate::error::Failure;
use crate::output::cells;
use crate::output::table::{Column, Rank};
use crate::session::Session;

/// `goctl volumes`.
///
/// # Errors
/// What the server says.
pub async fn list(session: &Session) -> Result<(), Failure> {
    let list: VolumeList = session.client()?.ask(&Request::get("/volumes")).await?;
    let columns = [
        Column::left("volume", Rank::Always, |volume: &Volume, _| {
            cells::safe(&volume.name)
        }),
        Column::left("mode", Rank::Useful, |volume, _| {
            if volume.writable {
                "rw".into()
            } else {
                "ro".into()
            }
        }),
        Column::left("mount", Rank::Always, |volume, _| {
            cells::safe(&volume.mount_path)
        }),
        Column::left("path", Rank::Useful, |volume, _| {
            volume
                .host_path
                .as_deref()
                .map_or_else(String::new, cells::safe)
        }),
        Column::left("for", Rank::Nice, |volume, _| {
            volume.who.as_ref().map_or_else(String::new, grant::words)
        }),
    ];
    session.output.list(&list.items, &columns)
}
