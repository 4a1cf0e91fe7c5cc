//! The bytes of every message between agents and heads: see `raft/model/golden/README.md`.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../model/tests/golden/book.rs"]
mod book;
#[path = "golden/frame.rs"]
mod frame;
#[path = "../../model/tests/golden/parts.rs"]
#[allow(
    dead_code,
    reason = "values for all rooms; this one needs some of them"
)]
mod parts;

use std::path::PathBuf;

use book::{Samples, variants};
use frame::form;
use model::assignment::News;
use model::format::{v1, v2, v3};
use model::{ClusterId, NodeId};
use net::codec::VERSION;
use net::message::{
    Alive, ArchiveKind, FileEntry, FileFault, FileKind, FilesAnswer, FilesCall, FilesWish,
    HeadAddr, Hello, JoinAnswer, JoinCall, Lead, Login, Opening, Order, OutputAnswer, OutputCall,
    OutputStart, OutputStream, Plain, SecretAnswer, SecretCall, SecretFile, SecretWant, Span,
    Taken, ToAgent, ToHead, UsageAnswer, Welcome,
};

#[test]
fn golden_messages_are_written_as_ever() {
    let mut samples = Samples::default();
    openings(&mut samples);
    secrets(&mut samples);
    sessions(&mut samples);
    joining(&mut samples);
    files(&mut samples);
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    samples.check(&golden, "messages", VERSION);
}

fn call(stream: OutputStream, start: OutputStart) -> OutputCall {
    OutputCall {
        attempt: parts::attempt_id(),
        stream,
        start,
        follow: true,
    }
}

fn openings(samples: &mut Samples) {
    let starts = [OutputStart::Offset(70_000), OutputStart::BeforeEnd(5)];
    samples.all(variants!(OutputStart: Offset, BeforeEnd), &starts, &form());
    let streams = [OutputStream::Stdout, OutputStream::Stderr];
    samples.all(variants!(OutputStream: Stdout, Stderr), &streams, &form());
    let hello = Hello {
        facts: parts::facts(),
    };
    let openings = [
        Opening::Session(hello),
        Opening::Output(call(OutputStream::Stderr, starts[0])),
        Opening::Usage(parts::attempt_id()),
        Opening::Secrets(SecretCall {
            held: parts::held(),
            want: SecretWant::Login,
        }),
        Opening::Files(FilesCall {
            attempt: parts::attempt_id(),
            owner: "alice".into(),
            path: "work/out.sam".into(),
            wish: FilesWish::Read,
        }),
        Opening::OutputOf {
            owner: "alice".into(),
            call: call(OutputStream::Stdout, starts[1]),
        },
        Opening::UsageOf {
            owner: "alice".into(),
            attempt: parts::attempt_id(),
        },
    ];
    samples.all(
        variants!(Opening: Session, Output, Usage, Secrets, Files, OutputOf, UsageOf),
        &openings,
        &form(),
    );
    let answers = [
        OutputAnswer::Found { offset: 70_000 },
        OutputAnswer::Missing,
    ];
    samples.all(variants!(OutputAnswer: Found, Missing), &answers, &form());
    samples.put("usage", &UsageAnswer(Some(parts::usage())), &form());
    samples.put("usage.none", &UsageAnswer(None), &form());
}

fn secrets(samples: &mut Samples) {
    let wants = [SecretWant::Files, SecretWant::Login];
    samples.all(variants!(SecretWant: Files, Login), &wants, &form());
    let file = SecretFile {
        name: "password".into(),
        value: Plain(b"hunter2".to_vec()),
    };
    let login = Login {
        host: "registry.lab:5000".into(),
        login: "alice".into(),
        password: Plain(b"hunter3".to_vec()),
        mark: "user alice/lab 7".into(),
    };
    let answers = [
        SecretAnswer::Files(vec![file]),
        SecretAnswer::Login(Some(login)),
        SecretAnswer::Refused("there is no secret db".into()),
        SecretAnswer::NotHere,
    ];
    let all = variants!(SecretAnswer: Files, Login, Refused, NotHere);
    samples.all(all, &answers, &form());
}

fn files(samples: &mut Samples) {
    let archives = [ArchiveKind::Tar, ArchiveKind::TarGz, ArchiveKind::Zip];
    samples.all(variants!(ArchiveKind: Tar, TarGz, Zip), &archives, &form());
    let wishes = [
        FilesWish::List {
            after: Some("a".into()),
            limit: 1_000,
        },
        FilesWish::Read,
        FilesWish::Archive(ArchiveKind::Zip),
        FilesWish::Write { limit: 70_000 },
        FilesWish::Remove,
    ];
    samples.all(
        variants!(FilesWish: List, Read, Archive, Write, Remove),
        &wishes,
        &form(),
    );
    let kinds = [
        FileKind::File,
        FileKind::Directory,
        FileKind::Link,
        FileKind::Other,
    ];
    samples.all(
        variants!(FileKind: File, Directory, Link, Other),
        &kinds,
        &form(),
    );
    faults(samples);
    let entry = FileEntry {
        name: "out.sam".into(),
        kind: FileKind::Link,
        size: 300,
        modified_ms: 1_700_000_000_000,
        mode: 0o640,
        target: Some("b".into()),
    };
    let answers = [
        FilesAnswer::Listed {
            entries: vec![entry],
            more: true,
        },
        FilesAnswer::Content {
            length: 70_000,
            version: 300,
        },
        FilesAnswer::Archive,
        FilesAnswer::Ready,
        FilesAnswer::Taken(1),
        FilesAnswer::Done { bytes: 70_000 },
        FilesAnswer::Refused {
            fault: FileFault::Full,
            words: "full".into(),
        },
    ];
    samples.all(
        variants!(FilesAnswer: Listed, Content, Archive, Ready, Taken, Done,
            Refused),
        &answers,
        &form(),
    );
    let span = Span {
        offset: 300,
        length: 70_000,
    };
    samples.put("span", &span, &form());
    samples.put("taken", &Taken(1), &form());
}

fn faults(samples: &mut Samples) {
    let faults = [
        FileFault::NoDirectory,
        FileFault::Missing,
        FileFault::Name,
        FileFault::IsDirectory,
        FileFault::NotDirectory,
        FileFault::NotFile,
        FileFault::Denied,
        FileFault::TooLarge,
        FileFault::Full,
        FileFault::Again,
        FileFault::Failed,
    ];
    samples.all(
        variants!(FileFault: NoDirectory, Missing, Name, IsDirectory, NotDirectory, NotFile,
            Denied, TooLarge, Full, Again, Failed),
        &faults,
        &form(),
    );
}

fn sessions(samples: &mut Samples) {
    let to_head = [
        ToHead::Heartbeat(300),
        ToHead::Held {
            term: 7,
            held: vec![parts::held()],
        },
        ToHead::Reports(vec![
            parts::report(News::Running(parts::started())),
            parts::report(News::Ended(parts::ending())),
        ]),
        ToHead::Trouble(Some("no runc".into())),
        ToHead::Stored(parts::stored()),
    ];
    samples.all(
        variants!(ToHead: Heartbeat, Held, Reports, Trouble, Stored),
        &to_head,
        &form(),
    );
    let orders = [
        Order::Assign(vec![of_version_1()]),
        Order::Stop(vec![parts::stop()]),
        Order::NotedRunning(vec![parts::held()]),
        Order::Forget(vec![parts::held()]),
        Order::Run(vec![of_version_2()]),
        Order::Start(vec![of_version_3()]),
        Order::Launch(vec![parts::assignment()]),
    ];
    let all = variants!(Order: Assign, Stop, NotedRunning, Forget, Run, Start, Launch);
    samples.all(all, &orders, &form());
    let alive = Alive {
        number: 300,
        lead: Some(Lead {
            term: 7,
            lease_ms: 10_000,
        }),
        heartbeat_ms: 250,
        heads: heads(),
    };
    let order = ToAgent::Order {
        term: 7,
        order: orders[1].clone(),
    };
    let to_agent = [ToAgent::Alive(alive), order];
    samples.all(variants!(ToAgent: Alive, Order), &to_agent, &form());
}

/// What a head of version 1 says; nobody writes it any more.
fn of_version_1() -> v1::Assignment {
    let digits = concat!(
        "ac0200029c0305616c69636501e907ea0705616c69676e020667656e6f6d6504323032360e7265676973",
        "7472792f6277613a3101001323212f62696e2f73680a62776120222431220a01017801044c414e470143",
        "dc0b808080200180dddb01904e01010767656e6f6d657301010c2f7372762f67656e6f6d65730d2f6461",
        "74612f67656e6f6d65730101",
    );
    postcard::from_bytes(&book::unhex(digits)).unwrap()
}

/// What a head of version 2 says; nobody writes it any more.
fn of_version_2() -> v2::Assignment {
    let digits = concat!(
        "ac0200029c0305616c69636501e907ea0701eb0705616c69676e020667656e6f6d6504323032360e7265",
        "6769737472792f6277613a3101001323212f62696e2f73680a62776120222431220a01017801044c414e",
        "470143dc0b808080200180dddb01904e01010767656e6f6d6573010468673338036c6162056e69676874",
        "0101092f62696e2f74696d65010101018080c004010c2f7372762f67656e6f6d657304686733380d2f64",
        "6174612f67656e6f6d65730101",
    );
    postcard::from_bytes(&book::unhex(digits)).unwrap()
}

/// What a head of version 3 says; nobody writes it any more.
fn of_version_3() -> v3::Assignment {
    let digits = concat!(
        "ac0200029c0305616c69636501e907ea0701eb0705616c69676e020667656e6f6d6504323032360e7265",
        "6769737472792f6277613a3101001323212f62696e2f73680a62776120222431220a01017801044c414e",
        "470143dc0b808080200180dddb01904e01010767656e6f6d6573010468673338036c6162056e69676874",
        "0101092f62696e2f74696d65010101018080c004010264620870617373776f72640101036c6162010c2f",
        "7372762f67656e6f6d657304686733380d2f646174612f67656e6f6d65730101",
    );
    postcard::from_bytes(&book::unhex(digits)).unwrap()
}

fn heads() -> Vec<HeadAddr> {
    vec![HeadAddr {
        node: NodeId(17),
        addr: "head1:8443".into(),
    }]
}

fn joining(samples: &mut Samples) {
    let call = JoinCall {
        token: "jt".into(),
        secret: "s".into(),
        name: "node7".into(),
        request_pem: "PEM".into(),
        names: vec!["node7.lab".into()],
        facts: parts::facts(),
    };
    samples.put("join", &call, &form());
    let welcome = Welcome {
        cluster: ClusterId([9; 16]),
        node: NodeId(17),
        head: true,
        certificate_pem: "CERT".into(),
        ca_pem: "CA".into(),
        ca_key_pem: Some("KEY".into()),
        heads: heads(),
    };
    let answers = [
        JoinAnswer::Welcome(welcome),
        JoinAnswer::Refused("used".into()),
        JoinAnswer::TryAgain("no leader".into()),
    ];
    let all = variants!(JoinAnswer: Welcome, Refused, TryAgain);
    samples.all(all, &answers, &form());
}
