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
use model::{ClusterId, NodeId};
use net::codec::VERSION;
use net::message::{
    Alive, HeadAddr, Hello, JoinAnswer, JoinCall, Lead, Opening, Order, OutputAnswer, OutputCall,
    OutputStart, OutputStream, ToAgent, ToHead, UsageAnswer, Welcome,
};

#[test]
fn golden_messages_are_written_as_ever() {
    let mut samples = Samples::default();
    openings(&mut samples);
    sessions(&mut samples);
    joining(&mut samples);
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
    ];
    samples.all(
        variants!(Opening: Session, Output, Usage),
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
    ];
    samples.all(
        variants!(ToHead: Heartbeat, Held, Reports, Trouble),
        &to_head,
        &form(),
    );
    let orders = [
        Order::Assign(vec![parts::assignment()]),
        Order::Stop(vec![parts::stop()]),
        Order::NotedRunning(vec![parts::held()]),
        Order::Forget(vec![parts::held()]),
    ];
    let all = variants!(Order: Assign, Stop, NotedRunning, Forget);
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
