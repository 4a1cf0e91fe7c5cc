//! Messages as they lie in a stream: whole frames.

use net::codec::{self, Decoder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::book::Form;

const FRAME_MAX: usize = 1 << 20;

/// One message in one frame.
pub(crate) fn form<T: Serialize + DeserializeOwned>() -> Form<T> {
    Form {
        encode: |message| {
            let body = codec::encode(message).unwrap();
            codec::frame(&body, FRAME_MAX).unwrap().to_vec()
        },
        decode: |bytes| {
            let mut decoder = Decoder::new(FRAME_MAX);
            decoder.push(bytes);
            let body = decoder.next_frame().map_err(|why| why.to_string())?;
            let body = body.ok_or("no whole frame")?;
            codec::decode(&body).map_err(|why| why.to_string())
        },
    }
}
