//! Every word between heads about the log.

use bytes::Bytes;
use model::Reply;
use net::codec::VERSION;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError,
    StreamAppendResult, TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};

use super::book::{Samples, variants};
use super::frame::form;
use super::{entries, golden, log_id, membership};
use crate::network::message::{Hello, Proposed, ReadIndex, Request, Welcome};
use crate::snapshot::transfer::{Chunk, FileInfo};
use crate::types::{Blob, SnapshotMeta, StoredMembership, TypeConfig, Vote};

fn vote() -> Vote {
    Vote::new_committed(7, 17)
}

fn append() -> AppendEntriesRequest<TypeConfig> {
    AppendEntriesRequest {
        vote: vote(),
        prev_log_id: Some(log_id(3, 299)),
        entries: entries(),
        leader_commit: Some(log_id(3, 298)),
    }
}

fn ask_vote() -> VoteRequest<TypeConfig> {
    VoteRequest {
        leadership_transfer: true,
        ..VoteRequest::new(Vote::new(8, 17), Some(log_id(3, 300)))
    }
}

#[test]
fn messages_between_heads_are_written_as_ever() {
    let mut samples = Samples::default();
    requests(&mut samples);
    answers(&mut samples);
    answers_of_openraft(&mut samples);
    samples.check(&golden(), "messages", VERSION);
}

fn requests(samples: &mut Samples) {
    let hello = Hello {
        node: 17,
        instance: [7; 16],
        known: Some([8; 16]),
    };
    let meta = SnapshotMeta {
        last_log_id: Some(log_id(3, 300)),
        last_membership: StoredMembership::new(Some(log_id(1, 2)), membership()),
    };
    let file = FileInfo {
        name: "000012.sst".into(),
        bytes: 70_000,
    };
    let requests = [
        Request::Hello(hello),
        Request::Append(append()),
        Request::StreamAppend,
        Request::Vote(ask_vote()),
        Request::PreVote(ask_vote()),
        Request::TransferLeader(TransferLeaderRequest::new(vote(), 1, Some(log_id(3, 300)))),
        Request::Snapshot {
            vote: vote(),
            meta,
            files: vec![file],
        },
        Request::Propose(Blob(Bytes::from_static(&[1, 20]))),
        Request::ReadIndex,
    ];
    let all = variants!(Request: Hello, Append, StreamAppend, Vote, PreVote, TransferLeader,
        Snapshot, Propose, ReadIndex);
    samples.all(all, &requests, &form());
    samples.put("append", &append(), &form());
    let chunk = Chunk {
        file: 2,
        offset: 1 << 20,
        sum: 0xdead_beef,
        bytes: Blob(Bytes::from_static(b"bytes")),
    };
    samples.put("chunk", &chunk, &form());
}

fn answers(samples: &mut Samples) {
    let welcomes = [Welcome::Yes { instance: [7; 16] }, Welcome::Replaced];
    samples.all(variants!(Welcome: Yes, Replaced), &welcomes, &form());
    let proposed = [
        Proposed::Applied {
            index: 300,
            reply: Reply::Done,
        },
        Proposed::NotLeading,
        Proposed::Overloaded,
        Proposed::Full,
        Proposed::Unknown,
    ];
    let all = variants!(Proposed: Applied, NotLeading, Overloaded, Full, Unknown);
    samples.all(all, &proposed, &form());
    let indexes = [ReadIndex::Upto(300), ReadIndex::NotLeading];
    samples.all(variants!(ReadIndex: Upto, NotLeading), &indexes, &form());
}

type Appended = AppendEntriesResponse<TypeConfig>;
type Refused = StreamAppendError<TypeConfig>;
type NotTransferred = TransferLeaderError<TypeConfig>;

fn answers_of_openraft(samples: &mut Samples) {
    let appended = [
        Appended::Success,
        Appended::PartialSuccess(Some(log_id(3, 299))),
        Appended::Conflict,
        Appended::HigherVote(vote()),
    ];
    let all = variants!(Appended: Success, PartialSuccess, Conflict, HigherVote);
    samples.all(all, &appended, &form());
    let refused = [
        Refused::Conflict(log_id(3, 299)),
        Refused::HigherVote(vote()),
    ];
    samples.all(variants!(Refused: Conflict, HigherVote), &refused, &form());
    let streamed: StreamAppendResult<TypeConfig> = Ok(Some(log_id(3, 300)));
    samples.put("streamed", &streamed, &form());
    let streamed: StreamAppendResult<TypeConfig> = Err(Refused::HigherVote(vote()));
    samples.put("streamed.refused", &streamed, &form());
    let voted: VoteResponse<TypeConfig> = VoteResponse::new(vote(), Some(log_id(3, 300)), true);
    samples.put("voted", &voted, &form());
    let transferred: TransferLeaderResponse<TypeConfig> = Ok(());
    samples.put("transferred", &transferred, &form());
    let not = [
        NotTransferred::VoteChanged {
            expected: vote(),
            actual: Vote::new(8, 1),
        },
        NotTransferred::LogNotFlushed {
            expected: Some(log_id(3, 300)),
            actual: None,
        },
    ];
    samples.all(
        variants!(NotTransferred: VoteChanged, LogNotFlushed),
        &not,
        &form(),
    );
    let installed: SnapshotResponse<TypeConfig> = SnapshotResponse::new(vote());
    samples.put("installed", &installed, &form());
}
