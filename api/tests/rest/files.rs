//! The files of jobs, through a host that plays the nodes.

use std::time::Duration;

use api::host::HostError;
use api::host::files::FileFault;

use crate::support::{Answer, Bench, request};

/// Alice's job 1 has run and left these files.
async fn with_files(files: &[(&str, &str)]) -> Bench {
    let bench = Bench::new().await;
    let job = bench.submit("alice").await;
    bench.run(job, 0).await;
    let files = files.iter();
    let files = files.map(|(name, text)| ((*name).into(), text.as_bytes().to_vec()));
    *bench.host.files.kept.lock().unwrap() = Ok(files.collect());
    bench
}

async fn get(bench: &Bench, path: &str, headers: &[(&str, &str)]) -> Answer {
    let token = bench.known_token("alice").await;
    let mut request = request("GET", path).header("Authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    bench.send(request.body("".into()).unwrap()).await
}

/// Headers of a request; status, body and `Content-Range` of its answer.
type Case<'a> = (&'a [(&'a str, &'a str)], u16, &'a str, Option<&'a str>);

#[tokio::test]
async fn a_directory_is_listed_a_page_at_a_time() {
    let bench = with_files(&[("a", "1"), ("b", "22"), ("c", "333")]).await;
    let page = bench
        .ask("alice", "GET", "/jobs/1/files?limit=2", "")
        .await
        .expect(200);
    assert_eq!(page["files"][1]["name"], "b");
    assert_eq!(page["files"][1]["size"], 2);
    assert_eq!(page["files"][1]["mode"], "0640");
    assert_eq!(
        (&page["attempt"], &page["next"]),
        (&"1_0#1".into(), &"b".into())
    );
    let rest = "/jobs/1/files?limit=2&cursor=b&path=work";
    let page = bench.ask("alice", "GET", rest, "").await.expect(200);
    assert_eq!(page["files"].as_array().unwrap().len(), 1);
    assert!(page.get("next").is_none());
    let asked = bench.host.files.asked.lock().unwrap().pop().unwrap();
    assert_eq!((asked.path.as_str(), asked.node), ("work", bench.node));
    assert_eq!(asked.owner.0, "alice");
}

#[tokio::test]
async fn a_file_comes_whole_or_in_part_and_is_never_shown_by_a_browser() {
    let bench = with_files(&[("work/a.html", "0123456789")]).await;
    let path = "/jobs/1/files/content?path=work/a.html";
    let whole = get(&bench, path, &[]).await;
    whole.expect_status(200);
    assert_eq!(whole.body, b"0123456789");
    let header = |name| whole.header(name).unwrap_or_default().to_owned();
    assert_eq!(header("content-type"), "application/octet-stream");
    assert_eq!(header("content-length"), "10");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-disposition").starts_with("attachment; filename=\"a.html\""));
    assert!(header("content-security-policy").starts_with("sandbox"));
    assert_eq!(header("godocker-attempt"), "1_0#1");
    let tag = header("etag");
    let cases: [Case<'_>; 5] = [
        (&[("Range", "bytes=7-")], 206, "789", Some("bytes 7-9/10")),
        (
            &[("Range", "bytes=-1"), ("If-Range", &tag)],
            206,
            "9",
            Some("bytes 9-9/10"),
        ),
        (
            &[("Range", "bytes=7-"), ("If-Range", "\"other\"")],
            200,
            "0123456789",
            None,
        ),
        (&[("Range", "bytes=1-2,4-5")], 200, "0123456789", None),
        (&[("If-None-Match", &tag)], 304, "", None),
    ];
    for (headers, status, text, range) in cases {
        let answer = get(&bench, path, headers).await;
        answer.expect_status(status);
        assert_eq!(answer.body, text.as_bytes(), "{headers:?}");
        assert_eq!(answer.header("content-range"), range, "{headers:?}");
    }
    let beyond = get(&bench, path, &[("Range", "bytes=10-")]).await;
    beyond.problem(416, "BAD_RANGE");
    assert_eq!(beyond.header("content-range"), Some("bytes */10"));
}

#[tokio::test]
async fn an_archive_has_the_format_that_was_asked_for() {
    let bench = with_files(&[]).await;
    for (query, kind, name) in [
        ("", "TarGz", "job-1-1.tar.gz"),
        ("?format=tar", "Tar", "job-1-1.tar"),
        ("?format=zip", "Zip", "job-1-1.zip"),
    ] {
        let answer = get(&bench, &format!("/jobs/1/files/archive{query}"), &[]).await;
        answer.expect_status(200);
        assert_eq!(answer.body, kind.as_bytes());
        let saved = answer.header("content-disposition").unwrap();
        assert!(saved.contains(name), "{saved}");
    }
}

#[tokio::test]
async fn only_the_owner_puts_and_removes_files() {
    let bench = with_files(&[("work/a", "1")]).await;
    let path = "/jobs/1/files/content?path=work/b";
    for asker in ["op", "admin"] {
        for method in ["PUT", "DELETE"] {
            bench
                .ask(asker, method, path, "x")
                .await
                .problem(403, "FORBIDDEN");
        }
    }
    for method in ["PUT", "DELETE"] {
        bench
            .ask("bob", method, path, "x")
            .await
            .problem(404, "NOT_FOUND");
    }
    assert!(bench.host.files.asked.lock().unwrap().is_empty());
    let written = bench
        .ask("alice", "PUT", path, "some bytes")
        .await
        .expect(200);
    assert_eq!(
        (&written["bytes"], &written["path"]),
        (&10.into(), &"work/b".into())
    );
    let read = get(&bench, path, &[]).await;
    assert_eq!(read.body, b"some bytes");
    bench
        .ask("alice", "DELETE", path, "")
        .await
        .expect_status(204);
    bench
        .ask("alice", "DELETE", path, "")
        .await
        .problem(404, "NOT_FOUND");
}

#[tokio::test]
async fn each_fault_has_its_status_and_names_the_remedy() {
    let bench = with_files(&[]).await;
    let cases = [
        (FileFault::NoDirectory, 404, "NOT_FOUND"),
        (FileFault::Missing, 404, "NOT_FOUND"),
        (FileFault::Name, 422, "INVALID"),
        (FileFault::IsDirectory, 409, "CONFLICT"),
        (FileFault::NotDirectory, 409, "CONFLICT"),
        (FileFault::NotFile, 409, "CONFLICT"),
        (FileFault::Denied, 403, "FORBIDDEN"),
        (FileFault::TooLarge, 413, "TOO_LARGE"),
        (FileFault::Full, 507, "DISK_FULL"),
        (FileFault::Again, 503, "OVERLOADED"),
        (FileFault::BrokeOff, 400, "BAD_REQUEST"),
        (FileFault::TooSlow, 408, "TOO_SLOW"),
        (FileFault::Failed, 500, "STORAGE"),
    ];
    for (fault, status, code) in cases {
        let words = format!("in the node's words: {fault:?}");
        *bench.host.files.kept.lock().unwrap() = Err(HostError::File(fault, words.clone()));
        let problem = get(&bench, "/jobs/1/files", &[])
            .await
            .problem(status, code);
        assert_eq!(problem.detail, words);
        assert!(problem.hint.is_some());
    }
    let lost = HostError::Unreachable("no session".into());
    *bench.host.files.kept.lock().unwrap() = Err(lost);
    let problem = get(&bench, "/jobs/1/files", &[])
        .await
        .problem(502, "NODE_UNREACHABLE");
    assert!(
        problem.detail.contains("n1: no session"),
        "{}",
        problem.detail
    );
}

/// How many streams are open, as the metrics say.
async fn streams(bench: &Bench) -> String {
    let metrics = bench.ask("op", "GET", "/metrics", "").await;
    metrics.expect_status(200);
    let text = String::from_utf8(metrics.body).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("godocker_api_streams "));
    line.unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_for_long_is_given_up_and_does_not_take_it_for_the_whole() {
    let bench = with_files(&[("work/a", "0123456789")]).await;
    let path = "/jobs/1/files/content?path=work/a";
    let mut stalled = bench.open("alice", path).await;
    let mut slow = bench.open("alice", path).await;
    assert_eq!(stalled.chunk().await.unwrap().unwrap(), b"012");
    let mut read = slow.chunk().await.unwrap().unwrap();
    assert_eq!(streams(&bench).await, "godocker_api_streams 2.0");
    for _ in 0..3 {
        tokio::time::sleep(api::limits::STALLED_WAIT - Duration::from_secs(1)).await;
        read.append(&mut slow.chunk().await.unwrap().unwrap());
    }
    assert_eq!(read, b"0123456789", "slow is not still");
    assert!(slow.chunk().await.is_none());
    assert_eq!(streams(&bench).await, "godocker_api_streams 0.0");
    let broken = stalled.chunk().await.unwrap();
    assert!(broken.is_err(), "{broken:?}");
}

#[tokio::test]
async fn a_job_that_waits_has_no_files_yet() {
    let bench = Bench::new().await;
    bench.submit("alice").await;
    let problem = get(&bench, "/jobs/1/files", &[])
        .await
        .problem(404, "NOT_FOUND");
    assert!(problem.detail.contains("it waits"), "{}", problem.detail);
}
