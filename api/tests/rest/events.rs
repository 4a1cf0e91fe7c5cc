//! The stream of news: complete, in order, resumable at any place, and bounded.

use api::limits::{EVENT_BATCH, LASTING_PER_USER_MAX};
use model::JobId;
use model::account::TokenId;
use model::command::{CancelJobs, Command, RevokeToken, SubmitJobs};
use model::log::Log;
use model::spec::{JobSpec, Program};
use model::{Bytes, MilliCpus, Resources};

use crate::support::Bench;
use crate::support::stream::{Message, Stream};

async fn told(bench: &Bench, user: &str, query: &str) -> Vec<Message> {
    let mut stream = bench
        .open(user, &format!("/events?follow=false&{query}"))
        .await;
    read(&mut stream).await
}

async fn read(stream: &mut Stream) -> Vec<Message> {
    assert_eq!(stream.status, 200);
    let mut messages = Vec::new();
    while let Some(message) = stream.news().await {
        messages.push(message);
    }
    messages
}

fn kinds(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|it| &*it.event).collect()
}

/// Submits jobs behind the API's back, in one entry.
async fn submit_many(bench: &Bench, count: usize) -> Vec<JobId> {
    let spec = JobSpec {
        name: "n".into(),
        program: Program::Argv(vec!["true".into()]),
        resources: Resources {
            cpu: MilliCpus(1000),
            memory: Bytes(1 << 30),
        },
        ..JobSpec::default()
    };
    let (by, key, specs) = ("alice".into(), None, vec![spec; count]);
    bench
        .apply(Command::SubmitJobs(SubmitJobs { by, key, specs }))
        .await;
    bench.log.read().jobs().map(|job| job.id).collect()
}

async fn cancel_all(bench: &Bench, jobs: Vec<JobId>) {
    let (by, reason, grace) = ("alice".into(), String::new(), None);
    bench
        .apply(Command::CancelJobs(CancelJobs {
            jobs,
            by,
            reason,
            grace,
        }))
        .await;
}

#[tokio::test]
async fn the_life_of_a_job_is_told_in_order() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.run(job, 3).await;
    let news = told(&bench, "alice", "after=0").await;
    let life = [
        "job.submitted",
        "attempt.placed",
        "attempt.started",
        "attempt.ended",
        "job.ended",
    ];
    assert_eq!(kinds(&news), life);
    let ended = &news[3].data;
    assert_eq!(
        (&ended["attempt"], &ended["node"]),
        (&"1_0#1".into(), &"n1".into())
    );
    assert_eq!(
        (&ended["state"], &ended["exit_code"]),
        (&"failed".into(), &3.into())
    );
    assert_eq!(news[4].data["state"], "failed");
    for message in &news {
        assert_eq!(
            (&message.data["type"], &message.data["owner"]),
            (&(*message.event).into(), &"alice".into())
        );
    }
    // The last two come from one entry: only the last one moves the place to resume at.
    assert_eq!(
        (news[3].id, news[4].id),
        (None, news[4].data["index"].as_u64())
    );
    assert_eq!(
        (&news[3].data["part"], &news[4].data["part"]),
        (&0.into(), &1.into())
    );
}

#[tokio::test]
async fn a_stream_resumes_behind_any_id() {
    let bench = Bench::new().await;
    for code in 0..5 {
        let job = bench.submit("alice").await;
        bench.run(job, code).await;
        bench.submit("bob").await;
    }
    let whole = told(&bench, "alice", "after=0").await;
    assert_eq!(whole.len(), 25);
    for (at, message) in whole.iter().enumerate() {
        let Some(id) = message.id else { continue };
        let rest = told(&bench, "alice", &format!("after={id}")).await;
        assert_eq!(rest, whole[at + 1..], "after {id}");
        let header = [("Last-Event-ID", &*id.to_string())];
        let path = "/events?follow=false&after=0";
        let rest = read(&mut bench.open_with("alice", path, &header).await).await;
        assert_eq!(rest, whole[at + 1..], "the header goes first: {id}");
    }
}

#[tokio::test]
async fn news_come_as_they_happen() {
    let bench = Bench::new().await;
    bench.submit("alice").await;
    let mut stream = bench.open("alice", "/events").await;
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    for _ in 0..3 {
        let job = bench.submit("alice").await;
        let message = stream.news().await.unwrap();
        assert_eq!(
            (&*message.event, &message.data["job"]),
            ("job.submitted", &job.0.into())
        );
    }
}

#[tokio::test]
async fn users_are_told_of_their_own_jobs_and_operators_of_everything() {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.submit("bob").await;
    bench.run(job, 0).await;
    let own = told(&bench, "bob", "after=0").await;
    assert_eq!(kinds(&own), ["job.submitted"]);
    assert_eq!(own[0].data["owner"], "bob");
    let everything = told(&bench, "op", "after=0").await;
    let nodes = kinds(&everything)
        .iter()
        .filter(|kind| kind.starts_with("node."))
        .count();
    assert_eq!((everything.len(), nodes), (9, 3));
    let picked = told(&bench, "op", "after=0&type=job,node.joined").await;
    let expected = [
        "node.joined",
        "node.joined",
        "job.submitted",
        "job.submitted",
        "job.ended",
    ];
    assert_eq!(kinds(&picked), expected);
    let picked = told(&bench, "op", "after=0&job=2").await;
    assert_eq!((picked.len(), &picked[0].data["job"]), (1, &2.into()));
}

#[tokio::test]
async fn what_is_not_for_a_client_still_moves_its_place_on() {
    let bench = Bench::new().await;
    let mut stream = bench.open("bob", "/events").await;
    bench.submit("alice").await;
    let message = stream.message().await.unwrap();
    assert_eq!(message.id, Some(bench.log.applied().0));
    assert!(message.comment.is_some() && message.event.is_empty());
}

#[tokio::test]
async fn an_entry_with_very_many_events_is_told_whole() {
    let bench = Bench::new().await;
    let jobs = submit_many(&bench, 2_000).await;
    cancel_all(&bench, jobs).await;
    bench.submit("alice").await;
    let news = told(&bench, "alice", "after=0").await;
    assert_eq!(news.len(), 1 + 4_000 + 1);
    let (big, ids): (Vec<_>, Vec<_>) = news[1..4_001]
        .iter()
        .map(|it| (it.data["part"].clone(), it.id))
        .unzip();
    assert!(big.iter().enumerate().all(|(at, part)| *part == at));
    assert!(ids[..3_999].iter().all(Option::is_none) && ids[3_999].is_some());
    // Filtered, it is the same: the last one that is told has the id.
    let ended = told(&bench, "alice", "after=0&type=job.ended").await;
    assert_eq!(ended.len(), 2_000);
    assert!(ended[..1_999].iter().all(|it| it.id.is_none()) && ended[1_999].id.is_some());
}

#[tokio::test]
async fn a_slow_reader_costs_a_bounded_number_of_events() {
    let bench = Bench::new().await;
    for _ in 0..EVENT_BATCH * 4 {
        submit_many(&bench, 1).await;
    }
    let mut stream = bench.open("alice", "/events?after=0").await;
    for _ in 0..3 {
        stream.news().await.unwrap();
    }
    for _ in 0..50 {
        submit_many(&bench, 1).await;
    }
    assert!(
        bench.log.events_read() <= EVENT_BATCH,
        "{} read",
        bench.log.events_read()
    );
    for _ in 3..EVENT_BATCH * 4 + 50 {
        stream.news().await.unwrap();
    }
    assert!(bench.log.events_read() <= EVENT_BATCH * 5);
}

#[tokio::test]
async fn who_asks_for_what_is_no_longer_kept_is_told_so() {
    let bench = Bench::new().await;
    bench.submit("alice").await;
    bench.log.forget_events();
    let answer = bench.ask("alice", "GET", "/events?after=1", "").await;
    let problem = answer.problem(410, "EVENTS_GONE");
    assert_eq!(problem.field.as_deref(), Some("after"));
    // From now on, or from the last entry on, nothing is missing.
    let now = bench.log.applied().0;
    assert_eq!(told(&bench, "alice", &format!("after={now}")).await, []);
}

#[tokio::test]
async fn a_stream_that_falls_behind_what_is_kept_ends_with_the_reason() {
    let bench = Bench::new().await;
    for _ in 0..EVENT_BATCH * 2 {
        submit_many(&bench, 1).await;
    }
    let mut stream = bench.open("alice", "/events?after=0").await;
    stream.news().await.unwrap();
    bench.log.forget_events();
    let mut last = Message::default();
    while let Some(message) = stream.news().await {
        last = message;
    }
    assert_eq!(
        (&*last.event, &last.data["code"]),
        ("error", &"EVENTS_GONE".into())
    );
    assert_eq!(last.data["status"], 410);
}

#[tokio::test]
async fn a_head_that_is_behind_catches_up_with_its_client() {
    let bench = Bench::new().await;
    bench.submit("alice").await;
    bench.log.fall_behind();
    bench.submit("alice").await;
    let newest = bench.log.newest();
    let mut stream = bench
        .open("alice", &format!("/events?after={newest}"))
        .await;
    assert_eq!(stream.status, 200);
    let job = bench.submit("alice").await;
    assert_eq!(stream.news().await.unwrap().data["job"], job.0);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_says_that_it_is_alive() {
    let bench = Bench::new().await;
    let mut stream = bench.open("alice", "/events").await;
    let began = tokio::time::Instant::now();
    for beat in 1..=3 {
        let message = stream.message().await.unwrap();
        assert_eq!((message.comment.as_deref(), message.id), (Some(""), None));
        assert_eq!(began.elapsed().as_secs(), beat * 15);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_token() {
    let bench = Bench::new().await;
    let mut stream = bench.open("alice", "/events").await;
    let state = bench.log.read();
    let token = state.tokens().find(|it| it.user.0 == "alice").unwrap();
    let newest = token.id.0.clone();
    let (id, user) = (TokenId(newest), None);
    bench
        .apply(Command::RevokeToken(RevokeToken { id, user }))
        .await;
    bench.submit("bob").await;
    assert_eq!(stream.kinds().await, [""; 0]);
}

#[tokio::test]
async fn a_user_has_a_bounded_number_of_streams() {
    let bench = Bench::new().await;
    let token = bench.token("alice").await;
    let path = "/events";
    let mut open = Vec::new();
    for _ in 0..LASTING_PER_USER_MAX {
        let stream = bench.open_as(&token, path).await;
        assert_eq!(stream.status, 200);
        open.push(stream);
    }
    let refused = bench.ask("alice", "GET", path, "").await;
    refused.problem(429, "OVERLOADED");
    assert_eq!(refused.header("retry-after"), Some("1"));
    bench
        .ask("bob", "GET", "/events?follow=false", "")
        .await
        .expect_status(200);
    open.pop();
    assert_eq!(bench.open_as(&token, path).await.status, 200);
}
