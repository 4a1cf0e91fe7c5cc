//! The files of jobs: lists, downloads that break off and go on, archives, and what is put there.

use std::process::Command;

use serde_json::{Value, json};

use crate::played::{Answer, Asked, Head};
use crate::support::{Home, Ran};

fn file(name: &str, kind: &str, size: u64) -> Value {
    json!({"name": name, "kind": kind, "size": size, "mode": "0640",
        "modified_at": "2026-11-01T10:00:00Z"})
}

/// A part of a file, of this version.
fn piece(status: u16, tag: &str, text: &str) -> Answer {
    Answer::Whole {
        status,
        headers: vec![("ETag", format!("\"{tag}\""))],
        body: text.into(),
    }
}

/// The beginning of a file; then the connection breaks.
fn torn(tag: &str, text: &str) -> Answer {
    Answer::Torn {
        headers: vec![("ETag", format!("\"{tag}\""))],
        body: text.into(),
    }
}

/// What goctl keeps in a home for itself.
const OURS: [&str; 3] = ["config.toml", "credentials.toml", "last-heads.toml"];

/// What is in a home beside that.
fn left(home: &Home) -> Vec<String> {
    let entries = std::fs::read_dir(home.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| !OURS.contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

#[test]
fn a_directory_is_listed_to_its_end() {
    let mut link = file("latest", "link", 0);
    link["target"] = json!("../\u{1b}[2Jout");
    let head = Head::new(move |_, asked| {
        let page = if asked.path.contains("cursor=d") {
            json!({"attempt": "7_0#1", "node": "n1", "files": [link, file("pipe", "other", 0)]})
        } else {
            json!({"attempt": "7_0#1", "node": "n1", "next": "d",
                "files": [file("a.sam", "file", 5_242_880), file("d", "directory", 4_096)]})
        };
        Answer::json(200, &page)
    });
    let home = Home::with_heads(&[&head.url()]);
    let args = [
        "files",
        "ls",
        "7",
        "work/results/",
        "--columns",
        "name,size,mode",
    ];
    let expected = "\
NAME                  SIZE  MODE
a.sam                   5M  0640
d/                          0640
latest -> ../ [2Jout        0640
pipe                        0640
";
    assert_eq!(home.run(&args).data(), expected);
    let asked: Vec<String> = head
        .asked()
        .iter()
        .map(|asked| asked.path.clone())
        .collect();
    let path = "/jobs/7/files?path=work%2Fresults";
    assert_eq!(asked[0], path);
    assert!(asked[1].contains("cursor=d") && asked[1].contains("path=work%2Fresults"));
    let json: Value =
        serde_json::from_str(home.run(&["files", "ls", "7", "-o", "json"]).data()).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 4);
    assert_eq!(json[0], file("a.sam", "file", 5_242_880));
    let names = home.run(&["files", "ls", "7", "--attempt", "2", "-o", "name"]);
    assert_eq!(names.data().lines().next(), Some("a.sam"));
    assert!(head.asked().last().unwrap().path.contains("attempt=2"));
}

#[test]
fn a_file_gets_its_name_or_another_and_goes_over_nothing() {
    let head = Head::new(|_, _| piece(200, "ab", "text\n"));
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["files", "get", "7", "work/out.txt"]);
    assert_eq!((ran.data(), ran.err.as_str()), ("", "out.txt: 5\n"));
    assert_eq!(home.read("out.txt"), "text\n");
    assert_eq!(
        head.asked()[0].path,
        "/jobs/7/files/content?path=work%2Fout.txt"
    );
    let again = home.run(&["files", "get", "7", "work/out.txt"]);
    again.told(1, &["out.txt is there already", "--force replaces it"]);
    assert_eq!(head.asked().len(), 1, "nothing is asked for in vain");
    home.write("out.txt", "old");
    home.run(&["files", "get", "7", "work/out.txt", "-f"])
        .data();
    assert_eq!(home.read("out.txt"), "text\n");
    std::fs::create_dir(home.path("dir")).unwrap();
    home.run(&["files", "get", "7", "work/out.txt", "dir"])
        .data();
    assert_eq!(home.read("dir/out.txt"), "text\n");
    let shown = home.run(&["files", "get", "7", "work/out.txt", "-"]);
    assert_eq!((shown.data(), shown.err.as_str()), ("text\n", ""));
    assert_eq!(left(&home), ["dir", "out.txt"]);
}

/// The headers by which a rest is asked for.
fn rest_of(asked: &Asked) -> (Option<&str>, Option<&str>) {
    (asked.header("Range"), asked.header("If-Range"))
}

#[test]
fn what_breaks_off_goes_on_where_it_was() {
    let head = Head::new(|before, _| match before {
        0 => torn("ab12", "01234"),
        1 => Answer::problem(502, "NODE_UNREACHABLE", "n1: no session"),
        2 => Answer::Nothing,
        _ => piece(206, "ab12", "56789"),
    });
    let home = Home::with_heads(&[&head.url()]);
    home.run(&["files", "get", "7", "work/out"]).data();
    assert_eq!(home.read("out"), "0123456789");
    assert_eq!(left(&home), ["out"]);
    let asked = head.asked();
    assert_eq!(rest_of(&asked[0]), (None, None));
    for asked in &asked[1..] {
        assert_eq!(rest_of(asked), (Some("bytes=5-"), Some("\"ab12\"")));
    }
}

#[test]
fn the_same_command_goes_on_later() {
    let head = Head::new(|_, _| piece(206, "ab12", "56789"));
    let home = Home::with_heads(&[&head.url()]);
    home.write("out.ab12.part", "01234");
    home.write("out.txt.part", "no part of it");
    home.run(&["files", "get", "7", "work/out"]).data();
    assert_eq!(home.read("out"), "0123456789");
    assert_eq!(rest_of(&head.asked()[0]).0, Some("bytes=5-"));
    assert_eq!(left(&home), ["out", "out.txt.part"]);
}

#[test]
fn two_versions_are_never_mixed() {
    let head = Head::new(|before, _| match before {
        0 => torn("aa", "old old"),
        _ => piece(200, "bb", "new"),
    });
    let home = Home::with_heads(&[&head.url()]);
    home.run(&["files", "get", "7", "work/out"]).data();
    assert_eq!(home.read("out"), "new");
    assert_eq!(left(&home), ["out"]);
    // A file that is shorter now.
    let head = Head::new(|_, asked| match asked.header("Range") {
        Some(_) => Answer::problem(416, "BAD_RANGE", "Range: the file has 3 bytes"),
        None => piece(200, "bb", "new"),
    });
    let home = Home::with_heads(&[&head.url()]);
    home.write("out.bb.part", "much longer");
    home.run(&["files", "get", "7", "work/out"]).data();
    assert_eq!(home.read("out"), "new");
    assert_eq!(left(&home), ["out"]);
}

#[test]
fn a_file_that_never_stays_the_same_is_given_up() {
    let head = Head::new(|before, _| torn(&format!("{before:x}"), &"x".repeat(100 + before)));
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["files", "get", "7", "work/out"]);
    ran.told(1, &["changes again and again", "when the job has ended"]);
    assert!(!home.path("out").exists(), "{:?}", left(&home));
    assert!(head.asked().len() < 10, "{} requests", head.asked().len());
}

#[test]
fn what_will_not_be_better_is_not_tried_again() {
    let cases = [
        (404, "NOT_FOUND", "`work/out`: no such file", 3),
        (403, "FORBIDDEN", "`work/out`: not allowed", 5),
        (409, "CONFLICT", "`work/out` is a link", 9),
        (422, "INVALID", "`..`: is no path", 1),
    ];
    for (status, code, detail, exit) in cases {
        let head = Head::new(move |_, _| Answer::problem(status, code, detail));
        let home = Home::with_heads(&[&head.url()]);
        let ran = home.run(&["files", "get", "7", "work/out", "-o", "json"]);
        assert_eq!((ran.code, ran.out.as_str()), (exit, ""), "{ran:?}");
        assert_eq!(ran.error()["code"], code);
        assert_eq!(ran.error()["message"], detail);
        assert_eq!(head.asked().len(), 1);
        assert_eq!(left(&home), [""; 0]);
    }
}

#[test]
fn what_breaks_off_on_standard_output_fails() {
    let head = Head::new(|_, _| torn("ab", "01234"));
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["files", "get", "7", "work/out", "-"]);
    assert_eq!(ran.out, "01234");
    ran.told(7, &["the answer broke off"]);
    assert_eq!(
        head.asked().len(),
        1,
        "it is not begun anew behind what is out"
    );
    assert_eq!(left(&home), [""; 0]);
}

#[test]
fn an_archive_is_whole_or_not_there() {
    let head = Head::new(|_, _| piece(200, "", "packed"));
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["files", "archive", "7"]);
    assert_eq!((ran.data(), ran.err.as_str()), ("", "job-7.tar.gz: 6\n"));
    for (to, format) in [("a.tar", "tar"), ("a.TGZ", "tar.gz"), ("a.zip", "zip")] {
        home.run(&["files", "archive", "7", "work/", "--to", to])
            .data();
        let asked = head.asked().pop().unwrap().path;
        let query = format!("/jobs/7/files/archive?format={format}&path=work");
        assert_eq!(asked, query);
        assert_eq!(home.read(to), "packed");
    }
    let shown = home.run(&["files", "archive", "7", "--to", "-"]);
    assert_eq!(shown.data(), "packed");
    let kind = home.run(&["files", "archive", "7", "--to", "a.rar"]);
    kind.told(2, &["which kind of archive?", ".tar.gz, .tar or .zip"]);
    assert_eq!(left(&home), ["a.TGZ", "a.tar", "a.zip", "job-7.tar.gz"]);

    let head = Head::new(|_, _| torn("", "pack"));
    let home = Home::with_heads(&[&head.url()]);
    home.write("a.zip", "of yesterday");
    let ran = home.run(&["files", "archive", "7", "--to", "a.zip", "--force"]);
    ran.told(7, &["broke off", "an archive cannot be continued"]);
    assert_eq!(home.read("a.zip"), "of yesterday");
    assert_eq!(left(&home), ["a.zip"]);
}

/// Interrupts a download when its head has been asked so often; what it said.
fn interrupted(home: &Home, head: &Head, args: &[&str], asked: usize) -> Ran {
    let child = home.command(args).spawn().unwrap();
    while head.asked().len() < asked {
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn an_interrupt_leaves_the_part_of_a_file_and_nothing_of_an_archive() {
    let slow = |before: usize, _: &Asked| match before {
        0 => torn("ab12", "01234"),
        _ => Answer::Silence,
    };
    let head = Head::new(slow);
    let home = Home::with_heads(&[&head.url()]);
    let ran = interrupted(&home, &head, &["files", "get", "7", "work/out"], 2);
    ran.told(130, &["not downloading any more", "goes on where it was"]);
    assert_eq!(left(&home), ["out.ab12.part"]);
    assert_eq!(home.read("out.ab12.part"), "01234");

    let head = Head::new(|_, _| Answer::Silence);
    let home = Home::with_heads(&[&head.url()]);
    let args = ["files", "archive", "7", "--to", "a.tar"];
    let ran = interrupted(&home, &head, &args, 1);
    ran.told(130, &["not downloading any more", "nothing is left"]);
    assert_eq!(left(&home), [""; 0]);
}

#[test]
fn a_file_is_put_below_work_or_where_it_is_wanted() {
    let head = Head::new(|_, asked| {
        let path = asked
            .path
            .split("path=")
            .nth(1)
            .unwrap()
            .replace("%2F", "/");
        let path = path.replace("%5C", "\\");
        let bytes = asked.body.len();
        Answer::json(
            200,
            &json!({"attempt": "7_0#1", "path": path, "bytes": bytes}),
        )
    });
    let home = Home::with_heads(&[&head.url()]);
    home.write("more.txt", "some text");
    let ran = home.run(&["files", "put", "7", "more.txt"]);
    assert_eq!((ran.data(), ran.err.as_str()), ("", "work/more.txt: 9\n"));
    let deep = home.run(&[
        "files",
        "put",
        "7",
        "more.txt",
        "work/a/b",
        "--attempt",
        "1",
    ]);
    assert!(deep.err.contains("work/a/b: 9"), "{deep:?}");
    home.write("back\\slash", "");
    let odd = home.run(&["files", "put", "7", "back\\slash"]);
    assert!(odd.err.contains("work/back\\x5cslash: 0"), "{odd:?}");
    let asked = head.asked();
    assert_eq!(asked[0].what(), "PUT /jobs/7/files/content");
    assert_eq!(asked[0].body, "some text");
    assert_eq!(
        asked[0].header("Content-Type"),
        Some("application/octet-stream")
    );
    assert!(asked[1].path.contains("attempt=1"));
}

#[test]
fn what_cannot_be_put_is_said_before_it_is_sent() {
    let head = Head::new(|_, _| Answer::Nothing);
    let home = Home::with_heads(&[&head.url()]);
    std::fs::create_dir(home.path("dir")).unwrap();
    let cases: [(&[&str], i32, &[&str]); 3] = [
        (
            &["files", "put", "7", "dir"],
            2,
            &["dir is no regular file", "tar czf"],
        ),
        (
            &["files", "put", "7", "missing"],
            1,
            &["missing: No such file"],
        ),
        (&["files", "put", "all", "dir"], 2, &["all"]),
    ];
    for (args, code, words) in cases {
        home.run(args).told(code, words);
    }
    assert_eq!(head.calls(), [""; 0]);
    let full = Head::new(|_, _| Answer::problem(507, "DISK_FULL", "n1: no room"));
    let home = Home::with_heads(&[&full.url()]);
    home.write("more.txt", "some text");
    home.run(&["files", "put", "7", "more.txt"])
        .told(1, &["n1: no room", "DISK_FULL"]);
}

#[test]
fn a_file_is_sent_again_to_another_head() {
    let head = Head::new(|_, asked| {
        let bytes = asked.body.len();
        Answer::json(
            200,
            &json!({"attempt": "7_0#1", "path": "work/a", "bytes": bytes}),
        )
    });
    let dying = Head::new(|_, _| Answer::Nothing);
    let home = Home::with_heads(&[&Head::dead(), &dying.url(), &head.url()]);
    home.write("a", "some text");
    home.run(&["files", "put", "7", "a"]).data();
    assert_eq!((dying.asked().len(), head.asked().len()), (1, 1));
    assert_eq!(head.asked()[0].body, "some text");
}

#[test]
fn a_file_or_a_directory_is_removed() {
    let head = Head::new(|before, _| match before {
        0 => Answer::Whole {
            status: 204,
            headers: Vec::new(),
            body: Vec::new(),
        },
        _ => Answer::problem(404, "NOT_FOUND", "`work/scratch`: no such file"),
    });
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["files", "rm", "7", "work/scratch/"]);
    assert_eq!((ran.data(), ran.err.as_str()), ("", ""));
    assert_eq!(head.asked()[0].what(), "DELETE /jobs/7/files/content");
    assert!(head.asked()[0].path.ends_with("path=work%2Fscratch"));
    home.run(&["files", "rm", "7", "work/scratch"])
        .told(3, &["no such file"]);
}
