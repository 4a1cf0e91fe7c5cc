//! Framing: what goes in comes out, however the bytes are cut, and nothing makes it panic.

#![allow(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use net::NetError;
use net::codec::{Decoder, VERSION, decode, encode, frame};
use net::message::{Opening, ToAgent, ToHead};
use proptest::collection::vec;
use proptest::prelude::*;

const LIMIT: usize = 512;

fn drain(decoder: &mut Decoder) -> Result<Vec<Bytes>, NetError> {
    std::iter::from_fn(|| decoder.next_frame().transpose()).collect()
}

proptest! {
    #[test]
    fn any_cut_of_the_bytes_gives_the_same_frames(
        bodies in vec(vec(any::<u8>(), 0..LIMIT), 0..12),
        cuts in vec(1_usize..200, 1..64),
    ) {
        let mut wire = Vec::new();
        for body in &bodies {
            wire.extend_from_slice(&frame(body, LIMIT).unwrap());
        }
        let (mut decoder, mut seen, mut rest) = (Decoder::new(LIMIT), Vec::new(), &wire[..]);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            decoder.push(now);
            seen.extend(drain(&mut decoder).unwrap());
            rest = later;
        }
        prop_assert_eq!(seen, bodies);
        prop_assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn a_stream_that_ends_early_is_an_error(
        body in vec(any::<u8>(), 0..LIMIT),
        cut in any::<prop::sample::Index>(),
    ) {
        let wire = frame(&body, LIMIT).unwrap();
        let end = cut.index(wire.len() - 1) + 1;
        let mut decoder = Decoder::new(LIMIT);
        decoder.push(&wire[..end]);
        let whole = decoder.next_frame().unwrap().is_some();
        prop_assert_eq!(whole, end == wire.len());
        prop_assert_eq!(decoder.finish().is_err(), end != wire.len());
    }

    #[test]
    fn garbage_is_refused_without_a_panic(pieces in vec(vec(any::<u8>(), 0..64), 0..16)) {
        let mut decoder = Decoder::new(LIMIT);
        for piece in &pieces {
            decoder.push(piece);
            match drain(&mut decoder) {
                Ok(bodies) => for body in bodies {
                    prop_assert!(body.len() <= LIMIT);
                    let _ = decode::<ToHead>(&body);
                },
                Err(error) => {
                    prop_assert_eq!(decoder.next_frame(), Err(error), "it stays broken");
                    break;
                }
            }
        }
    }

    #[test]
    fn garbage_in_a_frame_is_refused_without_a_panic(body in vec(any::<u8>(), 0..LIMIT)) {
        let _ = decode::<ToHead>(&body);
        let _ = decode::<ToAgent>(&body);
        let _ = decode::<Opening>(&body);
    }

    #[test]
    fn a_message_comes_back_and_nothing_may_follow_it(number in any::<u64>(), more in 1_usize..9) {
        let mut body = encode(&ToHead::Heartbeat(number)).unwrap();
        prop_assert_eq!(decode::<ToHead>(&body), Ok(ToHead::Heartbeat(number)));
        body.resize(body.len() + more, 0);
        let refused = decode::<ToHead>(&body);
        prop_assert_eq!(refused, Err(NetError::Malformed("bytes behind the message")));
    }

    #[test]
    fn an_oversize_frame_is_refused_by_its_head_alone(bytes in LIMIT + 1..=u32::MAX as usize) {
        let mut decoder = Decoder::new(LIMIT);
        decoder.push(&u32::try_from(bytes).unwrap().to_le_bytes());
        decoder.push(&[VERSION]);
        let refused = decoder.next_frame();
        prop_assert_eq!(refused, Err(NetError::TooLarge { bytes, limit: LIMIT }));
    }

    #[test]
    fn another_version_is_refused(version in any::<u8>()) {
        prop_assume!(version != VERSION);
        let mut decoder = Decoder::new(LIMIT);
        decoder.push(&[1, 0, 0, 0, version, 9]);
        prop_assert_eq!(decoder.next_frame(), Err(NetError::Malformed("unknown version")));
    }
}

#[test]
fn the_first_version_looks_like_this() {
    let wire = frame(&[0xAA, 0xBB, 0xCC], LIMIT).unwrap();
    assert_eq!(&wire[..], [3, 0, 0, 0, 1, 0xAA, 0xBB, 0xCC]);
}

#[test]
fn the_bound_itself_is_allowed_and_one_more_is_not() {
    assert!(frame(&[0; LIMIT], LIMIT).is_ok());
    let refused = NetError::TooLarge {
        bytes: LIMIT + 1,
        limit: LIMIT,
    };
    assert_eq!(frame(&[0; LIMIT + 1], LIMIT), Err(refused));
}
